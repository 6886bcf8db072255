//! What every model is, wherever it runs: a request goes in, a stream of events comes out.

use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream;
use openclaw_protocol::Message;
use openclaw_protocol::ModelRef;
use openclaw_protocol::Prompt;
use openclaw_protocol::SessionKey;
use openclaw_protocol::StopReason;
use openclaw_protocol::Tools;
use openclaw_protocol::Usage;
use serde_json::Value;

use crate::endpoint::ModelInfo;
use crate::error::ModelError;

/// The events of one call, in order. It ends after [`ModelEvent::Done`] or after the first error;
/// dropping it cancels the call.
pub type ModelStream = Pin<Box<dyn Stream<Item = Result<ModelEvent, ModelError>> + Send>>;

/// A model that can be called.
pub trait Model: Send + Sync {
    /// Which model it is.
    fn reference(&self) -> &ModelRef;

    /// Begins a call. Nothing is sent before the stream is polled.
    fn stream(&self, request: ModelRequest) -> ModelStream;
}

/// One call.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The model to call; a client serves every model of its provider.
    pub model: ModelRef,
    /// The system prompt; empty for none.
    pub system: Prompt,
    /// The conversation so far, as the transcript holds it. It is repaired for the wire.
    pub messages: Arc<[Arc<Message>]>,
    /// What the model may call.
    pub tools: Tools,
    /// The longest answer; none = what the model is known to allow.
    pub max_tokens: Option<u32>,
    /// The session that asks; sent to nobody, used by caches that the provider keeps per conversation.
    pub session: SessionKey,
    /// `temperature`, `topP`, `stop`, `thinking` (a level), `cacheRetention` (`none|short|long`).
    pub params: Value,
}

/// What a model says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ModelEvent {
    /// The next piece of the answer.
    Text(String),
    /// The next piece of the reasoning.
    Thinking(String),
    /// Closes the reasoning so far with the provider's signature: kept beside it as
    /// `thinkingSignature`, because the provider asks for it back.
    ThinkingSignature(String),
    /// The model asks for a tool, its arguments complete.
    ToolCall {
        /// Echoed by the result.
        id: String,
        /// The tool.
        name: String,
        /// An object.
        arguments: Value,
        /// What the provider asks back with the call; kept beside it as `thoughtSignature`.
        signature: Option<String>,
    },
    /// The end, always last.
    Done {
        /// Tokens and money.
        usage: Usage,
        /// Why it ended.
        stop: StopReason,
    },
}

impl ModelRequest {
    /// A parameter, unless it is null.
    pub(crate) fn param(&self, name: &str) -> Option<&Value> {
        self.params.get(name).filter(|value| !value.is_null())
    }

    /// The limit somebody asked for.
    pub(crate) fn asked_limit(&self) -> Option<u64> {
        let asked = self.param("maxTokens").and_then(Value::as_u64);
        let limit = self.max_tokens.map(u64::from).or(asked)?;
        Some(limit.max(1))
    }

    /// The limit somebody asked for, or what the model is known to allow.
    pub(crate) fn limit(&self, info: &ModelInfo) -> Option<u64> {
        self.asked_limit().or(info.max_tokens.map(u64::from))
    }

    /// Words at which the answer shall end.
    pub(crate) fn stops(&self) -> Vec<&str> {
        match self.param("stop") {
            Some(Value::String(stop)) => vec![stop],
            Some(Value::Array(stops)) => stops.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}
