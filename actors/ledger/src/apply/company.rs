//! The rows that a turn answers besides its own: taken with it, joined to it, ended with it.
//!
//! A session has one turn at a time. So whatever is claimed in a session and is not the turn's own row belongs to
//! the turn: nothing else has to be written down to find it again after a crash.

use openclaw_protocol::key::SessionKey;

use super::turn;
use crate::codec::{self, Record};
use crate::error::{Reject, Stop};
use crate::key;
use crate::op::{Receipt, TurnEnd};
use crate::row::{InboxKey, InboxState};
use crate::table::{TableId, Tables};

/// Rows with their numbers and the states they were found in.
type Company = Vec<(u64, Record, InboxState)>;

/// A step of a turn.
pub(super) struct At {
    pub(super) session: SessionKey,
    pub(super) turn: u64,
    pub(super) k: u32,
}

/// Those of the named rows that still wait.
pub(super) fn waiting(
    tables: &mut impl Tables,
    session: &SessionKey,
    turn: u64,
    with: &[u64],
) -> Company {
    let mut found = Company::new();
    for seq in with.iter().copied().filter(|seq| *seq != turn) {
        if found.iter().any(|(have, ..)| *have == seq) {
            continue;
        }
        // What is gone or can't be read comes up, or is set aside, in a turn of its own.
        if let Ok((record, InboxState::Pending)) = turn::load(tables, session, seq) {
            found.push((seq, record, InboxState::Pending));
        }
    }
    found
}

/// The rows that an interrupted turn had taken.
pub(super) fn kept(
    tables: &mut impl Tables,
    session: &SessionKey,
    turn: u64,
) -> Result<Company, Stop> {
    let claimed = [InboxState::Running.code(), InboxState::Interrupted.code()];
    let prefix = key::prefix(session.as_str());
    let mut seqs = Vec::new();
    tables.scan(
        TableId::InboxOpen,
        &prefix,
        &key::end(&prefix),
        &mut |row_key, value| {
            let state = codec::index(TableId::InboxOpen, value).map(|head| head.state);
            if state.is_ok_and(|state| claimed.contains(&state)) {
                seqs.extend(key::last_number(row_key).filter(|seq| *seq != turn));
            }
            true
        },
    )?;
    taken(tables, session, turn, &seqs)
}

/// Those of the named rows that are claimed.
pub(super) fn taken(
    tables: &mut impl Tables,
    session: &SessionKey,
    turn: u64,
    with: &[u64],
) -> Result<Company, Stop> {
    let mut found = Company::new();
    for seq in with.iter().copied().filter(|seq| *seq != turn) {
        if found.iter().any(|(have, ..)| *have == seq) {
            continue;
        }
        match turn::load(tables, session, seq) {
            Ok((record, was @ (InboxState::Running | InboxState::Interrupted))) => {
                found.push((seq, record, was));
            }
            Ok(_) | Err(Stop::Reject(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(found)
}

/// Claims them with the turn.
pub(super) fn claim(
    tables: &mut impl Tables,
    session: &SessionKey,
    turn: u64,
    company: Company,
    now_ms: i64,
) -> Result<Vec<(u64, Record)>, Stop> {
    let why = format!("claimed with #{turn}");
    let mut claimed = Vec::with_capacity(company.len());
    for (seq, mut record, was) in company {
        take(tables, session, seq, &mut record, was, &why, now_ms)?;
        claimed.push((seq, record));
    }
    Ok(claimed)
}

/// Takes waiting rows into a running turn, with the step that says what the model was shown.
pub(super) fn join(
    tables: &mut impl Tables,
    at: &At,
    rows: &[u64],
    step: &[u8],
    now_ms: i64,
) -> Result<Receipt, Stop> {
    let At { session, turn, k } = at;
    turn::running(tables, session, *turn)?;
    let step_key = key::step(session, *turn, *k);
    if tables.get(TableId::Step, &step_key)?.is_some() {
        return Err(Reject::StepConflict {
            session: session.to_string(),
            turn: *turn,
            k: *k,
        }
        .into());
    }
    let mut found = Company::with_capacity(rows.len());
    for seq in rows.iter().copied() {
        let (record, state) = turn::load(tables, session, seq)?;
        if state != InboxState::Pending {
            return Err(Reject::WrongInboundState {
                key: InboxKey::new(session, seq).to_string(),
                state,
            }
            .into());
        }
        found.push((seq, record, state));
    }
    tables.put(TableId::Step, &step_key, &codec::seal(step))?;
    let why = format!("taken into the turn of #{turn}");
    for (seq, mut record, was) in found {
        take(tables, session, seq, &mut record, was, &why, now_ms)?;
    }
    Ok(Receipt::Done)
}

fn take(
    tables: &mut impl Tables,
    session: &SessionKey,
    seq: u64,
    record: &mut Record,
    was: InboxState,
    why: &str,
    now_ms: i64,
) -> Result<(), Stop> {
    record.head.state = InboxState::Running.code();
    record.head.attempts = record.head.attempts.saturating_add(1);
    record.head.changed_at = now_ms;
    let row_key = key::numbered(session.as_str(), seq);
    turn::store(tables, &row_key, record, Some(was), why)
}

/// Ends them as the turn ends. Of a turn that crashed again and again nobody knows which row is the poison: only its
/// own row is set aside, the others wait again, each for a turn of its own.
pub(super) fn end(tables: &mut impl Tables, end: &TurnEnd, company: Company) -> Result<(), Stop> {
    for (seq, mut record, was) in company {
        let why = if end.state == InboxState::Dead {
            record.head.state = InboxState::Pending.code();
            // Not 0: a row that was tried is not taken together with others again.
            record.head.attempts = 1;
            format!(
                "#{} is set aside; this waits for a turn of its own",
                end.turn
            )
        } else {
            record.head.state = end.state.code();
            record.set_note(&end.note);
            format!("{}, with #{}", end.why, end.turn)
        };
        record.head.changed_at = end.now_ms;
        let row_key = key::numbered(end.session.as_str(), seq);
        turn::store(tables, &row_key, &mut record, Some(was), &why)?;
    }
    Ok(())
}
