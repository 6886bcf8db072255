//! Events: what the gateway says without being asked.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use crate::message::Extra;

/// An event's frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "event", rename_all = "camelCase")]
pub struct EventFrame {
    /// Its name.
    pub event: String,
    /// What it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// Its place in the order; a gap tells that something was missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// How new the presence list and the health are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_version: Option<StateVersion>,
}

/// How new the presence list and the health are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StateVersion {
    /// Of the presence list.
    pub presence: u64,
    /// Of the health.
    pub health: u64,
}

/// The payload of `chat`: how an answer comes along. Each run has exactly one that ends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatEvent {
    /// The run.
    pub run_id: String,
    /// The session, as the client named it or whole.
    pub session_key: String,
    /// The run's own order.
    pub seq: u64,
    /// How far it is.
    pub state: ChatState,
    /// The answer so far, or whole; cumulative, not a piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Value>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How far an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChatState {
    /// It is being prepared (protocol 4).
    Status,
    /// It goes on.
    Delta,
    /// It is whole.
    Final,
    /// It was stopped.
    Aborted,
    /// It failed.
    Error,
}

impl ChatState {
    /// Tells whether nothing comes after it.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Final | Self::Aborted | Self::Error)
    }
}

/// The payload of `agent`: what happens inside a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentEvent {
    /// The run.
    pub run_id: String,
    /// What it is about: `lifecycle`, `assistant`, `tool`, …
    pub stream: String,
    /// What happened.
    #[serde(default)]
    pub data: Value,
    /// The session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_key: Option<String>,
    /// The run's own order, from 1 without gaps.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub ts: i64,
    /// Fields of later versions.
    #[serde(flatten)]
    pub extra: Extra,
}
