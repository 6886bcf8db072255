//! What the decoders of all wires share: the calls that wait for the end, the usage, and the end.

use std::collections::VecDeque;

use openclaw_protocol::StopReason;
use openclaw_protocol::Usage;
use serde_json::Map;
use serde_json::Value;

use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::error::classify;
use crate::model::ModelEvent;

/// Events that are ready to be handed out.
pub(crate) type Out = VecDeque<ModelEvent>;

/// One answer while it is read.
#[derive(Debug)]
pub(crate) struct Answer {
    provider: String,
    /// Calls wait for the end: one that the limit cut in two must not run.
    pub(crate) calls: Vec<OpenCall>,
    pub(crate) usage: Usage,
    over: bool,
}

/// A call whose arguments come in pieces.
#[derive(Debug, Default)]
pub(crate) struct OpenCall {
    /// Where the wire says it belongs; told apart by this or by the id.
    pub(crate) place: Option<u64>,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
    pub(crate) signature: Option<String>,
}

/// Why an answer ended, in words that all wires share.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The model was done, or wants its calls answered.
    Natural,
    /// The limit was reached.
    Length,
    /// The content was refused; the words follow the provider's name.
    Refused(&'static str),
    /// The provider gave up; the words follow its name.
    Failed(&'static str),
    /// A word that no wire knows.
    Other(String),
}

impl Answer {
    pub(crate) fn new(provider: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            calls: Vec::new(),
            usage: Usage::default(),
            over: false,
        }
    }

    /// Whether the end was read; what follows it says nothing.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Reads one piece.
    pub(crate) fn json(&self, data: &str) -> Result<Value, ModelError> {
        serde_json::from_str(data).map_err(|error| {
            let text = format!("sent a piece that is not JSON: {error}");
            self.error(ModelErrorKind::Format, &text)
        })
    }

    /// An error whose text begins with the provider's name.
    pub(crate) fn error(&self, kind: ModelErrorKind, what: &str) -> ModelError {
        ModelError::new(kind, format!("{} {what}", self.provider))
    }

    /// Sorts an error that came inside the stream.
    pub(crate) fn failed(&self, body: &str) -> ModelError {
        classify(&self.provider, 0, body, None)
    }

    /// The error of a body that ended before its answer did.
    pub(crate) fn broke_off(&self) -> ModelError {
        let what = "broke off in the middle of its answer";
        self.error(ModelErrorKind::Network, what)
    }

    /// Hands out the calls and the end.
    pub(crate) fn finish(&mut self, end: End, out: &mut Out) -> Result<(), ModelError> {
        self.over = true;
        let stop = match end {
            End::Refused(what) => return Err(self.error(ModelErrorKind::Refusal, what)),
            End::Failed(what) => return Err(self.error(ModelErrorKind::Overload, what)),
            End::Length => StopReason::Length,
            // Some servers end a call with their word for a plain end.
            _ if !self.calls.is_empty() => StopReason::ToolUse,
            End::Natural => StopReason::Stop,
            End::Other(word) => StopReason::Other(word),
        };
        for (number, call) in self.calls.drain(..).enumerate() {
            let arguments = read_arguments(&call.arguments);
            if call.name.is_empty() || (stop == StopReason::Length && !arguments.is_object()) {
                continue;
            }
            let id = match call.id.is_empty() {
                true => format!("call_{number}"),
                false => call.id,
            };
            out.push_back(ModelEvent::ToolCall {
                id,
                name: call.name,
                arguments,
                signature: call.signature,
            });
        }
        out.push_back(ModelEvent::Done {
            usage: self.usage,
            stop,
        });
        Ok(())
    }
}

/// Hands a piece of text out, unless it is empty.
pub(crate) fn push(out: &mut Out, text: &str, event: fn(String) -> ModelEvent) {
    if !text.is_empty() {
        out.push_back(event(text.to_owned()));
    }
}

/// A text field; empty when it isn't there.
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}

/// A figure at a JSON pointer.
pub(crate) fn figure(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer).and_then(Value::as_u64)
}

/// The arguments; text that isn't JSON stays text, so that the tool can tell the model.
fn read_arguments(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(Map::new());
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
