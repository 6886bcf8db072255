//! From stored bytes to the rows that callers see.

use openclaw_protocol::key::{AccountKey, SessionKey};

use crate::codec::{self, NEVER, Record};
use crate::error::Reject;
use crate::op::{RawOutbound, RawTurn};
use crate::row::{
    EndNote, InboxBody, InboxRow, InboxState, Lane, MAX_ATTEMPTS, OutboxBody, OutboxKey,
    OutboxNote, OutboxRow, OutboxState, StepBody, StepRow, TurnNo, TurnStart,
};
use crate::table::TableId;

fn unknown_state(table: TableId, state: u8) -> Reject {
    Reject::Corrupt {
        table: table.name(),
        detail: format!("unknown state {state}"),
    }
}

pub(crate) fn inbox(session: &SessionKey, seq: u64, record: &Record) -> Result<InboxRow, Reject> {
    let body: InboxBody = codec::parse(TableId::Inbox, record.body())?;
    let note: Option<EndNote> = match record.note() {
        [] => None,
        note => Some(codec::parse(TableId::Inbox, note)?),
    };
    let (reason, crash) = note.map_or((None, None), |note| (Some(note.reason), note.crash));
    let state = record.head.state;
    Ok(InboxRow {
        session: session.clone(),
        seq,
        state: InboxState::from_code(state).ok_or_else(|| unknown_state(TableId::Inbox, state))?,
        attempts: record.head.attempts,
        changed_at_ms: record.head.changed_at,
        source: body.source,
        source_id: body.source_id,
        run_id: body.run_id,
        body: body.body,
        reply: body.reply,
        received_at_ms: body.received_at_ms,
        traceparent: body.traceparent,
        reason,
        crash,
    })
}

/// A message that was heard, in the form of a row that is over.
pub(crate) fn heard(session: &SessionKey, before: u64, body: &[u8]) -> Result<InboxRow, Reject> {
    let body: InboxBody = codec::parse(TableId::Heard, body)?;
    Ok(InboxRow {
        session: session.clone(),
        seq: before,
        state: InboxState::Done,
        attempts: 0,
        changed_at_ms: body.received_at_ms,
        source: body.source,
        source_id: body.source_id,
        run_id: body.run_id,
        body: body.body,
        reply: body.reply,
        received_at_ms: body.received_at_ms,
        traceparent: body.traceparent,
        reason: None,
        crash: None,
    })
}

pub(crate) fn turn(session: &SessionKey, raw: &RawTurn) -> Result<TurnStart, Reject> {
    let row = inbox(session, raw.seq, &raw.row)?;
    let mut steps = Vec::with_capacity(raw.steps.len());
    for (k, value) in &raw.steps {
        let body: StepBody = codec::parse(TableId::Step, codec::unseal(TableId::Step, value)?)?;
        steps.push(StepRow {
            k: *k,
            intent: body.intent,
            result: body.result,
        });
    }
    let mut with = Vec::with_capacity(raw.with.len());
    for (seq, record) in &raw.with {
        match inbox(session, *seq, record) {
            Ok(row) => with.push(row),
            // It stays claimed, comes up alone after this turn, and is set aside then.
            Err(error) => tracing::error!(%session, seq, %error, "inbox row left out of a turn"),
        }
    }
    Ok(TurnStart {
        turn: TurnNo(raw.seq),
        attempt: row.attempts,
        exhausted: row.attempts > MAX_ATTEMPTS,
        row,
        with,
        steps,
    })
}

pub(crate) fn outbox(account: &AccountKey, raw: &RawOutbound) -> Result<OutboxRow, Reject> {
    let RawOutbound { seq, row: record } = raw;
    let body: OutboxBody = codec::parse(TableId::Outbox, record.body())?;
    let note: OutboxNote = match record.note() {
        [] => OutboxNote::default(),
        note => codec::parse(TableId::Outbox, note)?,
    };
    let head = record.head;
    let state = OutboxState::from_code(head.state);
    Ok(OutboxRow {
        key: OutboxKey {
            account: account.clone(),
            seq: *seq,
        },
        lane: Lane(head.lane),
        state: state.ok_or_else(|| unknown_state(TableId::Outbox, head.state))?,
        attempts: head.attempts,
        created_at_ms: body.created_at_ms,
        changed_at_ms: head.changed_at,
        not_before_ms: head.not_before,
        expires_at_ms: (head.expires_at != NEVER).then_some(head.expires_at),
        route: body.route,
        payload: body.payload,
        session: body.session,
        turn: body.turn,
        idem_key: body.idem_key,
        notice: body.notice,
        platform_ids: note.ids,
        error: note.error,
    })
}
