//! Replaces pieces of a text that are named by what they say.

use std::ops::Range;

/// One piece: what it says, and what it shall say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) old: String,
    pub(super) new: String,
}

/// Why nothing was replaced. Edits are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum EditError {
    #[error("edit {0} names no text to replace; use write for a new file")]
    Empty(usize),
    #[error(
        "edit {0}: the file does not hold this text. It must be given exactly as it stands there, with all spaces and line ends; read the file again"
    )]
    Missing(usize),
    #[error(
        "edit {0}: the file holds this text {1} times. Add lines around it until it is unique, or set replace_all"
    )]
    Many(usize, usize),
    #[error("edits {0} and {1} overlap; make one of them")]
    Overlap(usize, usize),
    #[error("nothing would change: the new text is the old one")]
    Same,
}

/// The text with every edit made, and how many pieces were replaced. Each edit is looked for in the text as it was.
pub(super) fn replace(text: &str, edits: &[Edit], all: bool) -> Result<(String, usize), EditError> {
    let is_windows = ends_with_windows_lines(text);
    let mut found: Vec<(Range<usize>, usize, String)> = Vec::new();
    for (n, edit) in (1..).zip(edits) {
        if edit.old.is_empty() {
            return Err(EditError::Empty(n));
        }
        let edit = if is_windows {
            with_windows_lines(edit)
        } else {
            edit.clone()
        };
        let places: Vec<usize> = text.match_indices(&edit.old).map(|(at, _)| at).collect();
        match places.len() {
            0 => return Err(EditError::Missing(n)),
            // Pieces may lie across each other: `match_indices` sees only the first of those.
            1 if all || !again(text, &edit.old, &places) => {}
            1 => return Err(EditError::Many(n, 2)),
            _ if all => {}
            many => return Err(EditError::Many(n, many)),
        }
        let length = edit.old.len();
        found.extend(
            places
                .iter()
                .map(|at| (*at..at + length, n, edit.new.clone())),
        );
    }
    found.sort_by_key(|(range, ..)| range.start);
    let mut made = String::with_capacity(text.len());
    let mut last: (usize, usize) = (0, 0);
    for (range, n, new) in &found {
        if range.start < last.0 {
            return Err(EditError::Overlap(last.1.min(*n), last.1.max(*n)));
        }
        made.push_str(text.get(last.0..range.start).unwrap_or_default());
        made.push_str(new);
        last = (range.end, *n);
    }
    made.push_str(text.get(last.0..).unwrap_or_default());
    if made == text {
        return Err(EditError::Same);
    }
    Ok((made, found.len()))
}

/// Whether the piece stands there a second time, across the first.
fn again(text: &str, piece: &str, places: &[usize]) -> bool {
    let Some(first) = places.first() else {
        return false;
    };
    let step = text.get(*first..).and_then(|rest| rest.chars().next());
    let after = first + step.map_or(1, char::len_utf8);
    text.get(after..).is_some_and(|rest| rest.contains(piece))
}

/// Whether every line ends as on Windows; models write the other kind.
pub(super) fn ends_with_windows_lines(text: &str) -> bool {
    let lines = text.matches('\n').count();
    lines > 0 && text.matches("\r\n").count() == lines
}

fn with_windows_lines(edit: &Edit) -> Edit {
    let convert = |text: &str| text.replace("\r\n", "\n").replace('\n', "\r\n");
    Edit {
        old: convert(&edit.old),
        new: convert(&edit.new),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edit(old: &str, new: &str) -> Edit {
        Edit {
            old: old.to_owned(),
            new: new.to_owned(),
        }
    }

    #[test]
    fn a_piece_must_be_there_once() {
        let one = |text: &str, old: &str, new: &str| replace(text, &[edit(old, new)], false);
        assert_eq!(one("a b c", "b", "x").unwrap(), ("a x c".to_owned(), 1));
        assert_eq!(one("a b c", "d", "x"), Err(EditError::Missing(1)));
        assert_eq!(one("a b b", "b", "x"), Err(EditError::Many(1, 2)));
        assert_eq!(one("aaa", "aa", "x"), Err(EditError::Many(1, 2)));
        assert_eq!(one("a", "", "x"), Err(EditError::Empty(1)));
        assert_eq!(one("a", "a", "a"), Err(EditError::Same));
        assert_eq!(
            replace("a b b", &[edit("b", "x")], true).unwrap(),
            ("a x x".to_owned(), 2)
        );
    }

    #[test]
    fn several_edits_see_the_text_as_it_was() {
        let edits = [edit("two", "one"), edit("one", "two")];
        assert_eq!(replace("one two", &edits, false).unwrap().0, "two one");
        let edits = [edit("one two", "x"), edit("two three", "y")];
        assert_eq!(
            replace("one two three", &edits, false),
            Err(EditError::Overlap(1, 2))
        );
    }

    #[test]
    fn line_ends_stay_as_they_are() {
        let made = replace("a\r\nb\r\nc\r\n", &[edit("a\nb\n", "x\ny\nz\n")], false).unwrap();
        assert_eq!(made.0, "x\r\ny\r\nz\r\nc\r\n");
    }

    proptest! {
        /// What is around the piece stays, byte for byte.
        #[test]
        fn only_the_piece_changes(before in "[a-c\n]{0,20}", old in "[x-z]{1,6}", new in "[a-z\n]{0,9}", after in "[a-c\n]{0,20}") {
            let text = format!("{before}{old}{after}");
            match replace(&text, &[edit(&old, &new)], false) {
                Ok((made, 1)) => prop_assert_eq!(made, format!("{before}{new}{after}")),
                Err(EditError::Same) => prop_assert_eq!(old, new),
                other => prop_assert!(false, "{:?}", other),
            }
        }

        /// Making an edit and its reverse gives the text back.
        #[test]
        fn an_edit_can_be_taken_back(text in "[a-d ]{1,30}", at in 0_usize..30, length in 1_usize..8, new in "[0-9]{1,6}") {
            let at = at.min(text.len() - 1);
            let old = &text[at..(at + length).min(text.len())];
            if let Ok((made, 1)) = replace(&text, &[edit(old, &new)], false) {
                let (back, _) = replace(&made, &[edit(&new, old)], false).unwrap();
                prop_assert_eq!(back, text);
            }
        }
    }
}
