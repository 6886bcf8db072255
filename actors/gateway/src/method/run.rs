//! What `chat.send` and `agent` share: the session a client means, the message it brings, and what is
//! known of its run.

use openclaw_ledger::InboxFilter;
use openclaw_ledger::NewInbound;
use openclaw_protocol::AgentId;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::Inbound;
use openclaw_protocol::Route;
use openclaw_protocol::RunId;
use openclaw_protocol::SessionKey;
use openclaw_protocol::ToolSpec;
use openclaw_protocol::message::Attachment;
use openclaw_session::SessionError;
use serde_json::Value;

use super::Call;
use crate::services::Services;
use crate::services::now_ms;

/// The largest picture, in bytes.
const PICTURE_LIMIT: usize = 5_000_000;

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It waits or is at work.
    InFlight,
    /// It ended.
    Over,
}

/// The session that a client names, for an agent that exists.
pub(super) fn session(call: &Call, key: &str) -> Result<SessionKey, ErrorShape> {
    let config = call.services.configuration();
    let default = match call.text("agentId") {
        Some(agent) => AgentId::parse(agent).map_err(invalid)?,
        None => config.agents.default_id(),
    };
    let key = SessionKey::expand(key, &default).map_err(invalid)?;
    let agent = key.agent();
    if config.agents.resolve(&agent).is_none() {
        return Err(ErrorShape::invalid(format!("unknown agent id \"{agent}\"")));
    }
    Ok(key)
}

/// A client's message as a row.
pub(super) fn row(
    call: &Call,
    session: &SessionKey,
    run_id: &RunId,
    reply: Option<Route>,
) -> Result<NewInbound, ErrorShape> {
    let now = now_ms();
    let message = call.text("message").unwrap_or_default();
    let attachments = attachments(call)?;
    if message.trim().is_empty() && attachments.is_empty() {
        return Err(ErrorShape::invalid("message or attachment required"));
    }
    Ok(NewInbound {
        session: session.clone(),
        source: "ws".to_owned(),
        source_id: run_id.to_string(),
        run_id: run_id.clone(),
        body: Inbound {
            text: message.to_owned(),
            timestamp_ms: now,
            attachments,
            extra_system_prompt: call.text("extraSystemPrompt").map(str::to_owned),
            thinking: call.text("thinking").map(str::to_owned),
            deliver: call.flag("deliver").unwrap_or(false),
            client_tools: client_tools(call)?,
            scopes: call.principal.scopes,
            // Whoever says this of its own words is held stricter, never less.
            outside: call.text("outside").map(str::to_owned),
            ..Inbound::default()
        },
        reply,
        received_at_ms: now,
        traceparent: call.traceparent.clone(),
    })
}

/// Tools that the client itself runs.
fn client_tools(call: &Call) -> Result<Vec<ToolSpec>, ErrorShape> {
    let listed = call.params.get("clientTools").and_then(Value::as_array);
    let tools = listed.into_iter().flatten();
    let read = tools.map(|tool| serde_json::from_value(tool.clone()));
    read.collect::<Result<_, _>>().map_err(invalid)
}

fn attachments(call: &Call) -> Result<Vec<Attachment>, ErrorShape> {
    let listed = call.params.get("attachments").and_then(Value::as_array);
    listed.into_iter().flatten().map(attachment).collect()
}

fn attachment(value: &Value) -> Result<Attachment, ErrorShape> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let name = text("fileName").unwrap_or("attachment");
    let refuse = |why: &str| Err(ErrorShape::invalid(format!("attachment {name}: {why}")));
    let Some(content) = text("content") else {
        return refuse("content is missing (base64)");
    };
    // Pages send data URLs: the part before the comma says what the type field says.
    let data = content
        .split_once("base64,")
        .map_or(content, |(_, data)| data)
        .trim();
    let mime_type = text("mimeType").unwrap_or("image/png");
    if !mime_type.starts_with("image/") {
        return refuse("only pictures can be sent");
    }
    if data.len() / 4 * 3 > PICTURE_LIMIT {
        return refuse("larger than 5000000 bytes");
    }
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    if data.is_empty() || !data.bytes().all(alphabet) {
        return refuse("not base64");
    }
    Ok(Attachment {
        mime_type: mime_type.to_owned(),
        file_name: text("fileName").map(str::to_owned),
        data: data.to_owned(),
    })
}

/// Where a run is: by its events, else by its row, also after a restart.
pub(super) fn progress(services: &Services, session: &SessionKey, run_id: &RunId) -> Progress {
    if let Some(view) = services.hub.run(run_id)
        && view.session.is_some()
        && (view.end.is_some() || view.started_at_ms.is_some())
    {
        return if view.end.is_some() {
            Progress::Over
        } else {
            Progress::InFlight
        };
    }
    let open = services.ledger.inbox(&InboxFilter {
        session: Some(session.clone()),
        open_only: true,
        ..InboxFilter::default()
    });
    match open.iter().any(|row| row.run_id == *run_id) {
        true => Progress::InFlight,
        false => Progress::Over,
    }
}

pub(super) fn invalid(error: impl std::fmt::Display) -> ErrorShape {
    ErrorShape::invalid(error.to_string())
}

/// Something of ours went wrong on the way to the answer; what was asked was in order.
pub(super) fn in_the_way(error: impl std::fmt::Display) -> ErrorShape {
    ErrorShape::unavailable(error.to_string()).retry_after(1000)
}

/// What a refused change reads like on the wire.
pub(super) fn refused(error: SessionError) -> ErrorShape {
    match error {
        SessionError::Invalid(text) => ErrorShape::invalid(text),
        busy @ SessionError::Busy(_) => ErrorShape::unavailable(busy.to_string()).retry_after(1000),
        SessionError::Ledger(error) => not_stored(&error),
    }
}

/// Nothing was acknowledged, so nothing is lost: the client sends again.
pub(super) fn not_stored(error: &openclaw_ledger::LedgerError) -> ErrorShape {
    ErrorShape::unavailable(format!("not stored: {error}")).retry_after(1000)
}
