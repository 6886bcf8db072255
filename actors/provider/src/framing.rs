//! How the pieces of an answer are cut out of the bytes of its body.

mod amazon;
mod events;

use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream;

use self::amazon::Amazon;
use self::events::Events;
use crate::error::ModelError;
use crate::error::ModelErrorKind;

/// One piece: its kind, where the framing names one, and its text.
pub(crate) type Frame = (String, String);
pub(crate) type Frames = Pin<Box<dyn Stream<Item = Result<Frame, ModelError>> + Send>>;

/// The framings that providers use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Framing {
    /// Server-sent events.
    #[default]
    Events,
    /// One JSON object a line.
    Lines,
    /// Amazon's binary messages.
    Amazon,
}

/// Cuts pieces out of bytes that come in any portions.
trait Cut: Send + 'static {
    fn push(&mut self, bytes: &[u8]);
    /// The next whole piece; an error says what is wrong with the bytes.
    fn next(&mut self) -> Result<Option<Frame>, String>;
    /// What is left when the body ends.
    fn rest(&mut self) -> Option<Frame>;
}

impl Framing {
    pub(crate) fn frames<S>(self, body: S, provider: String) -> Frames
    where
        S: Stream<Item = Result<Bytes, ModelError>> + Send + Unpin + 'static,
    {
        match self {
            Self::Events => cut(body, Events::default(), provider),
            Self::Lines => cut(body, Lines::default(), provider),
            Self::Amazon => cut(body, Amazon::default(), provider),
        }
    }
}

fn unreadable(provider: &str, error: &str) -> ModelError {
    let text = format!("{provider} sent bytes that are no answer: {error}");
    ModelError::new(ModelErrorKind::Format, text)
}

fn cut<S>(body: S, cutter: impl Cut, provider: String) -> Frames
where
    S: Stream<Item = Result<Bytes, ModelError>> + Send + Unpin + 'static,
{
    let begin = Some((body, cutter, provider));
    Box::pin(stream::unfold(begin, |state| async move {
        let (mut body, mut cutter, provider) = state?;
        loop {
            match cutter.next() {
                Ok(Some(frame)) => return Some((Ok(frame), Some((body, cutter, provider)))),
                Err(error) => return Some((Err(unreadable(&provider, &error)), None)),
                Ok(None) => {}
            }
            match body.next().await {
                Some(Ok(bytes)) => cutter.push(&bytes),
                Some(Err(error)) => return Some((Err(error), None)),
                None => return cutter.rest().map(|frame| (Ok(frame), None)),
            }
        }
    }))
}

/// Bytes that wait to be cut. What was cut off is dropped when more comes, not each time: many
/// pieces may come at once.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    cut: usize,
}

impl Buffer {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.cut);
        self.cut = 0;
        self.bytes.extend_from_slice(bytes);
    }

    fn left(&self) -> &[u8] {
        self.bytes.get(self.cut..).unwrap_or_default()
    }

    /// Cuts off so many bytes.
    fn take(&mut self, length: usize) -> Vec<u8> {
        let piece = self.left().get(..length).unwrap_or_default().to_vec();
        self.skip(piece.len());
        piece
    }

    /// Cuts off so many bytes that are read.
    fn skip(&mut self, length: usize) {
        self.cut = self.bytes.len().min(self.cut + length);
    }
}

/// One JSON object a line.
#[derive(Default)]
struct Lines {
    buffer: Buffer,
    /// How far what is left has been searched for a line's end.
    searched: usize,
}

impl Cut for Lines {
    fn push(&mut self, bytes: &[u8]) {
        self.buffer.push(bytes);
    }

    fn next(&mut self) -> Result<Option<Frame>, String> {
        loop {
            let left = self.buffer.left();
            let unread = left.get(self.searched..).unwrap_or_default();
            let Some(end) = unread.iter().position(|byte| *byte == b'\n') else {
                self.searched = left.len();
                return Ok(None);
            };
            let line = self.buffer.take(self.searched + end + 1);
            self.searched = 0;
            let line = String::from_utf8(line).map_err(|error| error.to_string())?;
            if !line.trim().is_empty() {
                return Ok(Some((String::new(), line)));
            }
        }
    }

    fn rest(&mut self) -> Option<Frame> {
        let line = String::from_utf8(self.buffer.left().to_vec()).ok()?;
        (!line.trim().is_empty()).then_some((String::new(), line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for byte in "{\"a\":\"é\"}\r\n\n{\"b\":2}".as_bytes() {
            lines.push(&[*byte]);
            found.extend(lines.next().unwrap());
        }
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1.trim(), "{\"a\":\"é\"}");
        assert_eq!(lines.rest().unwrap().1, "{\"b\":2}");
    }
}
