//! Text that many sockets share: rendered once, counted once, given back when the last of them has written it.

use std::borrow::Cow;

use bytes::Bytes;
use openclaw_runtime::memory;
use openclaw_runtime::memory::Share;

/// Shorter text is not worth counting: what bounds it is the number of frames.
const SMALL: usize = 16 * 1024;

/// JSON in pieces, of which others may hold the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payload {
    pieces: Vec<Bytes>,
}

impl Payload {
    /// One piece after the other.
    pub fn new(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        Self {
            pieces: pieces.into_iter().collect(),
        }
    }

    /// The same with something before and behind it.
    pub fn within(mut self, before: String, after: &'static str) -> Self {
        self.pieces.insert(0, before.into());
        self.pieces.push(after.into());
        self
    }

    /// Its bytes.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// Tells whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it is made of.
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// As text; for tests.
    pub fn text(&self) -> Cow<'_, str> {
        match self.pieces.as_slice() {
            [one] => String::from_utf8_lossy(one),
            many => Cow::Owned(String::from_utf8_lossy(&many.concat()).into_owned()),
        }
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self::new([counted(text.into_bytes())])
    }
}

/// A text as JSON, quotes included.
pub fn quoted(text: &str) -> Bytes {
    let mut json = Vec::with_capacity(text.len() + text.len() / 16 + 2);
    // Writing a text into memory can't fail.
    drop(serde_json::to_writer(&mut json, text));
    counted(json)
}

/// Bytes that the memory budget knows of, wherever they wait.
fn counted(bytes: Vec<u8>) -> Bytes {
    if bytes.len() < SMALL {
        return Bytes::from(bytes);
    }
    let _share = memory::HOUSE.hold(bytes.capacity());
    Bytes::from_owner(Counted { bytes, _share })
}

struct Counted {
    bytes: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_text_is_counted_until_the_last_holder_lets_it_go() {
        // The budget is the process's: other tests may hold some of it.
        const LARGE: usize = 64 << 20;
        let before = memory::HOUSE.taken();
        let text = quoted(&"x".repeat(LARGE));
        let (first, second) = (Payload::new([text.clone()]), Payload::new([text]));
        assert_eq!(first.len(), LARGE + 2);
        assert!(memory::HOUSE.taken() >= before + LARGE);
        drop(first);
        assert!(memory::HOUSE.taken() >= before + LARGE);
        drop(second);
        assert!(memory::HOUSE.taken() < before + LARGE);
    }
}
