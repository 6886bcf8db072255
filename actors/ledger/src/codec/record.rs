//! Rows with a life: a head that is patched, a body that never changes, a note on the last end, and the moves.
//!
//! Version 1 had no moves; such a row is read as one without, and written as version 2 when it moves next.

use super::{Head, History, Reader, corrupt};
use crate::error::Reject;
use crate::table::TableId;

/// Version of rows written today.
const VERSION: u8 = 2;
/// Version, head and the length of the note: all that version 1 has before its body.
const FIXED_1: usize = 1 + 1 + 4 + 8 + 8 + 8 + 8 + 4;

/// A row in hand.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) head: Head,
    body: Vec<u8>,
    note: Vec<u8>,
    history: History,
}

/// A row where it is stored; for those who look at many and take few.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) head: Head,
    pub(crate) body: &'a [u8],
    pub(crate) note: &'a [u8],
    history: &'a [u8],
}

impl<'a> Stored<'a> {
    pub(crate) fn read(table: TableId, bytes: &'a [u8]) -> Result<Self, Reject> {
        let version = match bytes.first() {
            Some(version @ (1 | 2)) => *version,
            Some(version) => return Err(corrupt(table, format_args!("unknown version {version}"))),
            None => return Err(corrupt(table, "empty value")),
        };
        let mut rest = Reader(bytes.get(1..).unwrap_or_default());
        let parts = (|| {
            let head = Head {
                state: rest.u8()?,
                attempts: rest.u32()?,
                changed_at: rest.i64()?,
                not_before: rest.i64()?,
                expires_at: rest.i64()?,
                lane: rest.u64()?,
            };
            let note = rest.u32()? as usize;
            let history = if version == 1 {
                0
            } else {
                rest.u32()? as usize
            };
            let (front, history) = split_end(rest.0, history)?;
            let (body, note) = split_end(front, note)?;
            Some(Self {
                head,
                body,
                note,
                history,
            })
        })();
        parts.ok_or_else(|| corrupt(table, "torn row"))
    }

    pub(crate) fn record(&self) -> Record {
        Record {
            head: self.head,
            body: self.body.to_vec(),
            note: self.note.to_vec(),
            history: History::from_bytes(self.history),
        }
    }
}

fn split_end(bytes: &[u8], end: usize) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(bytes.len().checked_sub(end)?)
}

impl Record {
    pub(crate) fn new(head: Head, body: &[u8]) -> Self {
        Self {
            head,
            body: body.to_vec(),
            note: Vec::new(),
            history: History::default(),
        }
    }

    pub(crate) fn decode(table: TableId, bytes: &[u8]) -> Result<Self, Reject> {
        Stored::read(table, bytes).map(|stored| stored.record())
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn note(&self) -> &[u8] {
        &self.note
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// Puts another note in place of the last one.
    pub(crate) fn set_note(&mut self, note: &[u8]) {
        self.note.clear();
        self.note.extend_from_slice(note);
    }

    /// Writes down that the row is now what its head says.
    pub(crate) fn moved(&mut self, reason: &str) {
        let Head {
            state,
            attempts,
            changed_at,
            ..
        } = self.head;
        self.history.push(changed_at, state, attempts, reason);
    }

    /// The bytes to store.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Head {
            state,
            attempts,
            changed_at,
            not_before,
            expires_at,
            lane,
        } = self.head;
        let history = self.history.as_bytes();
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
        let size = FIXED_1 + 4 + self.body.len() + self.note.len() + history.len();
        let mut bytes = Vec::with_capacity(size);
        bytes.extend_from_slice(&[VERSION, state]);
        bytes.extend_from_slice(&attempts.to_be_bytes());
        bytes.extend_from_slice(&changed_at.to_be_bytes());
        bytes.extend_from_slice(&not_before.to_be_bytes());
        bytes.extend_from_slice(&expires_at.to_be_bytes());
        bytes.extend_from_slice(&lane.to_be_bytes());
        bytes.extend_from_slice(&length(&self.note));
        bytes.extend_from_slice(&length(history));
        bytes.extend_from_slice(&self.body);
        bytes.extend_from_slice(&self.note);
        bytes.extend_from_slice(history);
        bytes
    }

    /// What an index keeps of the row.
    pub(crate) fn index(&self) -> Vec<u8> {
        let Head {
            state,
            not_before,
            expires_at,
            lane,
            ..
        } = self.head;
        let mut value = Vec::with_capacity(26);
        value.extend_from_slice(&[super::VERSION, state]);
        value.extend_from_slice(&not_before.to_be_bytes());
        value.extend_from_slice(&expires_at.to_be_bytes());
        value.extend_from_slice(&lane.to_be_bytes());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::super::index;
    use super::*;

    fn record() -> Record {
        let head = Head {
            lane: 7,
            ..Head::new(2, 55)
        };
        let mut record = Record::new(head, b"body");
        record.head.attempts = 3;
        record.set_note(b"first note");
        record.set_note(b"note");
        record.moved("sent");
        record
    }

    #[test]
    fn a_record_keeps_its_parts() {
        let record = record();
        let back = Record::decode(TableId::Outbox, &record.encode()).unwrap();
        assert_eq!(back.head, record.head);
        assert_eq!((back.body(), back.note()), (&b"body"[..], &b"note"[..]));
        assert_eq!(back.history(), record.history());
        assert_eq!(index(TableId::OutboxOpen, &record.index()).unwrap().lane, 7);
    }

    /// The encoder of version 1, frozen.
    fn version_1(head: Head, body: &[u8], note: &[u8]) -> Vec<u8> {
        let mut bytes = vec![1, head.state];
        bytes.extend_from_slice(&head.attempts.to_be_bytes());
        bytes.extend_from_slice(&head.changed_at.to_be_bytes());
        bytes.extend_from_slice(&head.not_before.to_be_bytes());
        bytes.extend_from_slice(&head.expires_at.to_be_bytes());
        bytes.extend_from_slice(&head.lane.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(note.len()).unwrap().to_be_bytes());
        [&bytes[..], body, note].concat()
    }

    #[test]
    fn a_row_of_version_1_has_no_moves_until_it_moves() {
        let head = Head {
            attempts: 2,
            ..Head::new(1, 9)
        };
        let mut record =
            Record::decode(TableId::Inbox, &version_1(head, b"body", b"note")).unwrap();
        assert_eq!(record.head, head);
        assert_eq!((record.body(), record.note()), (&b"body"[..], &b"note"[..]));
        assert_eq!(record.history().steps().count(), 0);
        record.moved("answered");
        let back = Record::decode(TableId::Inbox, &record.encode()).unwrap();
        assert_eq!(back.history().steps().count(), 1);
    }

    #[test]
    fn a_torn_or_newer_value_is_named() {
        let table = TableId::Inbox;
        for bytes in [vec![], vec![1, 2, 3], vec![2; 45], vec![9; 60]] {
            let error = Record::decode(table, &bytes).unwrap_err();
            assert!(
                matches!(error, Reject::Corrupt { table: "inbox", .. }),
                "{error}"
            );
        }
        let whole = record().encode();
        for end in 0..FIXED_1 + 4 {
            Record::decode(table, &whole[..end]).unwrap_err();
        }
    }
}
