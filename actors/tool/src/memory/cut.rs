//! A file of notes in pieces: chunks, which the index finds, and the notes in them, which are shown.

use super::note;

/// How long the pieces of a file are, in characters; four make about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunking {
    /// A piece ends before it is longer.
    pub chars: usize,
    /// So much of a piece is said again at the beginning of the next.
    pub overlap: usize,
}

impl Default for Chunking {
    fn default() -> Self {
        Self {
            chars: 1600,
            overlap: 320,
        }
    }
}

/// A piece of a file: whole lines, under one heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// In bytes, from here to there.
    pub(super) start: usize,
    pub(super) end: usize,
    /// The first line's number, from 1.
    pub(super) line: usize,
}

/// A note: a list item with what is indented under it, or a paragraph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    /// Its lines, from 1.
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) text: String,
}

struct Line<'a> {
    start: usize,
    number: usize,
    text: &'a str,
}

impl Line<'_> {
    fn is_heading(&self) -> bool {
        self.text.starts_with('#')
    }

    fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// Cuts a text at its headings, and what is long between lines.
pub(super) fn pieces(text: &str, chunking: Chunking) -> Vec<Piece> {
    let most = chunking.chars.max(200);
    // An overlap as long as the piece would never come to an end.
    let overlap = chunking.overlap.min(most / 2);
    let mut pieces = Vec::new();
    let mut open: Vec<Line<'_>> = Vec::new();
    for line in lines(text, most) {
        let held: usize = open.iter().map(|line| line.text.len()).sum();
        let is_full = held + line.text.len() > most;
        if line.is_heading() && open.iter().any(|line| !line.is_heading()) {
            close(&open, &mut pieces);
            open.clear();
        } else if is_full && !open.is_empty() {
            close(&open, &mut pieces);
            let mut said_again = 0;
            let keep = open.iter().rev().take_while(|line| {
                said_again += line.text.len();
                said_again <= overlap
            });
            let keep = keep.count();
            open.drain(..open.len() - keep);
        }
        open.push(line);
    }
    close(&open, &mut pieces);
    pieces
}

fn close(lines: &[Line<'_>], pieces: &mut Vec<Piece>) {
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
        return;
    };
    if lines.iter().any(|line| !line.text.trim().is_empty()) {
        pieces.push(Piece {
            start: first.start,
            end: last.end(),
            line: first.number,
        });
    }
}

/// The lines with their ends; one that is longer than a piece counts as several.
fn lines(text: &str, most: usize) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut start = 0;
    for (at, mut rest) in text.split_inclusive('\n').enumerate() {
        while !rest.is_empty() {
            let cut = rest.floor_char_boundary(most);
            let (part, after) = rest.split_at(cut);
            lines.push(Line {
                start,
                number: at + 1,
                text: part,
            });
            start += part.len();
            rest = after;
        }
    }
    lines
}

/// The notes of a piece whose first line has this number.
pub(super) fn notes(text: &str, line: usize) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    let mut is_open = false;
    for (at, text) in text.lines().enumerate() {
        let number = line + at;
        let text = note::without_mark(text).trim_end();
        let trimmed = text.trim_start();
        let is_item = ["- ", "* ", "+ "].iter().any(|mark| text.starts_with(mark));
        // Headings name what follows; they are no notes by themselves.
        if trimmed.is_empty() || trimmed.starts_with('#') || trimmed.starts_with("<!--") {
            is_open = false;
            continue;
        }
        match notes.last_mut() {
            Some(note) if is_open && !is_item => {
                note.text.push('\n');
                note.text.push_str(trimmed);
                note.last = number;
            }
            _ => notes.push(Note {
                first: number,
                last: number,
                text: trimmed.to_owned(),
            }),
        }
        is_open = true;
    }
    notes
}

/// What of a piece is searched: without the marks of notes, and without what Markdown doesn't show.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for line in text.lines().map(note::without_mark) {
        if !line.trim_start().starts_with("<!--") {
            plain.push_str(line.trim_end());
            plain.push('\n');
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_at_headings_and_long_parts_between_lines() {
        let text = "# One\nfirst\n\n## Two\nsecond\n";
        let cut: Vec<&str> = pieces(text, Chunking::default())
            .iter()
            .map(|piece| &text[piece.start..piece.end])
            .collect();
        assert_eq!(cut, ["# One\nfirst\n\n", "## Two\nsecond\n"]);

        let long: String = (1..=100).map(|n| format!("- line number {n}\n")).collect();
        let chunking = Chunking {
            chars: 400,
            overlap: 60,
        };
        let cut = pieces(&long, chunking);
        assert!(cut.len() > 3);
        for pair in cut.windows(2) {
            assert!(pair[1].start > pair[0].start && pair[1].start < pair[0].end);
        }
        assert_eq!(cut.last().unwrap().end, long.len());
        let third = cut[2];
        let line = long.lines().nth(third.line - 1).unwrap();
        assert!(long[third.start..].starts_with(line));
    }

    #[test]
    fn a_line_without_an_end_is_cut_too() {
        let text = "ä".repeat(5000);
        let cut = pieces(&text, Chunking::default());
        assert!(cut.len() >= 6);
        assert_eq!(cut.last().unwrap().end, text.len());
    }
}
