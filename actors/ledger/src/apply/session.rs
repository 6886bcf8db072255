//! Entries of sessions.json and transcript lines.

use openclaw_protocol::key::SessionKey;
use serde_json::Value;

use super::next_number;
use crate::codec;
use crate::error::{Reject, Stop};
use crate::key;
use crate::op::{EntryEdit, LinesEdit, Receipt};
use crate::table::{TableId, Tables};

/// What an entry becomes.
pub(super) enum Edited {
    Same,
    Put(Vec<u8>),
    Gone,
}

/// Reads and checks; writes nothing.
pub(super) fn edited(
    tables: &mut impl Tables,
    session: &SessionKey,
    edit: EntryEdit,
) -> Result<Edited, Stop> {
    let value = match edit {
        EntryEdit::Keep => return Ok(Edited::Same),
        EntryEdit::Remove => return Ok(Edited::Gone),
        EntryEdit::Put(value) => value,
        EntryEdit::Merge(change) => {
            let stored = tables.get(TableId::Session, &key::prefix(session.as_str()))?;
            match stored {
                Some(stored) => {
                    let payload = codec::unseal(TableId::Session, &stored)?;
                    merge(codec::parse(TableId::Session, payload)?, change)
                }
                None => merge(Value::Object(serde_json::Map::new()), change),
            }
        }
    };
    let bytes = serde_json::to_vec(&value).map_err(|error| Reject::Corrupt {
        table: TableId::Session.name(),
        detail: error.to_string(),
    })?;
    Ok(Edited::Put(bytes))
}

/// Top-level keys of `change` replace those of `base`; `null` removes one.
fn merge(base: Value, change: Value) -> Value {
    let (Value::Object(mut base), Value::Object(change)) = (base, change.clone()) else {
        return change;
    };
    for (key, value) in change {
        if value.is_null() {
            base.shift_remove(&key);
        } else {
            base.insert(key, value);
        }
    }
    Value::Object(base)
}

pub(super) fn store_entry(
    tables: &mut impl Tables,
    session: &SessionKey,
    entry: &Edited,
) -> Result<(), Stop> {
    let entry_key = key::prefix(session.as_str());
    match entry {
        Edited::Same => Ok(()),
        Edited::Put(bytes) => tables.put(TableId::Session, &entry_key, &codec::seal(bytes)),
        Edited::Gone => tables.remove(TableId::Session, &entry_key),
    }
}

/// Appends lines and returns the number of the first.
pub(super) fn append(
    tables: &mut impl Tables,
    session_id: &str,
    lines: &[Vec<u8>],
) -> Result<u64, Stop> {
    if lines.is_empty() {
        return Ok(0);
    }
    let first = next_number(tables, TableId::Transcript, &key::prefix(session_id))?;
    for (n, line) in (first..).zip(lines) {
        tables.put(
            TableId::Transcript,
            &key::numbered(session_id, n),
            &codec::seal(line),
        )?;
    }
    Ok(first)
}

/// Removes all rows below a prefix.
pub(super) fn clear(tables: &mut impl Tables, table: TableId, prefix: &[u8]) -> Result<(), Stop> {
    let mut keys = Vec::new();
    tables.scan(table, prefix, &key::end(prefix), &mut |key, _| {
        keys.push(key.to_vec());
        true
    })?;
    for key in keys {
        tables.remove(table, &key)?;
    }
    Ok(())
}

pub(super) fn edit(
    tables: &mut impl Tables,
    session: &SessionKey,
    entry: EntryEdit,
    lines: LinesEdit,
) -> Result<Receipt, Stop> {
    let entry = edited(tables, session, entry)?;
    store_entry(tables, session, &entry)?;
    let first = match lines {
        LinesEdit::Keep => 0,
        LinesEdit::Drop { session_id } => {
            clear(tables, TableId::Transcript, &key::prefix(&session_id))?;
            0
        }
        LinesEdit::Replace { session_id, lines } => {
            clear(tables, TableId::Transcript, &key::prefix(&session_id))?;
            append(tables, &session_id, &lines)?
        }
        LinesEdit::Append { session_id, lines } => append(tables, &session_id, &lines)?,
    };
    Ok(Receipt::Number(first))
}
