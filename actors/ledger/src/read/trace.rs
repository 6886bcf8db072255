//! Where a message stands and how it came there.
//!
//! A row's own name is looked up. Any other id (of a run, of the platform, of a client) is searched for in the rows
//! themselves: they are bounded by the pruning, the question is rare, and an index for it would cost every message a
//! write. The search holds a snapshot and waits for nobody, but it takes its time: call it off the workers.

use openclaw_protocol::key::SessionKey;

use super::skipped;
use crate::codec::{History, Record, Stored};
use crate::error::Stop;
use crate::op::RawOutbound;
use crate::row::{
    InboxKey, InboxRow, InboxState, Move, OutboxKey, OutboxRow, OutboxState, RowId, Story, Trace,
};
use crate::table::{TableId, View};
use crate::{Ledger, decode, key};

/// Rows of one kind in an answer; an id that many rows share names none of them.
const SHOWN: usize = 50;

impl Ledger {
    /// What the ledger has under an id: the name of a row, or the id of a run, of an update or message at the platform,
    /// of a trace, or an idempotency key. With what came in comes what went out for it, and the other way round.
    #[must_use]
    pub fn trace(&self, id: &str) -> Trace {
        self.read(|view| {
            let mut trace = Trace::default();
            match id.parse() {
                Ok(row) => named(view, &row, &mut trace)?,
                Err(_) => searched(view, id, &mut trace)?,
            }
            related(view, &mut trace)?;
            Ok(trace)
        })
    }

    /// One row with its moves, by its name.
    #[must_use]
    pub fn story(&self, id: &RowId) -> Trace {
        self.read(|view| {
            let mut trace = Trace::default();
            named(view, id, &mut trace)?;
            Ok(trace)
        })
    }
}

fn named(view: &mut dyn View, id: &RowId, trace: &mut Trace) -> Result<(), Stop> {
    match id {
        RowId::In(row) => {
            let row_key = key::numbered(row.session.as_str(), row.seq);
            if let Some(value) = view.get(TableId::Inbox, &row_key)? {
                trace.inbound.extend(inbound(&row_key, &value));
            }
        }
        RowId::Out(row) => {
            let row_key = key::numbered(&key::account(&row.account), row.seq);
            if let Some(value) = view.get(TableId::Outbox, &row_key)? {
                trace.outbound.extend(outbound(&row_key, &value));
            }
        }
    }
    Ok(())
}

/// Rows that have the id in one of their fields.
fn searched(view: &mut dyn View, id: &str, trace: &mut Trace) -> Result<(), Stop> {
    if id.is_empty() {
        return Ok(());
    }
    let found = &mut trace.inbound;
    let mut more = false;
    matching(view, TableId::Inbox, id, &mut |row_key, value| {
        let row = inbound(row_key, value);
        found.extend(row.filter(|story| has_inbound(&story.row, id)));
        more |= found.len() > SHOWN;
        !more
    })?;
    found.truncate(SHOWN);
    let found = &mut trace.outbound;
    matching(view, TableId::Outbox, id, &mut |row_key, value| {
        let row = outbound(row_key, value);
        found.extend(row.filter(|story| has_outbound(&story.row, id)));
        more |= found.len() > SHOWN;
        !more
    })?;
    found.truncate(SHOWN);
    trace.more = more;
    Ok(())
}

fn has_inbound(row: &InboxRow, id: &str) -> bool {
    let trace_id = row
        .traceparent
        .as_deref()
        .and_then(|trace| trace.split('-').nth(1));
    row.run_id.0 == id
        || row.source_id == id
        || row.body.message_id.as_deref() == Some(id)
        || trace_id == Some(id)
}

fn has_outbound(row: &OutboxRow, id: &str) -> bool {
    row.idem_key == id || row.platform_ids.iter().any(|known| known == id)
}

/// Adds what went out for what came in, or else what came in before what went out.
fn related(view: &mut dyn View, trace: &mut Trace) -> Result<(), Stop> {
    for at in 0..trace.outbound.len() {
        let of = trace
            .outbound
            .get(at)
            .map(|story| (&story.row.session, story.row.turn));
        let Some((Some(session), Some(turn))) = of else {
            continue;
        };
        let id = InboxKey::new(session, turn.0);
        if !trace.inbound.iter().any(|story| is(&story.row, &id)) {
            named(view, &RowId::In(id), trace)?;
        }
    }
    let mut sessions: Vec<SessionKey> = Vec::new();
    for story in &trace.inbound {
        if !sessions.contains(&story.row.session) {
            sessions.push(story.row.session.clone());
        }
    }
    let Trace {
        inbound,
        outbound: found,
        more,
    } = trace;
    for session in sessions {
        matching(
            view,
            TableId::Outbox,
            session.as_str(),
            &mut |row_key, value| {
                let row = outbound(row_key, value).filter(|story| {
                    let of = story.row.session.as_ref().zip(story.row.turn);
                    let of = of.map(|(session, turn)| InboxKey::new(session, turn.0));
                    of.is_some_and(|id| inbound.iter().any(|story| is(&story.row, &id)))
                        && !found.iter().any(|known| known.id == story.id)
                });
                found.extend(row);
                *more |= found.len() > SHOWN;
                found.len() <= SHOWN
            },
        )?;
    }
    found.truncate(SHOWN);
    found.sort_by_key(|story| (story.row.created_at_ms, story.row.key.clone()));
    inbound.sort_by_key(|story| (story.row.received_at_ms, story.row.seq));
    Ok(())
}

fn is(row: &InboxRow, id: &InboxKey) -> bool {
    row.session == id.session && row.seq == id.seq
}

/// Visits the rows whose stored text contains `text`: a sieve before they are decoded.
fn matching(
    view: &mut dyn View,
    table: TableId,
    text: &str,
    visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
) -> Result<(), Stop> {
    // As JSON writes it, without its quotes.
    let written = serde_json::to_string(text).unwrap_or_default();
    let written = written.trim_matches('"');
    let contains = |part: &[u8]| std::str::from_utf8(part).is_ok_and(|part| part.contains(written));
    view.scan(table, &[], &[0xff], &mut |row_key, value| {
        let is_hit = Stored::read(table, value)
            .is_ok_and(|stored| contains(stored.body) || contains(stored.note));
        !is_hit || visit(row_key, value)
    })
}

fn inbound(row_key: &[u8], value: &[u8]) -> Option<Story<InboxRow>> {
    let (session, seq) = key::split_numbered(row_key)?;
    let session = SessionKey::parse(&session).ok()?;
    let decoded = Record::decode(TableId::Inbox, value)
        .and_then(|record| Ok((decode::inbox(&session, seq, &record)?, record)));
    match decoded {
        Ok((row, record)) => {
            let id = InboxKey::new(&session, seq).to_string();
            let name = |code| InboxState::from_code(code).map(InboxState::as_str);
            Some(story(id, row, record.history(), name))
        }
        Err(error) => {
            skipped(TableId::Inbox, Some((session, seq)), Some(error));
            None
        }
    }
}

fn outbound(row_key: &[u8], value: &[u8]) -> Option<Story<OutboxRow>> {
    let (account, seq) = key::split_numbered(row_key)?;
    let account = account.parse().ok()?;
    let decoded = Record::decode(TableId::Outbox, value).and_then(|row| {
        let raw = RawOutbound { seq, row };
        Ok((decode::outbox(&account, &raw)?, raw.row))
    });
    match decoded {
        Ok((row, record)) => {
            let id = row.key.to_string();
            let name = |code| OutboxState::from_code(code).map(OutboxState::as_str);
            Some(story(id, row, record.history(), name))
        }
        Err(error) => {
            let key = OutboxKey { account, seq };
            skipped(TableId::Outbox, Some(key), Some(error));
            None
        }
    }
}

fn story<R>(
    id: String,
    row: R,
    history: &History,
    name: impl Fn(u8) -> Option<&'static str>,
) -> Story<R> {
    let moves = history.steps().map(|step| Move {
        at_ms: step.at_ms,
        state: name(step.state),
        attempts: step.attempts,
        why: step.reason.to_owned(),
    });
    Story {
        id,
        row,
        moves: moves.collect(),
        moves_left_out: history.left_out(),
    }
}
