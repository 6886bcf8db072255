//! Applies the pieces of a patch to one text.

use super::parse::Piece;
use crate::file::replace::ends_with_windows_lines;

/// Why the pieces don't fit. Pieces are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApplyError {
    #[error("piece {0}: there is no line \"{1}\" after the piece before")]
    NoContext(usize, String),
    #[error(
        "piece {0}: the file does not hold these lines (beginning with \"{1}\"); read it again"
    )]
    NoLines(usize, String),
}

/// How alike two lines must be; tried in this order over the whole text.
const FORMS: [fn(&str) -> &str; 3] = [|line| line, str::trim_end, str::trim];

/// The text with all pieces in it. They stand in the order of the text.
pub(super) fn apply(text: &str, pieces: &[Piece]) -> Result<String, ApplyError> {
    let end = if ends_with_windows_lines(text) {
        "\r\n"
    } else {
        "\n"
    };
    let ends_open = !text.is_empty() && !text.ends_with('\n');
    let mut lines: Vec<&str> = text
        .split('\n')
        .map(|line| match end {
            "\r\n" => line.strip_suffix('\r').unwrap_or(line),
            _ => line,
        })
        .collect();
    // What follows the last line end is no line.
    if !ends_open {
        lines.pop();
    }
    let mut made: Vec<&str> = Vec::new();
    let mut at = 0;
    for (n, piece) in (1..).zip(pieces) {
        let mut from = at;
        if let Some(after) = &piece.after {
            let found = find(&lines, &[after.as_str()], from, false);
            from = found.ok_or_else(|| ApplyError::NoContext(n, after.clone()))? + 1;
        }
        let old: Vec<&str> = piece.old.iter().map(String::as_str).collect();
        let start = if old.is_empty() {
            // Only new lines: after the line that is named, else at the end.
            if piece.after.is_some() {
                Some(from)
            } else {
                Some(lines.len())
            }
        } else {
            find(&lines, &old, from, piece.at_end)
        };
        let (start, length, new) = match start {
            Some(start) => (start, old.len(), piece.new.as_slice()),
            None => shorter(&lines, &old, piece, from).ok_or_else(|| {
                let first = old.iter().find(|line| !line.trim().is_empty());
                ApplyError::NoLines(
                    n,
                    first.map_or_else(String::new, |line| line.chars().take(80).collect()),
                )
            })?,
        };
        made.extend(lines.get(at..start).unwrap_or_default());
        // A line that stays is taken from the file: it may have been found by its likeness only.
        let kept = lines.get(start..start + length).unwrap_or_default();
        made.extend(merged(kept, &piece.old, new));
        at = start + length;
    }
    made.extend(lines.get(at..).unwrap_or_default());
    let mut text = made.join(end);
    let stays_open = ends_open && at < lines.len();
    if !text.is_empty() && !stays_open {
        text.push_str(end);
    }
    Ok(text)
}

/// The new lines, with those that were there before as the file has them.
fn merged<'t>(kept: &[&'t str], old: &[String], new: &'t [String]) -> Vec<&'t str> {
    let mut made = Vec::with_capacity(new.len());
    let mut next = 0;
    for line in new {
        let rest = old.iter().enumerate().skip(next);
        match rest.take(kept.len()).find(|(_, old)| *old == line) {
            Some((at, _)) if at < kept.len() => {
                made.extend(kept.get(at));
                next = at + 1;
            }
            _ => made.push(line.as_str()),
        }
    }
    made
}

/// A piece whose last empty line is only the end of the file.
fn shorter<'p>(
    lines: &[&str],
    old: &[&str],
    piece: &'p Piece,
    from: usize,
) -> Option<(usize, usize, &'p [String])> {
    let [short @ .., ""] = old else {
        return None;
    };
    if short.is_empty() {
        return None;
    }
    let start = find(lines, short, from, piece.at_end)?;
    let new = match piece.new.as_slice() {
        [new @ .., last] if last.is_empty() => new,
        new => new,
    };
    Some((start, short.len(), new))
}

/// Where the lines stand, from a line on; the best likeness counts before the first place.
fn find(lines: &[&str], wanted: &[&str], from: usize, at_end: bool) -> Option<usize> {
    let last = lines.len().checked_sub(wanted.len())?;
    FORMS.iter().find_map(|form| {
        let fits = |start: &usize| {
            let there = lines.iter().skip(*start);
            there
                .zip(wanted)
                .all(|(line, wanted)| form(line) == form(wanted))
        };
        if at_end && last >= from && fits(&last) {
            return Some(last);
        }
        (from..=last).find(fits)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse::Change;
    use super::super::parse::parse;
    use super::*;

    fn pieces(body: &str) -> Vec<Piece> {
        let patch = format!("*** Begin Patch\n*** Update File: x\n{body}\n*** End Patch");
        match parse(&patch).unwrap().remove(0) {
            Change::Update { pieces, .. } => pieces,
            other => panic!("{other:?}"),
        }
    }

    fn made(text: &str, body: &str) -> Result<String, ApplyError> {
        apply(text, &pieces(body))
    }

    #[test]
    fn lines_are_found_and_replaced_in_order() {
        let text = "fn a() {\n    x();\n}\nfn b() {\n    x();\n}\n";
        assert_eq!(
            made(text, "@@ fn b() {\n-    x();\n+    y();\n").unwrap(),
            "fn a() {\n    x();\n}\nfn b() {\n    y();\n}\n"
        );
        assert_eq!(made("a\nb\nc", "-b\n+B").unwrap(), "a\nB\nc");
        assert_eq!(made("a\n", "+b").unwrap(), "a\nb\n");
        assert_eq!(made("", "+b").unwrap(), "b\n");
        assert_eq!(made("a\n", "-a").unwrap(), "");
        assert_eq!(
            made("a\nx\na\n", " a\n+b\n*** End of File").unwrap(),
            "a\nx\na\nb\n"
        );
    }

    #[test]
    fn what_a_model_gets_slightly_wrong_still_fits_and_stays_as_it_was() {
        assert_eq!(made("\ta  \nb\n", " a\n-b\n+c").unwrap(), "\ta  \nc\n");
        assert_eq!(made("a\r\nb\r\n", "-a\n+x\n+y").unwrap(), "x\r\ny\r\nb\r\n");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(
            made("a\n", "-b\n+c"),
            Err(ApplyError::NoLines(1, "b".into()))
        );
        assert_eq!(
            made("a\n", "@@ fn b\n-a\n+c"),
            Err(ApplyError::NoContext(1, "fn b".into()))
        );
        // A piece never goes back behind the one before it.
        assert!(made("a\nb\n", "-b\n+x\n@@\n-a\n+y").is_err());
    }

    proptest! {
        /// A patch made from two texts turns the one into the other.
        #[test]
        fn a_patch_does_what_it_says(
            before in proptest::collection::vec("[a-z]{1,4}", 0..12),
            at in 0_usize..12, gone in 0_usize..4, new in proptest::collection::vec("[a-z]{1,4}", 0..4),
        ) {
            let at = at.min(before.len());
            let gone = gone.min(before.len() - at);
            let mut after = before.clone();
            after.splice(at..at + gone, new.clone());
            // With everything around it there is only one place where it fits.
            let line = |mark: &str, line: &String| format!("{mark}{line}\n");
            let mut body = String::new();
            for l in &before[..at] { body += &line(" ", l); }
            for l in &before[at..at + gone] { body += &line("-", l); }
            for l in &new { body += &line("+", l); }
            for l in &before[at + gone..] { body += &line(" ", l); }
            let text = |lines: &[String]| lines.iter().map(|l| format!("{l}\n")).collect::<String>();
            if !body.is_empty() {
                let body = body.trim_end_matches('\n');
                prop_assert_eq!(made(&text(&before), body).unwrap(), text(&after));
            }
        }

        /// No patch and no text make it fall.
        #[test]
        fn whatever_comes_is_answered(text in "[ab \n\r]{0,20}", patch in "[ab+@* \n-]{0,30}") {
            if let Ok(changes) = parse(&format!("*** Begin Patch\n*** Update File: x\n{patch}\n*** End Patch")) {
                for change in changes {
                    if let Change::Update { pieces, .. } = change {
                        drop(apply(&text, &pieces));
                    }
                }
            }
        }
    }
}
