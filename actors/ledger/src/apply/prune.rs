//! Rows over their time go. Each is judged again here: it may have changed since the reader saw it.

use super::{outbox, turn};
use crate::codec::{self, Record};
use crate::error::Stop;
use crate::key;
use crate::op::{Prune, Receipt};
use crate::row::{InboxState, OutboxState};
use crate::stats::Count;
use crate::table::{TableId, Tables};

pub(super) fn apply(tables: &mut impl Tables, prune: &Prune) -> Result<Receipt, Stop> {
    let mut gone = 0;
    for (table, keys, before) in [
        (TableId::Seen, &prune.seen, prune.seen_before),
        (TableId::Idem, &prune.idem, prune.idem_before),
    ] {
        for row_key in keys {
            let Some(value) = tables.get(table, row_key)? else {
                continue;
            };
            if codec::unseal_at(table, &value).map_or(true, |(at, _)| at < before) {
                tables.remove(table, row_key)?;
                gone += 1;
            }
        }
    }
    for row_key in &prune.inbox {
        gone += u64::from(ended(tables, TableId::Inbox, row_key, prune)?);
    }
    for row_key in &prune.outbox {
        gone += u64::from(ended(tables, TableId::Outbox, row_key, prune)?);
    }
    Ok(Receipt::Number(gone))
}

/// Removes an ended row, but never the last of its session or account: numbers are not given twice.
fn ended(
    tables: &mut impl Tables,
    table: TableId,
    row_key: &[u8],
    prune: &Prune,
) -> Result<bool, Stop> {
    let Some(value) = tables.get(table, row_key)? else {
        return Ok(false);
    };
    let Some((owner, _)) = key::split_numbered(row_key) else {
        return Ok(false);
    };
    let prefix = key::prefix(&owner);
    if tables
        .last_key(table, &prefix, &key::end(&prefix))?
        .as_deref()
        == Some(row_key)
    {
        return Ok(false);
    }
    let Ok(record) = Record::decode(table, &value) else {
        return Ok(false);
    };
    let (open, dead_key, dead) = if table == TableId::Inbox {
        let Ok(state) = turn::state_of(&record) else {
            return Ok(false);
        };
        let dead = (state == InboxState::Dead).then_some(Count::InboxDead);
        (state.is_open(), turn::dead_key(row_key), dead)
    } else {
        let Ok(state) = outbox::state_of(record.head.state) else {
            return Ok(false);
        };
        let dead = matches!(state, OutboxState::Dead | OutboxState::Unknown);
        (
            state.is_open(),
            outbox::dead_key(row_key),
            dead.then(|| Count::outbox(state)).flatten(),
        )
    };
    let before = if dead.is_some() {
        prune.dead_before
    } else {
        prune.ended_before
    };
    if open || record.head.changed_at >= before {
        return Ok(false);
    }
    tables.remove(table, row_key)?;
    if let Some(count) = dead {
        tables.remove(TableId::Dead, &dead_key)?;
        tables.tally().add(count, -1);
    }
    Ok(true)
}
