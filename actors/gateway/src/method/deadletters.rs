//! `deadletters.*`: what ended badly and waits for a person, in both directions.

use openclaw_ledger::InboxRow;
use openclaw_ledger::InboxState;
use openclaw_ledger::LedgerError;
use openclaw_ledger::OutboxRow;
use openclaw_ledger::OutboxState;
use openclaw_ledger::RowId;
use openclaw_protocol::ErrorShape;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::messages;
use super::run;

/// Letters listed unless told otherwise.
const LISTED: u64 = 200;
/// Characters of a message in a list.
const TEXT: usize = 120;

pub(super) fn list(call: Call) -> Outcome {
    Outcome::later(async move {
        let ledger = call.services.ledger.clone();
        let reading = tokio::task::spawn_blocking(move || ledger.dead_letters());
        let (inbox, outbox) = reading.await.map_err(run::invalid)?;
        let mut letters: Vec<(i64, Value)> = inbox.iter().map(came_in).collect();
        letters.extend(outbox.iter().map(goes_out));
        letters.sort_by_key(|(at_ms, _)| std::cmp::Reverse(*at_ms));
        let total = letters.len();
        let limit = usize::try_from(call.number("limit").unwrap_or(LISTED)).unwrap_or(usize::MAX);
        let letters: Vec<Value> = letters
            .into_iter()
            .take(limit)
            .map(|(_, letter)| letter)
            .collect();
        Ok(json!({ "letters": letters, "total": total }))
    })
}

pub(super) fn show(call: Call) -> Outcome {
    Outcome::later(async move {
        let id = row_id(&call)?;
        let found = call.services.ledger.story(&id);
        let is_letter = found
            .inbound
            .iter()
            .all(|story| story.row.state == InboxState::Dead)
            && found.outbound.iter().all(|story| is_waiting(&story.row));
        if found.is_empty() || !is_letter {
            return Err(no_letter(&id));
        }
        let crash = found
            .inbound
            .iter()
            .find_map(|story| story.row.crash.clone());
        let mut shown = messages::shown(&found)?;
        let letter = ["inbound", "outbound"]
            .iter()
            .find_map(|way| shown.get_mut(way)?.get_mut(0).map(Value::take));
        let crash = crash.and_then(|crash| {
            let kept = call.services.ledger.crashes().into_iter();
            let mut kept = kept.filter(|row| row.id == crash);
            kept.next().map(|row| row.record)
        });
        Ok(json!({ "direction": direction(&id), "letter": letter, "crash": crash }))
    })
}

pub(super) fn retry(call: Call) -> Outcome {
    Outcome::later(async move {
        let id = row_id(&call)?;
        let services = &call.services;
        let by = &call.principal.client.id;
        let again = match &id {
            RowId::In(row) => {
                let seq = services
                    .ledger
                    .retry_inbound(&row.session, row.seq, by)
                    .await
                    .map_err(|error| refused(&id, &error))?;
                services.intake.wake(&row.session);
                format!("{}#{seq}", row.session)
            }
            RowId::Out(row) => {
                let queued = services.ledger.requeue(row, by).await;
                queued.map_err(|error| refused(&id, &error))?;
                openclaw_channel::nudge_outbox(&services.directory, &row.account);
                row.to_string()
            }
        };
        tracing::info!(letter = %id, %again, by, "a dead letter is tried again");
        Ok(json!({ "ok": true, "id": id.to_string(), "retriedAs": again }))
    })
}

pub(super) fn drop(call: Call) -> Outcome {
    Outcome::later(async move {
        let id = row_id(&call)?;
        let (ledger, by) = (&call.services.ledger, &call.principal.client.id);
        let dropped = match &id {
            RowId::In(row) => ledger.drop_inbound(&row.session, row.seq, by).await,
            RowId::Out(row) => ledger.drop_outbound(row, by).await,
        };
        dropped.map_err(|error| refused(&id, &error))?;
        tracing::info!(letter = %id, by, "a dead letter was dropped");
        Ok(json!({ "ok": true, "id": id.to_string() }))
    })
}

fn row_id(call: &Call) -> Result<RowId, ErrorShape> {
    let id = call.text("id").unwrap_or_default();
    id.parse().map_err(run::invalid)
}

fn is_waiting(row: &OutboxRow) -> bool {
    matches!(row.state, OutboxState::Dead | OutboxState::Unknown)
}

fn direction(id: &RowId) -> &'static str {
    match id {
        RowId::In(_) => "in",
        RowId::Out(_) => "out",
    }
}

fn no_letter(id: &RowId) -> ErrorShape {
    let message = format!(
        "{id} is no dead letter: `openclaw deadletters list` shows them, `openclaw trace {id}` where it stands"
    );
    ErrorShape::invalid(message).with(json!({ "code": "NOT_FOUND" }))
}

fn refused(id: &RowId, error: &LedgerError) -> ErrorShape {
    match error {
        LedgerError::Rejected(_) => no_letter(id),
        error => run::not_stored(error),
    }
}

fn came_in(row: &InboxRow) -> (i64, Value) {
    let letter = json!({
        "id": format!("{}#{}", row.session, row.seq),
        "direction": "in",
        "state": row.state,
        "atMs": row.changed_at_ms,
        "attempts": row.attempts,
        "reason": row.reason,
        "crash": row.crash,
        "source": row.source,
        "sessionKey": row.session,
        "runId": row.run_id,
        "text": start(&row.body.text),
    });
    (row.changed_at_ms, letter)
}

fn goes_out(row: &OutboxRow) -> (i64, Value) {
    let letter = json!({
        "id": row.key.to_string(),
        "direction": "out",
        "state": row.state,
        "atMs": row.changed_at_ms,
        "attempts": row.attempts,
        "reason": row.error,
        "account": row.key.account.to_string(),
        "to": row.route.to,
        "sessionKey": row.session,
        "text": start(&row.payload.text),
    });
    (row.changed_at_ms, letter)
}

fn start(text: &str) -> String {
    text.chars().take(TEXT).collect()
}
