//! `chat.history`.

use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::run;

/// Messages unless told otherwise.
const LIMIT: u64 = 200;

pub(super) fn history(call: Call) -> Outcome {
    Outcome::later(async move { read(&call).await })
}

/// The history of the session that a call names.
pub(super) async fn read(call: &Call) -> Result<Value, ErrorShape> {
    let named = call.text("sessionKey").unwrap_or_default().to_owned();
    let session = run::session(call, &named)?;
    let limit = usize::try_from(call.number("limit").unwrap_or(LIMIT)).unwrap_or(usize::MAX);
    let history = call
        .services
        .sessions
        .history(&session, limit)
        .await
        .map_err(run::refused)?;
    let is_late = call.principal.version == Protocol::V4;
    let shown = history.messages.len();
    let mut messages = history.messages;
    if !is_late {
        for message in &mut messages {
            if let Value::Object(message) = message {
                message.remove("__openclaw");
                message.remove("idempotencyKey");
            }
        }
    }
    // Protocol 3 clients compare the key with the one they sent.
    let key = if is_late { session.to_string() } else { named };
    let mut answer = json!({ "sessionKey": key });
    if let Value::Object(answer) = &mut answer {
        // As they are: written into a literal they would be copied.
        answer.insert("messages".to_owned(), Value::Array(messages));
    }
    let mut set = |name: &str, value: Value| {
        if let Value::Object(answer) = &mut answer
            && !value.is_null()
        {
            answer.insert(name.to_owned(), value);
        }
    };
    set("sessionId", json!(history.session_id));
    set("thinkingLevel", json!(history.thinking_level));
    set("verboseLevel", json!(history.verbose_level));
    if is_late {
        let waiting = call.services.ledger.pending(&session);
        let active = call.services.hub.active_runs(&session);
        set("totalMessages", json!(history.total));
        set("hasMore", json!(history.total > shown));
        set(
            "pendingInputs",
            json!({ "items": [], "total": waiting.saturating_sub(1) }),
        );
        set("defaults", super::models::defaults(&call.services));
        set(
            "sessionInfo",
            json!({
                "key": session,
                "agentId": session.agent(),
                "hasActiveRun": history.active_run.is_some() || !active.is_empty(),
                "activeRunIds": active,
            }),
        );
    }
    Ok(answer)
}
