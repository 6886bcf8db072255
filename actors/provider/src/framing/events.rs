//! Server-sent events, as the HTML standard reads them: lines with a field each, an empty line ends an event.
//!
//! Each byte is looked at once, however the body is cut: a long answer must not cost more for coming in large portions
//! or in small ones.

use super::Buffer;
use super::Cut;
use super::Frame;

/// Cuts events; an event's kind is its `event` field.
#[derive(Default)]
pub(super) struct Events {
    buffer: Buffer,
    /// How far what is left has been searched for a line's end.
    searched: usize,
    /// The last line ended with a carriage return, so that a line feed that follows belongs to it.
    after_return: bool,
    /// Whether a line has been read: the mark of the byte order stands before the first only.
    begun: bool,
    kind: String,
    /// The lines of data so far, each with a line feed.
    data: String,
}

impl Cut for Events {
    fn push(&mut self, bytes: &[u8]) {
        self.buffer.push(bytes);
    }

    fn next(&mut self) -> Result<Option<Frame>, String> {
        loop {
            if self.after_return && !self.buffer.left().is_empty() {
                let follows = self.buffer.left().first() == Some(&b'\n');
                self.buffer.skip(usize::from(follows));
                self.after_return = false;
            }
            let left = self.buffer.left();
            let unread = left.get(self.searched..).unwrap_or_default();
            let ends = |byte: &u8| matches!(byte, b'\n' | b'\r');
            let Some(end) = unread.iter().position(ends) else {
                self.searched = left.len();
                return Ok(None);
            };
            let end = self.searched + end;
            self.after_return = left.get(end) == Some(&b'\r');
            let line = left.get(..end).unwrap_or_default();
            let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
            let line = match self.begun {
                false => line.strip_prefix('\u{feff}').unwrap_or(line),
                true => line,
            };
            self.begun = true;
            let is_over = line.is_empty();
            match line.split_once(':').unwrap_or((line, "")) {
                ("data", value) => {
                    self.data.push_str(value.strip_prefix(' ').unwrap_or(value));
                    self.data.push('\n');
                }
                ("event", value) => {
                    let value = value.strip_prefix(' ').unwrap_or(value);
                    value.clone_into(&mut self.kind);
                }
                // Comments, ids and times to wait say nothing about an answer.
                _ => {}
            }
            self.buffer.skip(end + 1);
            self.searched = 0;
            if is_over {
                let kind = std::mem::take(&mut self.kind);
                if self.data.is_empty() {
                    continue;
                }
                let mut data = std::mem::take(&mut self.data);
                data.pop();
                return Ok(Some((kind, data)));
            }
        }
    }

    /// Half an event is none.
    fn rest(&mut self) -> Option<Frame> {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(portions: &[&[u8]]) -> Vec<Frame> {
        let mut events = Events::default();
        let mut found = Vec::new();
        for portion in portions {
            events.push(portion);
            while let Some(frame) = events.next().unwrap() {
                found.push(frame);
            }
        }
        found
    }

    fn frame(kind: &str, data: &str) -> Frame {
        (kind.to_owned(), data.to_owned())
    }

    const BODY: &str = "\u{feff}data: {\"a\": \"é ☾\"}\r\n\r\n: waiting\n\nevent: delta\rdata:x\r\
        data:  y\r\rid: 7\nretry: 5\ndata\n\nevent: nothing\n\ndata: [DONE]\n\ndata: cut off";

    #[test]
    fn events_are_read_as_the_standard_says() {
        let expected = [
            frame("", "{\"a\": \"é ☾\"}"),
            frame("delta", "x\n y"),
            frame("", ""),
            frame("", "[DONE]"),
        ];
        assert_eq!(frames(&[BODY.as_bytes()]), expected);
        let mut events = Events::default();
        events.push(b"data: \xff\n\n");
        assert!(events.next().is_err());
    }

    proptest! {
        #[test]
        fn events_are_the_same_however_the_body_is_cut(
            cuts in prop::collection::vec(0..BODY.len(), 0..12),
        ) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            cuts.push(BODY.len());
            let mut begin = 0;
            let portions = cuts.iter().map(|cut| {
                let portion = &BODY.as_bytes()[begin..*cut];
                begin = *cut;
                portion
            });
            let portions: Vec<&[u8]> = portions.collect();
            prop_assert_eq!(frames(&portions), frames(&[BODY.as_bytes()]));
        }
    }
}
