//! The answer to a successful `connect`.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use crate::events::StateVersion;
use crate::message::Extra;

/// The answer to a successful `connect`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "hello-ok", rename_all = "camelCase")]
pub struct HelloOk {
    /// The version that is spoken.
    pub protocol: u32,
    /// Who answers.
    pub server: ServerInfo,
    /// What can be asked and heard.
    pub features: Features,
    /// How things are right now.
    pub snapshot: Snapshot,
    /// Who the client is taken for; always sent, absent from some gateways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Grant>,
    /// What the connection may carry.
    pub policy: Policy,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerInfo {
    /// The gateway's version.
    pub version: String,
    /// The connection's id.
    pub conn_id: String,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What can be asked and heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Features {
    /// The methods.
    pub methods: Vec<String>,
    /// The events.
    pub events: Vec<String>,
    /// What else it can do (protocol 4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<String>>,
}

/// How things are right now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Who is there.
    pub presence: Vec<Value>,
    /// The health; empty until it is known.
    pub health: Value,
    /// How new both are.
    pub state_version: StateVersion,
    /// How long the gateway has been running.
    pub uptime_ms: u64,
    /// Fields of other versions, and those only some may see.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Who a client is taken for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// `operator` or `node`.
    pub role: String,
    /// Its rights.
    pub scopes: Vec<String>,
    /// Fields of other versions, and tokens for devices.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a connection may carry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Longest frame from the client, in bytes.
    pub max_payload: u64,
    /// Most that waits for a slow client, in bytes.
    pub max_buffered_bytes: u64,
    /// How often `tick` comes.
    pub tick_interval_ms: u64,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}
