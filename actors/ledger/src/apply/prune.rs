//! Rows over their time go. Each is judged again here: it may have changed since the reader saw it.

use super::{outbox, turn};
use crate::codec::{self, Record};
use crate::error::Stop;
use crate::key;
use crate::op::{Prune, Receipt};
use crate::row::{InboxState, OutboxState};
use crate::stats::Count;
use crate::table::{TableId, Tables};

/// Whether an ended row is a dead letter; none for an open row and an unknown state.
pub(crate) fn is_dead(table: TableId, state: u8) -> Option<bool> {
    if table == TableId::Inbox {
        let state = InboxState::from_code(state).filter(|state| !state.is_open())?;
        return Some(state == InboxState::Dead);
    }
    let state = OutboxState::from_code(state).filter(|state| !state.is_open())?;
    Some(matches!(state, OutboxState::Dead | OutboxState::Unknown))
}

pub(super) fn apply(tables: &mut impl Tables, prune: &Prune) -> Result<Receipt, Stop> {
    let mut gone = 0;
    for row_key in &prune.keys {
        gone += u64::from(row(tables, row_key, prune)?);
    }
    Ok(Receipt::Number(gone))
}

fn row(tables: &mut impl Tables, row_key: &[u8], prune: &Prune) -> Result<bool, Stop> {
    let table = prune.table;
    let Some(value) = tables.get(table, row_key)? else {
        return Ok(false);
    };
    if matches!(table, TableId::Inbox | TableId::Outbox) {
        return ended(tables, row_key, &value, prune);
    }
    // An answer or a key may have been written anew; usage and crash records are written once.
    let renewed = matches!(
        table,
        TableId::Seen | TableId::Idem | TableId::Heard | TableId::Spent
    ) && codec::unseal_at(table, &value).is_ok_and(|(at, _)| at >= prune.before);
    if renewed {
        return Ok(false);
    }
    tables.remove(table, row_key)?;
    Ok(true)
}

/// Removes an ended row, but never the last of its session or account: numbers are not given twice.
fn ended(
    tables: &mut impl Tables,
    row_key: &[u8],
    value: &[u8],
    prune: &Prune,
) -> Result<bool, Stop> {
    let table = prune.table;
    let Some((owner, _)) = key::split_numbered(row_key) else {
        return Ok(false);
    };
    let prefix = key::prefix(&owner);
    let last = tables.last_key(table, &prefix, &key::end(&prefix))?;
    let Ok(record) = Record::decode(table, value) else {
        return Ok(false);
    };
    let Some(dead) = is_dead(table, record.head.state) else {
        return Ok(false);
    };
    let before = if dead {
        prune.dead_before
    } else {
        prune.before
    };
    if last.as_deref() == Some(row_key) || record.head.changed_at >= before {
        return Ok(false);
    }
    tables.remove(table, row_key)?;
    if dead {
        let (dead_key, count) = if table == TableId::Inbox {
            (turn::dead_key(row_key), Some(Count::InboxDead))
        } else {
            let state = OutboxState::from_code(record.head.state);
            (outbox::dead_key(row_key), state.and_then(Count::outbox))
        };
        tables.remove(TableId::Dead, &dead_key)?;
        if let Some(count) = count {
            tables.tally().add(count, -1);
        }
    }
    Ok(true)
}
