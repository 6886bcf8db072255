//! A turn: claimed, its steps bracketed, ended in one transaction.

use openclaw_protocol::key::SessionKey;
use serde_json::Value;

use super::{audit, company, heard, inbox, outbox, session as sessions, spend};
use crate::codec::{self, Record};
use crate::error::{Reject, Stop};
use crate::key;
use crate::op::{EntryEdit, RawTurn, Receipt, TurnEnd};
use crate::row::{Committed, InboxState, StepBody};
use crate::stats::Count;
use crate::table::{TableId, Tables};

/// Key of an inbox row among the dead letters.
pub(super) fn dead_key(row_key: &[u8]) -> Vec<u8> {
    [b"i", row_key].concat()
}

pub(super) fn state_of(record: &Record) -> Result<InboxState, Reject> {
    InboxState::from_code(record.head.state).ok_or_else(|| Reject::Corrupt {
        table: TableId::Inbox.name(),
        detail: format!("unknown state {}", record.head.state),
    })
}

pub(super) fn load(
    tables: &mut impl Tables,
    session: &SessionKey,
    turn: u64,
) -> Result<(Record, InboxState), Stop> {
    let missing = || Reject::NoSuchTurn {
        session: session.to_string(),
        turn,
    };
    let value = tables
        .get(TableId::Inbox, &key::numbered(session.as_str(), turn))?
        .ok_or_else(missing)?;
    let record = Record::decode(TableId::Inbox, &value)?;
    let state = state_of(&record)?;
    Ok((record, state))
}

/// Writes an inbox row that has moved, with its index entries and counts; `was` is its state so far.
pub(super) fn store(
    tables: &mut impl Tables,
    row_key: &[u8],
    record: &mut Record,
    was: Option<InboxState>,
    why: &str,
) -> Result<(), Stop> {
    let state = state_of(record)?;
    record.moved(why);
    tables.put(TableId::Inbox, row_key, &record.encode())?;
    if state.is_open() {
        tables.put(TableId::InboxOpen, row_key, &record.index())?;
    } else if was.is_some_and(InboxState::is_open) {
        tables.remove(TableId::InboxOpen, row_key)?;
    }
    if state == InboxState::Dead {
        tables.put(TableId::Dead, &dead_key(row_key), &codec::seal(&[]))?;
    } else if was == Some(InboxState::Dead) {
        tables.remove(TableId::Dead, &dead_key(row_key))?;
    }
    tables.tally().inbox(was, Some(state));
    Ok(())
}

pub(super) fn begin(
    tables: &mut impl Tables,
    session: &SessionKey,
    with: &[u64],
    now_ms: i64,
) -> Result<Receipt, Stop> {
    loop {
        let prefix = key::prefix(session.as_str());
        let mut first = None;
        tables.scan(
            TableId::InboxOpen,
            &prefix,
            &key::end(&prefix),
            &mut |key, value| {
                first = Some((key.to_vec(), value.to_vec()));
                false
            },
        )?;
        let Some((row_key, index)) = first else {
            return Ok(Receipt::Turn(None));
        };
        let seq = key::last_number(&row_key).unwrap_or_default();
        let (mut record, was) = match load(tables, session, seq) {
            Ok(found) => found,
            Err(Stop::Reject(reject)) => {
                // An unreadable row must not block the ones behind it.
                tracing::error!(session = %session, seq, error = %reject, "inbox row set aside");
                tables.remove(TableId::InboxOpen, &row_key)?;
                let state = codec::index(TableId::InboxOpen, &index).ok();
                let state = state.and_then(|head| InboxState::from_code(head.state));
                tables.tally().inbox(state, None);
                continue;
            }
            Err(fault) => return Err(fault),
        };
        let mut steps = Vec::new();
        let is_fresh = was == InboxState::Pending && record.head.attempts == 0;
        let company = if is_fresh {
            company::waiting(tables, session, seq, with)
        } else {
            company::kept(tables, session, seq)?
        };
        if !is_fresh {
            let prefix = key::steps(session, seq);
            // What an earlier attempt kept back. A first attempt may hold something before this is written.
            spend::settle(tables, &prefix)?;
            tables.scan(
                TableId::Step,
                &prefix,
                &key::end(&prefix),
                &mut |key, value| {
                    steps.push((key::last_step(key).unwrap_or_default(), value.to_vec()));
                    true
                },
            )?;
        }
        record.head.state = InboxState::Running.code();
        record.head.attempts = record.head.attempts.saturating_add(1);
        record.head.changed_at = now_ms;
        store(tables, &row_key, &mut record, Some(was), "claimed")?;
        let with = company::claim(tables, session, seq, company, now_ms)?;
        return Ok(Receipt::Turn(Some(Box::new(RawTurn {
            seq,
            row: record,
            with,
            steps,
        }))));
    }
}

/// A running turn goes back to the queue without counting as an attempt (ordered stop).
pub(super) fn release(
    tables: &mut impl Tables,
    session: &SessionKey,
    turn: u64,
    now_ms: i64,
) -> Result<Receipt, Stop> {
    let mut record = running(tables, session, turn)?;
    record.head.state = InboxState::Interrupted.code();
    record.head.attempts = record.head.attempts.saturating_sub(1);
    record.head.changed_at = now_ms;
    let row_key = key::numbered(session.as_str(), turn);
    store(
        tables,
        &row_key,
        &mut record,
        Some(InboxState::Running),
        "given back at an ordered stop",
    )?;
    Ok(Receipt::Done)
}

pub(super) fn running(
    tables: &mut impl Tables,
    session: &SessionKey,
    turn: u64,
) -> Result<Record, Stop> {
    match load(tables, session, turn)? {
        (record, InboxState::Running) => Ok(record),
        (_, state) => Err(Reject::TurnNotRunning {
            session: session.to_string(),
            turn,
            state,
        }
        .into()),
    }
}

pub(super) fn intent(
    tables: &mut impl Tables,
    session: &SessionKey,
    turn: u64,
    k: u32,
    intent: &Value,
    entry: Option<&[u8]>,
) -> Result<Receipt, Stop> {
    running(tables, session, turn)?;
    let step_key = key::step(session, turn, k);
    if let Some(stored) = tables.get(TableId::Step, &step_key)? {
        let stored: Value = codec::parse(TableId::Step, codec::unseal(TableId::Step, &stored)?)?;
        if stored.get("intent") == Some(intent) {
            return Ok(Receipt::Done);
        }
        return Err(Reject::StepConflict {
            session: session.to_string(),
            turn,
            k,
        }
        .into());
    }
    let step = serde_json::json!({ "intent": intent }).to_string();
    tables.put(TableId::Step, &step_key, &codec::seal(step.as_bytes()))?;
    if let Some(entry) = entry {
        audit::append(tables, entry)?;
    }
    Ok(Receipt::Done)
}

pub(super) fn result(
    tables: &mut impl Tables,
    session: &SessionKey,
    turn: u64,
    k: u32,
    result: Value,
    entry: Option<&[u8]>,
) -> Result<Receipt, Stop> {
    running(tables, session, turn)?;
    let step_key = key::step(session, turn, k);
    let Some(stored) = tables.get(TableId::Step, &step_key)? else {
        return Err(Reject::NoSuchStep {
            session: session.to_string(),
            turn,
            k,
        }
        .into());
    };
    let mut step: StepBody = codec::parse(TableId::Step, codec::unseal(TableId::Step, &stored)?)?;
    step.result = Some(result);
    let step = serde_json::to_vec(&step).map_err(|error| Reject::Corrupt {
        table: TableId::Step.name(),
        detail: error.to_string(),
    })?;
    tables.put(TableId::Step, &step_key, &codec::seal(&step))?;
    if let Some(entry) = entry {
        audit::append(tables, entry)?;
    }
    Ok(Receipt::Done)
}

/// Ends a turn: the row, its steps, transcript, entry, outbox and usage, together.
pub(super) fn commit(tables: &mut impl Tables, mut end: TurnEnd) -> Result<Receipt, Stop> {
    let (mut record, was) = load(tables, &end.session, end.turn)?;
    // A queued row may be dropped unrun; only a claimed one can have been answered.
    let dropped = matches!(end.state, InboxState::Aborted | InboxState::Dead);
    if !was.is_open() || (was == InboxState::Pending && !dropped) {
        let session = end.session.to_string();
        return Err(Reject::TurnNotRunning {
            session,
            turn: end.turn,
            state: was,
        }
        .into());
    }
    let edit = end.entry.take().map_or(EntryEdit::Keep, EntryEdit::Merge);
    let entry = sessions::edited(tables, &end.session, edit)?;
    let company = company::taken(tables, &end.session, end.turn, &end.with)?;

    // From here on nothing is refused.
    let steps = key::steps(&end.session, end.turn);
    sessions::clear(tables, TableId::Step, &steps)?;
    let first_entry = sessions::append(tables, &end.session_id, &end.entries)?;
    sessions::store_entry(tables, &end.session, &entry)?;
    let Committed {
        outbox_accounts, ..
    } = outbox::enqueue(tables, &end.outbox)?;
    spend::record(tables, &end.usage)?;
    // Of calls that were ended from outside; nobody says any more what they cost.
    spend::settle(tables, &key::steps(&end.session, end.turn))?;
    record.head.state = end.state.code();
    record.head.changed_at = end.now_ms;
    record.set_note(&end.note);
    let row_key = key::numbered(end.session.as_str(), end.turn);
    store(tables, &row_key, &mut record, Some(was), &end.why)?;
    company::end(tables, &end, company)?;
    heard::clear(tables, &end)?;
    inbox::append(tables, std::mem::take(&mut end.tell), &[], Vec::new(), None)?;
    tables.tally().add(Count::TurnsEnded, 1);
    Ok(Receipt::Committed(Committed {
        outbox_accounts,
        first_entry,
    }))
}
