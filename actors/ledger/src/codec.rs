//! Values of the tables: a version byte, fixed fields where they are patched often, JSON behind.

mod history;
mod record;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{LedgerError, Reject};
use crate::table::TableId;

pub(crate) use history::History;
pub(crate) use record::{Record, Stored};

/// Version of plain values and index entries; rows with a life have one of their own.
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
