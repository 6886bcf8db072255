//! Messages go out: in order per destination, each attempt on disk before it is made.

use std::collections::HashSet;

use openclaw_protocol::key::AccountKey;

use super::{is_full, next_number};
use crate::codec::{self, Head, NEVER, Record};
use crate::error::{Reject, Stop};
use crate::key;
use crate::op::{Mark, OutboxInsert, RawOutbound, Receipt};
use crate::row::{Committed, OutboxKey, OutboxNote, OutboxState};
use crate::table::{TableId, Tables};

/// Messages that may wait in one account's outbox. A platform that is away for longer would fill the disk;
/// what comes on top is a dead letter at once.
const MAX_OPEN: u64 = 10_000;

/// Key of an outbox row among the dead letters.
pub(super) fn dead_key(row_key: &[u8]) -> Vec<u8> {
    [b"o", row_key].concat()
}

pub(super) fn state_of(code: u8) -> Result<OutboxState, Reject> {
    OutboxState::from_code(code).ok_or_else(|| Reject::Corrupt {
        table: TableId::Outbox.name(),
        detail: format!("unknown state {code}"),
    })
}

/// Writes an outbox row that has moved, with its index entries and counts; `was` is its state so far.
pub(super) fn store(
    tables: &mut impl Tables,
    row_key: &[u8],
    record: &mut Record,
    was: Option<OutboxState>,
    why: &str,
) -> Result<(), Stop> {
    let state = state_of(record.head.state)?;
    record.moved(why);
    tables.put(TableId::Outbox, row_key, &record.encode())?;
    if state.is_open() {
        tables.put(TableId::OutboxOpen, row_key, &record.index())?;
    } else if was.is_some_and(OutboxState::is_open) {
        tables.remove(TableId::OutboxOpen, row_key)?;
    }
    let dead = |state| matches!(state, OutboxState::Dead | OutboxState::Unknown);
    if dead(state) {
        tables.put(TableId::Dead, &dead_key(row_key), &codec::seal(&[]))?;
    } else if was.is_some_and(dead) {
        tables.remove(TableId::Dead, &dead_key(row_key))?;
    }
    tables.tally().outbox(was, Some(state));
    Ok(())
}

pub(super) fn insert(tables: &mut impl Tables, row: &OutboxInsert) -> Result<u64, Stop> {
    let account = key::account(&row.account);
    let seq = next_number(tables, TableId::Outbox, &key::prefix(&account))?;
    let head = Head {
        expires_at: row.expires_at,
        lane: row.lane,
        ..Head::new(OutboxState::Prepared.code(), row.at_ms)
    };
    let mut record = Record::new(head, &row.body);
    let mut why = "queued".to_owned();
    let prefix = key::prefix(&account);
    if is_full(tables, TableId::OutboxOpen, &prefix, seq, MAX_OPEN)? {
        record.head.state = OutboxState::Dead.code();
        why = format!("{MAX_OPEN} messages already wait for this account");
        record.set_note(&note(&why));
    }
    let row_key = key::numbered(&account, seq);
    store(tables, &row_key, &mut record, None, &why)?;
    Ok(seq)
}

pub(super) fn note(error: impl Into<String>) -> Vec<u8> {
    let note = OutboxNote {
        ids: Vec::new(),
        error: Some(error.into()),
    };
    serde_json::to_vec(&note).unwrap_or_default()
}

pub(super) fn enqueue(tables: &mut impl Tables, rows: &[OutboxInsert]) -> Result<Committed, Stop> {
    let mut outbox_accounts = Vec::new();
    for row in rows {
        insert(tables, row)?;
        if !outbox_accounts.contains(&row.account) {
            outbox_accounts.push(row.account.clone());
        }
    }
    Ok(Committed {
        outbox_accounts,
        first_entry: 0,
    })
}

/// What may leave now: the first open row of each lane that is free and due.
pub(super) fn claim(
    tables: &mut impl Tables,
    account: &AccountKey,
    now_ms: i64,
    max: usize,
    busy: Vec<u64>,
) -> Result<Receipt, Stop> {
    let prefix = key::prefix(&key::account(account));
    let mut taken: HashSet<u64> = busy.into_iter().collect();
    let mut chosen = Vec::new();
    let mut expired = Vec::new();
    let mut unreadable = Vec::new();
    tables.scan(
        TableId::OutboxOpen,
        &prefix,
        &key::end(&prefix),
        &mut |row_key, value| {
            let Ok(head) = codec::index(TableId::OutboxOpen, value) else {
                unreadable.push(row_key.to_vec());
                return true;
            };
            if head.state == OutboxState::Prepared.code() && head.expires_at <= now_ms {
                expired.push(row_key.to_vec());
                return true;
            }
            let first_of_lane = taken.insert(head.lane);
            let due = head.state == OutboxState::Prepared.code() && head.not_before <= now_ms;
            if first_of_lane && due {
                chosen.push(row_key.to_vec());
            }
            chosen.len() < max
        },
    )?;

    let mut claimed = Vec::with_capacity(chosen.len());
    for row_key in chosen {
        match load(tables, &row_key) {
            Ok((mut record, was)) => {
                record.head.state = OutboxState::Attempting.code();
                record.head.attempts = record.head.attempts.saturating_add(1);
                record.head.changed_at = now_ms;
                store(tables, &row_key, &mut record, Some(was), "claimed")?;
                let seq = key::last_number(&row_key).unwrap_or_default();
                claimed.push(RawOutbound { seq, row: record });
            }
            Err(Stop::Reject(_)) => unreadable.push(row_key),
            Err(fault) => return Err(fault),
        }
    }
    for row_key in expired {
        if let Ok((mut record, was)) = load(tables, &row_key) {
            record.head.state = OutboxState::Dead.code();
            record.head.changed_at = now_ms;
            let why = "expired before it could be sent";
            record.set_note(&note(why));
            store(tables, &row_key, &mut record, Some(was), why)?;
        }
    }
    for row_key in unreadable {
        // An unreadable row must not block the ones behind it.
        tracing::error!(%account, seq = key::last_number(&row_key), "outbox row set aside: it cannot be read");
        let index = tables
            .get(TableId::OutboxOpen, &row_key)?
            .unwrap_or_default();
        let state = codec::index(TableId::OutboxOpen, &index).ok();
        let state = state.and_then(|head| OutboxState::from_code(head.state));
        tables.tally().outbox(state, None);
        tables.remove(TableId::OutboxOpen, &row_key)?;
    }
    Ok(Receipt::Claimed(claimed))
}

pub(super) fn load(
    tables: &mut impl Tables,
    row_key: &[u8],
) -> Result<(Record, OutboxState), Stop> {
    let Some(value) = tables.get(TableId::Outbox, row_key)? else {
        let (account, seq) = key::split_numbered(row_key).unwrap_or_default();
        return Err(Reject::NoSuchOutbound {
            key: format!("{account}#{seq}"),
        }
        .into());
    };
    let record = Record::decode(TableId::Outbox, &value)?;
    let state = state_of(record.head.state)?;
    Ok((record, state))
}

/// Whether a row in state `was` may be marked so. A late "sent" is believed from any state in which
/// the message can have been handed over: it only ever takes work away.
fn allowed(was: OutboxState, mark: &Mark) -> bool {
    use OutboxState::{Attempting, Dead, Prepared, Sent, Unknown};
    match mark {
        Mark::Sent => matches!(was, Attempting | Prepared | Unknown | Sent),
        Mark::Retry { .. } | Mark::Unknown | Mark::Release => was == Attempting,
        Mark::Dead => matches!(was, Attempting | Prepared | Unknown),
        Mark::Requeue | Mark::Drop => matches!(was, Unknown | Dead),
    }
}

pub(super) fn mark(
    tables: &mut impl Tables,
    row: &OutboxKey,
    mark: &Mark,
    note: &[u8],
    why: &str,
    now_ms: i64,
) -> Result<Receipt, Stop> {
    let row_key = key::numbered(&key::account(&row.account), row.seq);
    let (mut record, was) = load(tables, &row_key)?;
    let target = mark.target();
    if !allowed(was, mark) {
        let key = row.to_string();
        return Err(Reject::WrongOutboundState {
            key,
            state: was,
            wanted: target.as_str(),
        }
        .into());
    }
    if was == OutboxState::Sent {
        return Ok(Receipt::Done);
    }
    match mark {
        Mark::Retry { not_before } => record.head.not_before = *not_before,
        Mark::Release => record.head.attempts = record.head.attempts.saturating_sub(1),
        Mark::Requeue => {
            record.head.attempts = 0;
            record.head.not_before = 0;
            record.head.expires_at = NEVER;
        }
        Mark::Sent | Mark::Dead | Mark::Unknown | Mark::Drop => {}
    }
    record.head.state = target.code();
    record.head.changed_at = now_ms;
    if !matches!(mark, Mark::Release | Mark::Drop) {
        record.set_note(note);
    }
    store(tables, &row_key, &mut record, Some(was), why)?;
    Ok(Receipt::Done)
}
