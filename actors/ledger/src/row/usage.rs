//! What the models cost.

use std::collections::BTreeMap;

use openclaw_protocol::key::SessionKey;
use serde::{Deserialize, Serialize};

/// Tokens and cost of one turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageRow {
    pub at_ms: i64,
    pub session: SessionKey,
    pub agent: String,
    pub provider: String,
    pub model: String,
    pub input: u64,
    pub output: u64,
    #[serde(default)]
    pub cache_read: u64,
    #[serde(default)]
    pub cache_write: u64,
    #[serde(default)]
    pub cost_usd: f64,
}

/// Usage rows added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageSum {
    pub turns: u64,
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    pub cache_write: u64,
    pub cost_usd: f64,
}

impl UsageSum {
    pub(crate) fn add(&mut self, row: &UsageRow) {
        self.turns += 1;
        self.input += row.input;
        self.output += row.output;
        self.cache_read += row.cache_read;
        self.cache_write += row.cache_write;
        self.cost_usd += row.cost_usd;
    }
}

/// Usage of a period, in all and by part.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageSums {
    pub total: UsageSum,
    /// By "provider/model".
    pub models: BTreeMap<String, UsageSum>,
    pub agents: BTreeMap<String, UsageSum>,
    pub sessions: BTreeMap<String, UsageSum>,
}
