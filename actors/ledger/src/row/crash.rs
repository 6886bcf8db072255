//! Crash records, kept as a ring.

use serde::{Deserialize, Serialize};

/// One crash of an actor, as `openclaw supervisor crash` shows it after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrashRow {
    pub id: String,
    pub path: String,
    pub at_ms: i64,
    /// The whole record, as its maker serialised it.
    pub record: serde_json::Value,
}
