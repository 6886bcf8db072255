//! Values of the tables: a version byte, fixed fields where they are patched often, JSON behind.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{LedgerError, Reject};
use crate::table::TableId;

/// Version of every value written today.
const VERSION: u8 = 1;

/// Times without a limit.
pub(crate) const NEVER: i64 = i64::MAX;

fn corrupt(table: TableId, detail: impl ToString) -> Reject {
    Reject::Corrupt {
        table: table.name(),
        detail: detail.to_string(),
    }
}

/// Encodes a row's immutable part, before it is queued (the journal thread only moves bytes).
pub(crate) fn body<T: Serialize>(value: &T) -> Result<Vec<u8>, LedgerError> {
    serde_json::to_vec(value).map_err(|error| LedgerError::Encode(error.to_string()))
}

/// Decodes what `body` encoded.
pub(crate) fn parse<T: DeserializeOwned>(table: TableId, bytes: &[u8]) -> Result<T, Reject> {
    serde_json::from_slice(bytes).map_err(|error| corrupt(table, error))
}

/// A plain value: version and payload.
pub(crate) fn seal(payload: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(payload.len() + 1);
    value.push(VERSION);
    value.extend_from_slice(payload);
    value
}

/// The payload of a plain value.
pub(crate) fn unseal(table: TableId, value: &[u8]) -> Result<&[u8], Reject> {
    match value.split_first() {
        Some((&VERSION, payload)) => Ok(payload),
        Some((version, _)) => Err(corrupt(table, format_args!("unknown version {version}"))),
        None => Err(corrupt(table, "empty value")),
    }
}

/// A payload with the time it was written, for rows that expire.
pub(crate) fn seal_at(at_ms: i64, payload: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(payload.len() + 9);
    value.push(VERSION);
    value.extend_from_slice(&at_ms.to_be_bytes());
    value.extend_from_slice(payload);
    value
}

pub(crate) fn unseal_at(table: TableId, value: &[u8]) -> Result<(i64, &[u8]), Reject> {
    let mut rest = Reader(unseal(table, value)?);
    match rest.i64() {
        Some(at) => Ok((at, rest.0)),
        None => Err(corrupt(table, "no time")),
    }
}

/// The fields of inbox and outbox rows that change during their life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) state: u8,
    pub(crate) attempts: u32,
    pub(crate) changed_at: i64,
    pub(crate) not_before: i64,
    pub(crate) expires_at: i64,
    pub(crate) lane: u64,
}

impl Head {
    pub(crate) fn new(state: u8, at_ms: i64) -> Self {
        Self {
            state,
            attempts: 0,
            changed_at: at_ms,
            not_before: 0,
            expires_at: NEVER,
            lane: 0,
        }
    }
}

/// A row with a life: head, immutable body, and a note on its end.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) head: Head,
    bytes: Vec<u8>,
}

const HEAD: usize = 1 + 1 + 4 + 8 + 8 + 8 + 8 + 4;

impl Record {
    pub(crate) fn new(head: Head, body: &[u8]) -> Self {
        let mut bytes = vec![0; HEAD];
        bytes.extend_from_slice(body);
        Self { head, bytes }
    }

    pub(crate) fn decode(table: TableId, bytes: Vec<u8>) -> Result<Self, Reject> {
        let mut rest = Reader(unseal(table, &bytes)?);
        let head = (|| {
            Some((
                Head {
                    state: rest.u8()?,
                    attempts: rest.u32()?,
                    changed_at: rest.i64()?,
                    not_before: rest.i64()?,
                    expires_at: rest.i64()?,
                    lane: rest.u64()?,
                },
                rest.u32()?,
            ))
        })();
        match head {
            Some((head, note)) if note as usize <= rest.0.len() => Ok(Self { head, bytes }),
            _ => Err(corrupt(table, "torn row")),
        }
    }

    fn note_len(&self) -> usize {
        let mut len = Reader(self.bytes.get(HEAD - 4..).unwrap_or_default());
        len.u32().unwrap_or_default() as usize
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        let rest = self.bytes.get(HEAD..).unwrap_or_default();
        rest.split_at_checked(rest.len().saturating_sub(self.note_len()))
            .unwrap_or((rest, &[]))
    }

    pub(crate) fn body(&self) -> &[u8] {
        self.parts().0
    }

    pub(crate) fn note(&self) -> &[u8] {
        self.parts().1
    }

    /// Puts another note in place of the last one.
    pub(crate) fn set_note(&mut self, note: &[u8]) {
        let keep = self.bytes.len().saturating_sub(self.note_len());
        self.bytes.truncate(keep);
        self.bytes.extend_from_slice(note);
        let len = u32::try_from(note.len()).unwrap_or(u32::MAX);
        if let Some(place) = self.bytes.get_mut(HEAD - 4..HEAD) {
            place.copy_from_slice(&len.to_be_bytes());
        }
    }

    /// The bytes to store.
    pub(crate) fn encode(&mut self) -> &[u8] {
        let Head {
            state,
            attempts,
            changed_at,
            not_before,
            expires_at,
            lane,
        } = self.head;
        let mut fixed = Vec::with_capacity(HEAD);
        fixed.extend_from_slice(&[VERSION, state]);
        fixed.extend_from_slice(&attempts.to_be_bytes());
        fixed.extend_from_slice(&changed_at.to_be_bytes());
        fixed.extend_from_slice(&not_before.to_be_bytes());
        fixed.extend_from_slice(&expires_at.to_be_bytes());
        fixed.extend_from_slice(&lane.to_be_bytes());
        if let Some(place) = self.bytes.get_mut(..fixed.len()) {
            place.copy_from_slice(&fixed);
        }
        &self.bytes
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
        value.extend_from_slice(&[VERSION, state]);
        value.extend_from_slice(&not_before.to_be_bytes());
        value.extend_from_slice(&expires_at.to_be_bytes());
        value.extend_from_slice(&lane.to_be_bytes());
        value
    }
}

/// Reads an index entry back.
pub(crate) fn index(table: TableId, value: &[u8]) -> Result<Head, Reject> {
    let mut rest = Reader(unseal(table, value)?);
    (|| {
        Some(Head {
            state: rest.u8()?,
            attempts: 0,
            changed_at: 0,
            not_before: rest.i64()?,
            expires_at: rest.i64()?,
            lane: rest.u64()?,
        })
    })()
    .ok_or_else(|| corrupt(table, "torn index entry"))
}

/// Takes big-endian numbers off the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_its_parts() {
        let mut record = Record::new(
            Head {
                lane: 7,
                ..Head::new(2, 55)
            },
            b"body",
        );
        record.head.attempts = 3;
        record.set_note(b"first note");
        record.set_note(b"note");
        let stored = record.encode().to_vec();
        let back = Record::decode(TableId::Outbox, stored).unwrap();
        assert_eq!(back.head, record.head);
        assert_eq!((back.body(), back.note()), (&b"body"[..], &b"note"[..]));
        assert_eq!(index(TableId::OutboxOpen, &record.index()).unwrap().lane, 7);
    }

    #[test]
    fn a_torn_or_newer_value_is_named() {
        let table = TableId::Inbox;
        for bytes in [vec![], vec![1, 2, 3], vec![9; 60]] {
            let error = Record::decode(table, bytes).unwrap_err();
            assert!(
                matches!(error, Reject::Corrupt { table: "inbox", .. }),
                "{error}"
            );
        }
    }
}
