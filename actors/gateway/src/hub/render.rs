//! How a run's events read on the wire, for each protocol version. Pure.

use std::borrow::Cow;

use bytes::Bytes;
use openclaw_protocol::Message;
use openclaw_protocol::Protocol;
use openclaw_protocol::written::Object;
use openclaw_session::SessionEvent;
use openclaw_session::What;
use openclaw_session::event::Phase;
use openclaw_session::event::ToolEvent;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::ingress::outbound::Payload;
use crate::ingress::outbound::quoted;

/// Which connections an agent event is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// All that may read.
    Open,
    /// Those that asked for tools of this run.
    Tool,
}

/// An `agent` event before its version is chosen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AgentEvent {
    pub(super) stream: Stream,
    pub(super) name: &'static str,
    pub(super) data: Value,
    /// What protocol 4 adds to `data`.
    pub(super) late: Map<String, Value>,
}

impl AgentEvent {
    fn new(stream: Stream, name: &'static str, data: Value) -> Self {
        let late = Map::new();
        Self {
            stream,
            name,
            data,
            late,
        }
    }
}

/// The `agent` event of what happened; terminal events have none, and text that grew has its own way.
pub(super) fn agent_event(what: &What, at_ms: i64) -> Option<AgentEvent> {
    let open = |name, data| Some(AgentEvent::new(Stream::Open, name, data));
    match what {
        What::Lifecycle(Phase::Start { started_at_ms }) => open(
            "lifecycle",
            json!({ "phase": "start", "startedAt": started_at_ms }),
        ),
        What::Lifecycle(Phase::End { aborted: false }) => {
            open("lifecycle", json!({ "phase": "end", "endedAt": at_ms }))
        }
        What::Lifecycle(Phase::End { aborted: true }) => open(
            "lifecycle",
            json!({ "phase": "end", "endedAt": at_ms, "aborted": true }),
        ),
        What::Lifecycle(Phase::Error(error)) => open(
            "lifecycle",
            json!({ "phase": "error", "error": error, "endedAt": at_ms }),
        ),
        What::Tool(ToolEvent::Start { id, name, args }) => Some(AgentEvent::new(
            Stream::Tool,
            "tool",
            json!({ "phase": "start", "name": name, "toolCallId": id, "args": args }),
        )),
        What::Tool(ToolEvent::Result {
            id,
            name,
            result,
            is_error,
        }) => {
            let data =
                json!({ "phase": "result", "name": name, "toolCallId": id, "isError": is_error });
            let mut event = AgentEvent::new(Stream::Tool, "tool", data);
            event.late.insert("result".to_owned(), result.clone());
            Some(event)
        }
        What::Assistant { .. }
        | What::Thinking { .. }
        | What::Final { .. }
        | What::Failed { .. }
        | What::Aborted { .. } => None,
    }
}

/// The payload of an `agent` event.
pub(super) fn agent_payload(event: &SessionEvent, agent: &AgentEvent, version: Protocol) -> String {
    let mut data = Cow::Borrowed(&agent.data);
    if version == Protocol::V4
        && !agent.late.is_empty()
        && let Value::Object(data) = data.to_mut()
    {
        data.extend(agent.late.clone());
    }
    let mut payload = agent_head(event, agent.name, version);
    payload.put("data", &*data);
    payload.close()
}

/// The payload of an `agent` event about text that grew; the text and what is new of it are JSON already.
pub(super) fn grown_payload(
    event: &SessionEvent,
    stream: &'static str,
    text: &Bytes,
    delta: &Bytes,
    version: Protocol,
) -> Payload {
    let mut head = agent_head(event, stream, version);
    head.field("data").extend_from_slice(b"{\"text\":");
    Payload::new([
        Bytes::from(head.open()),
        text.clone(),
        Bytes::from_static(b",\"delta\":"),
        delta.clone(),
        Bytes::from_static(b"}}"),
    ])
}

/// An `agent` event without its data.
fn agent_head(event: &SessionEvent, stream: &'static str, version: Protocol) -> Object {
    let mut payload = Object::new();
    payload.put("runId", &event.run_id);
    payload.put("stream", stream);
    payload.put("sessionKey", &event.session);
    payload.put("seq", &event.seq);
    payload.put("ts", &event.at_ms);
    if version == Protocol::V4 {
        payload.put("agentId", &event.agent);
        if let Some(session_id) = &event.session_id {
            payload.put("sessionId", session_id);
        }
        payload.put("isHeartbeat", &false);
    }
    payload
}

/// The state of a `chat` event. Texts are JSON already, so that all who hear of them share them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Chat {
    /// The answer grew.
    Delta {
        /// All of it so far.
        text: Bytes,
        /// What is new; `None` if the whole text replaces what the client has.
        delta: Option<Bytes>,
    },
    /// The answer is there.
    Final {
        text: Option<Bytes>,
        stop_reason: String,
    },
    /// Somebody ended the run.
    Aborted {
        reason: &'static str,
        partial: Option<Bytes>,
    },
    /// The run failed.
    Error { message: String },
}

/// The payload of a `chat` event. `seq` is that of the `agent` event which caused it.
pub(super) fn chat_payload(
    event: &SessionEvent,
    seq: u64,
    chat: &Chat,
    version: Protocol,
) -> Payload {
    let is_late = version == Protocol::V4;
    let mut head = Object::new();
    head.put("runId", &event.run_id);
    head.put("sessionKey", &event.session);
    head.put("seq", &seq);
    if is_late {
        head.put("agentId", &event.agent);
    }
    let (grown, said) = match chat {
        Chat::Delta { text, delta } => {
            head.put("state", "delta");
            if is_late && delta.is_none() {
                head.put("replace", &true);
            }
            let grown = is_late.then(|| delta.as_ref().unwrap_or(text));
            (grown, Some(text))
        }
        Chat::Final { text, stop_reason } => {
            head.put("state", "final");
            if is_late {
                head.put("stopReason", stop_reason);
            }
            (None, text.as_ref())
        }
        Chat::Aborted { reason, partial } => {
            head.put("state", "aborted");
            head.put("stopReason", *reason);
            (None, partial.as_ref().filter(|_| is_late))
        }
        Chat::Error { message } => {
            head.put("state", "error");
            head.put("errorMessage", message);
            (None, None)
        }
    };
    let mut pieces = vec![Bytes::from(head.open())];
    if let Some(grown) = grown {
        pieces.extend([Bytes::from_static(b",\"deltaText\":"), grown.clone()]);
    }
    if let Some(said) = said {
        let before =
            b",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":";
        let after = format!("}}],\"timestamp\":{}}}", event.at_ms);
        pieces.extend([Bytes::from_static(before), said.clone(), Bytes::from(after)]);
    }
    pieces.push(Bytes::from_static(b"}"));
    Payload::new(pieces)
}

/// The terminal `chat` state of what happened.
pub(super) fn terminal(what: &What) -> Option<Chat> {
    match what {
        What::Final {
            message,
            stop_reason,
            ..
        } => Some(Chat::Final {
            text: message.as_ref().and_then(shown),
            stop_reason: serde_json::to_value(stop_reason)
                .ok()
                .and_then(|reason| reason.as_str().map(str::to_owned))
                .unwrap_or_default(),
        }),
        What::Aborted { reason, partial } => Some(Chat::Aborted {
            reason,
            partial: partial.as_ref().and_then(shown),
        }),
        What::Failed { message } => Some(Chat::Error {
            message: message.clone(),
        }),
        _ => None,
    }
}

/// A finished message as `chat` shows it: its text only. `None` when it says nothing.
fn shown(message: &Message) -> Option<Bytes> {
    let text = message.text();
    (!text.is_empty()).then(|| quoted(&text))
}
