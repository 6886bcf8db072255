//! What nodes say of themselves.

use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::run;
use super::wake;

/// The longest transcript that is taken.
const LONGEST: usize = 20_000;

pub(super) fn event(call: Call) -> Outcome {
    Outcome::later(async move {
        let name = call.text("event").unwrap_or_default();
        let is_handled = match name {
            "voice.transcript" => spoken(&call, "text").await?,
            "agent.request" => spoken(&call, "message").await?,
            _ => false,
        };
        Ok(match call.principal.version {
            Protocol::V3 => json!({ "ok": true }),
            Protocol::V4 => json!({ "ok": true, "event": name, "handled": is_handled }),
        })
    })
}

/// Words of a person, heard or typed at a device: they are answered in the session they name, else in the main one.
async fn spoken(call: &Call, field: &str) -> Result<bool, ErrorShape> {
    let written = call.text("payloadJSON").map(serde_json::from_str::<Value>);
    let payload = match written {
        Some(Ok(payload)) => payload,
        Some(Err(_)) => return Ok(false),
        None => call.params.get("payload").cloned().unwrap_or_default(),
    };
    let text = |name: &str| payload.get(name).and_then(Value::as_str).map(str::trim);
    let Some(said) = text(field).filter(|said| !said.is_empty() && said.len() <= LONGEST) else {
        return Ok(false);
    };
    let session = match text("sessionKey").filter(|key| !key.is_empty()) {
        Some(key) => run::session(call, key)?,
        None => wake::main_session(call)?,
    };
    wake::say(&call.services, &session, said.to_owned()).await?;
    Ok(true)
}

/// Nothing was asked of the node, so whatever it answers is late.
pub(super) fn result(_call: Call) -> Outcome {
    Outcome::now(Ok(json!({ "ok": true, "ignored": true })))
}

pub(super) fn pending(_call: Call) -> Outcome {
    Outcome::now(Ok(json!({ "items": [], "hasMore": false })))
}

pub(super) fn noted(_call: Call) -> Outcome {
    Outcome::now(Ok(json!({ "ok": true })))
}
