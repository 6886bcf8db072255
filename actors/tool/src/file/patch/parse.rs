//! Reads a patch.

/// What a patch does to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Add {
        path: String,
        text: String,
    },
    Delete {
        path: String,
    },
    Update {
        path: String,
        to: Option<String>,
        pieces: Vec<Piece>,
    },
}

/// Lines to look for, and what stands in their place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Piece {
    /// A line that stands somewhere before: what `@@` names.
    pub(super) after: Option<String>,
    pub(super) old: Vec<String>,
    pub(super) new: Vec<String>,
    /// Whether it stands at the end of the file.
    pub(super) at_end: bool,
}

/// Why a patch can't be read. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ParseError {
    #[error("the patch must begin with *** Begin Patch and end with *** End Patch")]
    Frame,
    #[error("the patch changes nothing")]
    Nothing,
    #[error(
        "line {0}: \"{1}\" begins no change; expected *** Add File:, *** Delete File: or *** Update File:"
    )]
    NoChange(usize, String),
    #[error("line {0}: a path is missing")]
    NoPath(usize),
    #[error("line {0}: in an added file each line begins with +")]
    NotAdded(usize),
    #[error("line {0}: a line of a change begins with a space, -, + or @@")]
    NotAPiece(usize),
    #[error("line {0}: the update of {1} changes nothing")]
    NoPieces(usize, String),
}

const BEGIN: &str = "*** Begin Patch";
const END: &str = "*** End Patch";
const ADD: &str = "*** Add File:";
const DELETE: &str = "*** Delete File:";
const UPDATE: &str = "*** Update File:";
const MOVE: &str = "*** Move to:";
const END_OF_FILE: &str = "*** End of File";

/// The changes of a patch, in order.
pub(super) fn parse(input: &str) -> Result<Vec<Change>, ParseError> {
    let mut lines: Vec<(usize, &str)> = (1..).zip(input.lines()).collect();
    // Some models write the patch as a shell would be given it.
    let is_frame = |line: &str| line.starts_with("<<") || line.starts_with("apply_patch <<");
    lines.retain(|(n, line)| !(*n == 1 && is_frame(line)));
    let begin = lines.iter().position(|(_, line)| !line.trim().is_empty());
    let end = lines.iter().rposition(|(_, line)| line.trim() == END);
    let (Some(begin), Some(end)) = (begin, end) else {
        return Err(ParseError::Frame);
    };
    let inside = match lines.get(begin..end) {
        Some([(_, first), inside @ ..]) if first.trim() == BEGIN => inside,
        _ => return Err(ParseError::Frame),
    };
    let is_after_fine = |(_, line): &(usize, &str)| line.trim().is_empty() || line.trim() == "EOF";
    if !lines.iter().skip(end + 1).all(is_after_fine) {
        return Err(ParseError::Frame);
    }
    let mut rest = inside.iter().peekable();
    let mut changes = Vec::new();
    while let Some((n, line)) = rest.next() {
        let path = |rest: &str| match rest.trim() {
            "" => Err(ParseError::NoPath(*n)),
            path => Ok(path.to_owned()),
        };
        let header = line.trim();
        if let Some(rest_of) = header.strip_prefix(ADD) {
            let (path, mut text) = (path(rest_of)?, String::new());
            while let Some((n, line)) = rest.next_if(|(_, line)| !is_header(line)) {
                match line.strip_prefix('+') {
                    Some(line) => {
                        text.push_str(line);
                        text.push('\n');
                    }
                    None if line.trim().is_empty()
                        && rest.peek().is_none_or(|(_, l)| is_header(l)) => {}
                    None => return Err(ParseError::NotAdded(*n)),
                }
            }
            changes.push(Change::Add { path, text });
        } else if let Some(rest_of) = header.strip_prefix(DELETE) {
            changes.push(Change::Delete {
                path: path(rest_of)?,
            });
        } else if let Some(rest_of) = header.strip_prefix(UPDATE) {
            let path = path(rest_of)?;
            let to = match rest
                .peek()
                .and_then(|(_, line)| line.trim().strip_prefix(MOVE))
            {
                Some(to) if to.trim().is_empty() => return Err(ParseError::NoPath(n + 1)),
                Some(to) => {
                    rest.next();
                    Some(to.trim().to_owned())
                }
                None => None,
            };
            let pieces = pieces(&mut rest)?;
            if pieces.is_empty() && to.is_none() {
                return Err(ParseError::NoPieces(*n, path));
            }
            changes.push(Change::Update { path, to, pieces });
        } else if !header.is_empty() {
            return Err(ParseError::NoChange(*n, header.chars().take(80).collect()));
        }
    }
    if changes.is_empty() {
        return Err(ParseError::Nothing);
    }
    Ok(changes)
}

fn is_header(line: &str) -> bool {
    let line = line.trim_end();
    [ADD, DELETE, UPDATE]
        .iter()
        .any(|header| line.starts_with(header))
}

fn pieces<'a>(
    lines: &mut std::iter::Peekable<impl Iterator<Item = &'a (usize, &'a str)>>,
) -> Result<Vec<Piece>, ParseError> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut piece: Option<Piece> = None;
    while let Some((n, line)) = lines.next_if(|(_, line)| !is_header(line)) {
        if let Some(after) = line.strip_prefix("@@") {
            pieces.extend(piece.take().filter(Piece::says_something));
            // The form with line numbers names nothing that could be looked for.
            let after = after.trim().trim_end_matches("@@").trim();
            let names = !after.is_empty() && !after.starts_with('-');
            piece = Some(Piece {
                after: names.then(|| after.to_owned()),
                ..Piece::default()
            });
            continue;
        }
        if line.trim() == END_OF_FILE {
            if let Some(mut last) = piece.take() {
                last.at_end = true;
                pieces.push(last);
            }
            continue;
        }
        let at = piece.get_or_insert_default();
        match (line.chars().next(), line.get(1..)) {
            (Some(' '), Some(rest)) => {
                at.old.push(rest.to_owned());
                at.new.push(rest.to_owned());
            }
            (Some('-'), Some(rest)) => at.old.push(rest.to_owned()),
            (Some('+'), Some(rest)) => at.new.push(rest.to_owned()),
            // An empty line is an empty line of the file whose space was lost.
            (None, _) => {
                at.old.push(String::new());
                at.new.push(String::new());
            }
            _ => return Err(ParseError::NotAPiece(*n)),
        }
    }
    pieces.extend(piece.filter(Piece::says_something));
    Ok(pieces)
}

impl Piece {
    fn says_something(&self) -> bool {
        !self.old.is_empty() || !self.new.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_change_is_read() {
        let patch = "*** Begin Patch\n*** Add File: a/new.md\n+one\n+\n*** Delete File: old.md\n*** Update File: b.rs\n*** Move to: c.rs\n@@ fn main\n x\n-y\n+z\n\n*** End of File\n*** End Patch\n";
        let changes = parse(patch).unwrap();
        assert_eq!(changes.len(), 3);
        assert_eq!(
            changes[0],
            Change::Add {
                path: "a/new.md".into(),
                text: "one\n\n".into()
            }
        );
        let Change::Update { to, pieces, .. } = &changes[2] else {
            panic!("{changes:?}");
        };
        assert_eq!(to.as_deref(), Some("c.rs"));
        let piece = &pieces[0];
        assert_eq!(piece.after.as_deref(), Some("fn main"));
        assert_eq!(
            (piece.old.join("|"), piece.new.join("|")),
            ("x|y|".into(), "x|z|".into())
        );
        assert!(piece.at_end);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let wrong =
            |inside: &str| parse(&format!("*** Begin Patch\n{inside}\n*** End Patch")).unwrap_err();
        assert_eq!(parse("*** Add File: x\n+y"), Err(ParseError::Frame));
        assert_eq!(
            parse("*** Begin Patch\n*** Add File: x\n+y"),
            Err(ParseError::Frame)
        );
        assert_eq!(
            parse("*** Begin Patch\n*** Delete File: x\n*** End Patch\nrm -rf /"),
            Err(ParseError::Frame)
        );
        assert_eq!(wrong(""), ParseError::Nothing);
        assert_eq!(wrong("hello"), ParseError::NoChange(2, "hello".into()));
        assert_eq!(wrong("*** Add File: \n+x"), ParseError::NoPath(2));
        assert_eq!(wrong("*** Add File: x\ny"), ParseError::NotAdded(3));
        assert_eq!(
            wrong("*** Update File: x\n@@\nyes"),
            ParseError::NotAPiece(4)
        );
        assert_eq!(
            wrong("*** Update File: x"),
            ParseError::NoPieces(2, "x".into())
        );
    }
}
