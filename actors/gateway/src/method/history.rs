//! `chat.history`.

use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::run;
use crate::ingress::outbound::Payload;

/// Messages unless told otherwise.
const LIMIT: u64 = 200;

pub(super) fn history(call: Call) -> Outcome {
    Outcome::written(async move {
        let about = read(&call).await?;
        Ok(Payload::from(about.written()))
    })
}

/// A session's history: what is said of it, and the messages, which are JSON already.
pub(super) struct Shown {
    key: String,
    messages: Vec<String>,
    facts: Map<String, Value>,
}

impl Shown {
    /// Says something more of it.
    pub(super) fn add(&mut self, name: &str, value: Value) {
        self.facts.insert(name.to_owned(), value);
    }

    /// As a JSON object.
    pub(super) fn written(&self) -> String {
        let facts = Value::Object(self.facts.clone()).to_string();
        let size: usize = self.messages.iter().map(|message| message.len() + 1).sum();
        let mut text = String::with_capacity(size + facts.len() + self.key.len() + 64);
        text.push_str("{\"sessionKey\":");
        text.push_str(&json!(self.key).to_string());
        text.push_str(",\"messages\":[");
        for (n, message) in self.messages.iter().enumerate() {
            if n > 0 {
                text.push(',');
            }
            text.push_str(message);
        }
        text.push(']');
        if !self.facts.is_empty() {
            text.push(',');
        }
        text.push_str(facts.get(1..).unwrap_or_default());
        text
    }
}

/// The history of the session that a call names.
pub(super) async fn read(call: &Call) -> Result<Shown, ErrorShape> {
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
    let shown = history.texts.len();
    let messages = if is_late {
        history.texts
    } else {
        history.messages().into_iter().map(as_before).collect()
    };
    let mut facts = Map::new();
    let mut set = |name: &str, value: Value| {
        if !value.is_null() {
            facts.insert(name.to_owned(), value);
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
    Ok(Shown {
        // Protocol 3 clients compare the key with the one they sent.
        key: if is_late { session.to_string() } else { named },
        messages,
        facts,
    })
}

/// A message as protocol 3 has it.
fn as_before(mut message: Value) -> String {
    if let Value::Object(message) = &mut message {
        message.remove("__openclaw");
        message.remove("idempotencyKey");
    }
    message.to_string()
}
