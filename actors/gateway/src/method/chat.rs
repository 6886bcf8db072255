//! `chat.send`, `chat.abort`, `chat.inject`.

use openclaw_ledger::Accepted;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::RunId;
use openclaw_protocol::SessionKey;
use openclaw_runtime::fault;
use openclaw_session::Idempotency;
use openclaw_session::command;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::run;
use super::run::Progress;
use crate::hub::Audience;
use crate::hub::Broadcast;
use crate::services::now_ms;

/// Under which the ledger keeps the answers.
pub(super) const SCOPE: &str = "chat";

pub(super) fn send(call: Call) -> Outcome {
    Outcome::later(async move {
        let session = run::session(&call, call.text("sessionKey").unwrap_or_default())?;
        let message = call.text("message").unwrap_or_default();
        if command::is_stop(message) {
            let run_ids = call
                .services
                .intake
                .abort_because(&session, None, "stop")
                .await;
            return Ok(aborted(&run_ids));
        }
        let run_id = RunId::from(call.text("idempotencyKey").unwrap_or_default());
        let row = run::row(&call, &session, &run_id, None)?;
        let hub = &call.services.hub;
        // Before the row: the run may begin before its writer hears that it is stored.
        hub.expect_run(&run_id, &session, call.principal.connection, now_ms());
        let idempotency = Idempotency {
            scope: SCOPE.to_owned(),
            key: run_id.to_string(),
            response: json!({ "runId": run_id, "status": "started", "sessionKey": session }),
        };
        let accepted = call.services.intake.accept(row, Some(idempotency)).await;
        let status = match accepted {
            Ok(Accepted::Fresh(_)) => "started",
            Ok(Accepted::Repeat(first)) => repeated(&call, &session, &run_id, &first),
            Err(error) => {
                hub.forget_run(&run_id);
                return Err(run::not_stored(&error));
            }
        };
        fault::point_async!("ws.before_ack")
            .await
            .map_err(run::in_the_way)?;
        Ok(json!({ "runId": run_id, "status": status }))
    })
}

/// What a repeat is told: the run goes on, or it is done. It is never run twice.
fn repeated(call: &Call, session: &SessionKey, run_id: &RunId, first: &Value) -> &'static str {
    let of_first = first.get("sessionKey").and_then(Value::as_str);
    let of_first = of_first.and_then(|key| SessionKey::parse(key).ok());
    let session = of_first.as_ref().unwrap_or(session);
    match run::progress(&call.services, session, run_id) {
        Progress::InFlight => "in_flight",
        Progress::Over => {
            call.services.hub.forget_run(run_id);
            "ok"
        }
    }
}

pub(super) fn abort(call: Call) -> Outcome {
    Outcome::later(async move {
        let session = run::session(&call, call.text("sessionKey").unwrap_or_default())?;
        let run_id = call.text("runId").map(RunId::from);
        let run_ids = call.services.intake.abort(&session, run_id).await;
        Ok(aborted(&run_ids))
    })
}

fn aborted(run_ids: &[RunId]) -> Value {
    json!({ "ok": true, "aborted": !run_ids.is_empty(), "runIds": run_ids })
}

pub(super) fn inject(call: Call) -> Outcome {
    Outcome::later(async move {
        let session = run::session(&call, call.text("sessionKey").unwrap_or_default())?;
        let text = call.text("message").unwrap_or_default().to_owned();
        let label = call.text("label").map(str::to_owned);
        let injected = call.services.sessions.inject(&session, text, label).await;
        let injected = injected.map_err(run::refused)?;
        let message = serde_json::to_value(&injected.message)
            .map_err(|error| ErrorShape::unavailable(error.to_string()))?;
        call.services.hub.broadcast(&Broadcast {
            name: "chat",
            payload: json!({
                "runId": format!("inject-{}", injected.message_id),
                "sessionKey": session,
                "seq": 0,
                "state": "final",
                "message": message,
            }),
            audience: Audience::Readers,
            is_stale_soon: false,
            has_state_version: false,
        });
        Ok(json!({ "ok": true, "messageId": injected.message_id }))
    })
}
