//! What a program said, within bounds: its beginning and its end, and what nobody has asked for yet.

use std::collections::VecDeque;

/// The beginning that is kept, in bytes.
const HEAD: usize = 80_000;
/// The end that is kept.
const TAIL: usize = 120_000;
/// What is kept of the words that nobody has asked for yet.
const PENDING: usize = 30_000;

/// What a program said.
#[derive(Debug, Default)]
pub(super) struct Output {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    pending: VecDeque<u8>,
    /// Left out between the beginning and the end.
    lost: usize,
    /// Left out of what nobody has asked for.
    missed: usize,
}

impl Output {
    /// It says something.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        self.missed += push(&mut self.pending, bytes, PENDING);
        let room = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        self.lost += push(&mut self.tail, rest, TAIL);
    }

    /// What it said since this was last asked.
    pub(super) fn news(&mut self) -> String {
        let bytes: Vec<u8> = self.pending.drain(..).collect();
        let text = clean(&bytes);
        match std::mem::take(&mut self.missed) {
            0 => text,
            missed => format!("[… {missed} bytes are left out; process log has more …]\n{text}"),
        }
    }

    /// All that is kept of it.
    pub(super) fn all(&self) -> String {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        if self.lost == 0 {
            let whole: Vec<u8> = [self.head.as_slice(), &tail].concat();
            return clean(&whole);
        }
        format!(
            "{}\n[… {} bytes are left out …]\n{}",
            clean(&self.head),
            self.lost,
            clean(&tail)
        )
    }
}

/// Adds bytes at the end and drops what is too much at the beginning; tells how much that was.
fn push(queue: &mut VecDeque<u8>, bytes: &[u8], most: usize) -> usize {
    let skipped = bytes.len().saturating_sub(most);
    queue.extend(bytes.iter().skip(skipped));
    let over = queue.len().saturating_sub(most);
    queue.drain(..over);
    skipped + over
}

/// The text without what only steers a terminal.
fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut made = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '\u{1b}' => match letters.next() {
                // A control sequence ends with a letter or one of a few signs.
                Some('[') => drop(letters.by_ref().find(|c| ('\u{40}'..='\u{7e}').contains(c))),
                // A command to the terminal ends with a bell or an escape sign.
                Some(']') => {
                    let _end = letters.by_ref().find(|c| matches!(c, '\u{7}' | '\u{1b}'));
                    letters.next_if_eq(&'\\');
                }
                _ => {}
            },
            '\r' if letters.peek() == Some(&'\n') => {}
            '\n' | '\t' | '\r' => made.push(c),
            c if c.is_control() => {}
            c => made.push(c),
        }
    }
    made
}

/// A text cut in its middle so that it fits.
pub(super) fn shortened(text: &str, most: usize) -> Option<String> {
    if text.len() <= most {
        return None;
    }
    let (mut head, mut tail) = (most * 2 / 5, text.len() - most * 3 / 5);
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    let part = |range: Option<&str>| range.unwrap_or_default().to_owned();
    Some(format!(
        "{}\n[… {} bytes are left out …]\n{}",
        part(text.get(..head)),
        tail - head,
        part(text.get(tail..))
    ))
}

/// Some lines of a text: from one on, else the last ones; and how many there are.
pub(super) fn lines(text: &str, offset: Option<usize>, limit: usize) -> (String, usize) {
    let lines: Vec<&str> = text.lines().collect();
    let from = offset.unwrap_or_else(|| lines.len().saturating_sub(limit));
    let some: Vec<&str> = lines.iter().skip(from).take(limit).copied().collect();
    (some.join("\n"), lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_and_the_end_are_kept() {
        let mut output = Output::default();
        output.hear(b"first\n");
        for _ in 0..300 {
            output.hear(&[b'x'; 1000]);
        }
        output.hear(b"\nlast");
        let all = output.all();
        assert!(all.starts_with("first\nxxx") && all.ends_with("xxx\nlast"));
        assert!(
            all.contains("[… 100011 bytes are left out …]"),
            "{}",
            all.len()
        );
        assert!(all.len() < HEAD + TAIL + 100);
        let news = output.news();
        assert!(news.ends_with("last") && news.len() < PENDING + 100 && news.contains("left out"));
        assert_eq!(output.news(), "");
        output.hear(b"more");
        assert_eq!(output.news(), "more");
    }

    #[test]
    fn a_letter_may_come_in_two_pieces() {
        let mut output = Output::default();
        for byte in "grün".bytes() {
            output.hear(&[byte]);
        }
        assert_eq!(output.all(), "grün");
    }

    #[test]
    fn what_steers_a_terminal_is_left_out() {
        assert_eq!(
            clean(b"\x1b[1;31mred\x1b[0m\r\n\x1b]0;title\x07a\x08b\x1b]8;;x\x1b\\c"),
            "red\nabc"
        );
    }

    #[test]
    fn lines_are_counted_from_the_beginning_or_the_end() {
        assert_eq!(lines("a\nb\nc", None, 2), ("b\nc".to_owned(), 3));
        assert_eq!(lines("a\nb\nc", Some(0), 2), ("a\nb".to_owned(), 3));
        assert_eq!(shortened("abc", 3), None);
        assert!(
            shortened(&"ü".repeat(100), 51)
                .unwrap()
                .contains("left out")
        );
    }
}
