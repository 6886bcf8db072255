//! How a run's events read on the wire, for each protocol version. Pure.

use openclaw_protocol::Message;
use openclaw_protocol::Protocol;
use openclaw_session::SessionEvent;
use openclaw_session::What;
use openclaw_session::event::Phase;
use openclaw_session::event::ToolEvent;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// Which connections an agent event is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// All that may read.
    Open,
    /// Those that asked for tools of this run.
    Tool,
    /// Only protocol 4: older clients don't know the stream.
    Late,
}

/// An `agent` event before its version is chosen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AgentEvent {
    pub(super) stream: Stream,
    pub(super) name: &'static str,
    pub(super) data: Value,
    /// What protocol 4 adds to `data`.
    pub(super) late: Map<String, Value>,
    /// Whether the next event of the stream makes up for this one.
    pub(super) is_delta: bool,
}

impl AgentEvent {
    fn new(stream: Stream, name: &'static str, data: Value) -> Self {
        let late = Map::new();
        let is_delta = false;
        Self {
            stream,
            name,
            data,
            late,
            is_delta,
        }
    }
}

/// The `agent` event of what happened; terminal events have none.
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
        What::Assistant { text, delta } => Some(AgentEvent {
            is_delta: true,
            ..AgentEvent::new(
                Stream::Open,
                "assistant",
                json!({ "text": text, "delta": delta }),
            )
        }),
        What::Thinking { text, delta } => Some(AgentEvent {
            is_delta: true,
            ..AgentEvent::new(
                Stream::Late,
                "thinking",
                json!({ "text": text, "delta": delta }),
            )
        }),
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
        What::Final { .. } | What::Failed { .. } | What::Aborted { .. } => None,
    }
}

/// The payload of an `agent` event.
pub(super) fn agent_payload(event: &SessionEvent, agent: &AgentEvent, version: Protocol) -> String {
    let mut data = agent.data.clone();
    let mut payload = json!({
        "runId": event.run_id,
        "stream": agent.name,
        "data": Value::Null,
        "sessionKey": event.session,
        "seq": event.seq,
        "ts": event.at_ms,
    });
    if version == Protocol::V4 {
        if let Value::Object(data) = &mut data {
            data.extend(agent.late.clone());
        }
        set(&mut payload, "agentId", json!(event.agent));
        if let Some(session_id) = &event.session_id {
            set(&mut payload, "sessionId", json!(session_id));
        }
        set(&mut payload, "isHeartbeat", json!(false));
    }
    set(&mut payload, "data", data);
    payload.to_string()
}

/// The state of a `chat` event.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Chat {
    /// The answer grew.
    Delta {
        /// All of it so far.
        text: String,
        /// What is new; `None` if the whole text replaces what the client has.
        delta: Option<String>,
    },
    /// The answer is there.
    Final {
        message: Option<Value>,
        stop_reason: String,
    },
    /// Somebody ended the run.
    Aborted {
        reason: &'static str,
        partial: Option<Value>,
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
) -> String {
    let is_late = version == Protocol::V4;
    let mut payload = json!({
        "runId": event.run_id,
        "sessionKey": event.session,
        "seq": seq,
    });
    if is_late {
        set(&mut payload, "agentId", json!(event.agent));
    }
    match chat {
        Chat::Delta { text, delta } => {
            set(&mut payload, "state", json!("delta"));
            if is_late {
                set(
                    &mut payload,
                    "deltaText",
                    json!(delta.as_deref().unwrap_or(text)),
                );
                if delta.is_none() {
                    set(&mut payload, "replace", json!(true));
                }
            }
            set(&mut payload, "message", assistant(text, event.at_ms));
        }
        Chat::Final {
            message,
            stop_reason,
        } => {
            set(&mut payload, "state", json!("final"));
            if is_late {
                set(&mut payload, "stopReason", json!(stop_reason));
            }
            if let Some(message) = message {
                set(&mut payload, "message", message.clone());
            }
        }
        Chat::Aborted { reason, partial } => {
            set(&mut payload, "state", json!("aborted"));
            set(&mut payload, "stopReason", json!(reason));
            if let Some(partial) = partial.as_ref().filter(|_| is_late) {
                set(&mut payload, "message", partial.clone());
            }
        }
        Chat::Error { message } => {
            set(&mut payload, "state", json!("error"));
            set(&mut payload, "errorMessage", json!(message));
        }
    }
    payload.to_string()
}

/// The terminal `chat` state of what happened.
pub(super) fn terminal(what: &What, at_ms: i64) -> Option<Chat> {
    match what {
        What::Final {
            message,
            stop_reason,
            ..
        } => Some(Chat::Final {
            message: message.as_ref().and_then(|message| shown(message, at_ms)),
            stop_reason: serde_json::to_value(stop_reason)
                .ok()
                .and_then(|reason| reason.as_str().map(str::to_owned))
                .unwrap_or_default(),
        }),
        What::Aborted { reason, partial } => Some(Chat::Aborted {
            reason,
            partial: partial.as_ref().and_then(|message| shown(message, at_ms)),
        }),
        What::Failed { message } => Some(Chat::Error {
            message: message.clone(),
        }),
        _ => None,
    }
}

/// A finished message as `chat` shows it: its text only. `None` when it says nothing.
fn shown(message: &Message, at_ms: i64) -> Option<Value> {
    let text = message.text();
    (!text.is_empty()).then(|| assistant(&text, at_ms))
}

fn assistant(text: &str, at_ms: i64) -> Value {
    json!({
        "role": "assistant",
        "content": [{ "type": "text", "text": text }],
        "timestamp": at_ms,
    })
}

fn set(payload: &mut Value, name: &str, value: Value) {
    if let Value::Object(payload) = payload {
        payload.insert(name.to_owned(), value);
    }
}
