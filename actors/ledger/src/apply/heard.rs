//! What was said in a group and not to the agent: kept for the next turn there, so many of the last.

use super::next_number;
use crate::codec;
use crate::error::Stop;
use crate::key;
use crate::op::{HeardInsert, TurnEnd};
use crate::table::{TableId, Tables};

/// The most that is kept of one session, whatever is asked for.
const MOST: u64 = 1000;

/// Stores a message with the number that the next row of its session will have: by that a turn knows what was said
/// before it, however often it is begun.
pub(super) fn insert(tables: &mut impl Tables, heard: &HeardInsert) -> Result<(), Stop> {
    let row = &heard.row;
    let seen_key = key::pair(&row.source, &row.source_id);
    if tables.get(TableId::Seen, &seen_key)?.is_some() {
        return Ok(());
    }
    tables.put(TableId::Seen, &seen_key, &codec::seal_at(row.at_ms, &[]))?;
    let prefix = key::prefix(row.session.as_str());
    let before = next_number(tables, TableId::Inbox, &prefix)?;
    let n = next_number(tables, TableId::Heard, &prefix)?;
    let mut body = before.to_be_bytes().to_vec();
    body.extend_from_slice(&row.body);
    let row_key = key::numbered(row.session.as_str(), n);
    tables.put(TableId::Heard, &row_key, &codec::seal_at(row.at_ms, &body))?;
    let Some(last_gone) = n.checked_sub(heard.keep.clamp(1, MOST)) else {
        return Ok(());
    };
    let until = key::numbered(row.session.as_str(), last_gone + 1);
    remove(tables, &prefix, &until, |_| true)
}

/// Forgets what the turn's transcript now holds.
pub(super) fn clear(tables: &mut impl Tables, end: &TurnEnd) -> Result<(), Stop> {
    let Some(used) = end.heard else {
        return Ok(());
    };
    let prefix = key::prefix(end.session.as_str());
    remove(tables, &prefix, &key::end(&prefix), |value| {
        // What can't be read would be shown to nobody.
        split(value).is_none_or(|(before, _)| before <= used)
    })
}

/// The number of the row that it came before, and the body.
pub(crate) fn split(value: &[u8]) -> Option<(u64, &[u8])> {
    let (_, body) = codec::unseal_at(TableId::Heard, value).ok()?;
    let (before, body) = body.split_first_chunk()?;
    Some((u64::from_be_bytes(*before), body))
}

fn remove(
    tables: &mut impl Tables,
    from: &[u8],
    until: &[u8],
    is_over: impl Fn(&[u8]) -> bool,
) -> Result<(), Stop> {
    let mut keys = Vec::new();
    tables.scan(TableId::Heard, from, until, &mut |key, value| {
        if is_over(value) {
            keys.push(key.to_vec());
        }
        true
    })?;
    for key in keys {
        tables.remove(TableId::Heard, &key)?;
    }
    Ok(())
}
