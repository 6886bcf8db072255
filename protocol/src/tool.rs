//! What a model is told about a tool.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

/// A tool as a model sees it: its name, when to use it, and the JSON schema of its arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolSpec {
    /// 1 to 64 of `a-z A-Z 0-9 _ -`.
    pub name: String,
    /// What it does and when to use it, in a sentence or two.
    pub description: String,
    /// A JSON schema of type `object`.
    pub parameters: Value,
}
