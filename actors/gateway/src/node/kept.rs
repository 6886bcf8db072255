//! What is kept of commands carried to nodes: under which key each was asked, and what came of it.
//!
//! The row is there before the node hears of the command. A repeat of its key finds the first answer, or that nobody
//! knows it; it never has the command run twice.

use openclaw_ledger::Ledger;
use openclaw_ledger::LedgerError;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use sha2::Digest;
use sha2::Sha256;

/// Answers up to this size are kept whole; pictures of a browser are not.
const LARGEST: usize = 256 * 1024;

/// What a node said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    /// Whether it did it.
    pub ok: bool,
    /// What came out, as a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// What came out, as text.
    #[serde(
        default,
        rename = "payloadJSON",
        skip_serializing_if = "Option::is_none"
    )]
    pub payload_json: Option<String>,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// The node answered.
    Said(Said),
    /// It did not answer in time.
    TimedOut,
    /// It disconnected.
    Gone,
    /// It was asked before, and the gateway ended before it heard more.
    Cut,
    /// It was answered before, too long to be kept.
    TooLarge,
    /// The key was used for another command.
    Reused,
    /// The node has too much to do.
    Busy,
    /// It could not be written down, so the node was not asked.
    Unstored(String),
}

/// One row.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// What was asked.
    what: String,
    /// What came of it; none while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
}

/// Names a command and its parameters.
pub fn what(command: &str, params: Option<&Value>) -> String {
    let mut digest = Sha256::new();
    digest.update(command.as_bytes());
    digest.update([0]);
    digest.update(params.map(Value::to_string).unwrap_or_default().as_bytes());
    let digest = digest.finalize();
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What became of a command that was asked under this key before.
pub fn recall(ledger: &Ledger, node_id: &str, key: &str, what: &str) -> Option<Verdict> {
    let row: Row = serde_json::from_value(ledger.recall(&scope(node_id), key)?).ok()?;
    Some(match row.verdict {
        _ if row.what != what => Verdict::Reused,
        Some(verdict) => verdict,
        None => Verdict::Cut,
    })
}

/// Writes down that a command is going to be asked.
pub async fn begin(
    ledger: &Ledger,
    node_id: &str,
    key: &str,
    what: &str,
) -> Result<(), LedgerError> {
    write(ledger, node_id, key, what, None).await
}

/// Writes down what came of it.
pub async fn end(
    ledger: &Ledger,
    node_id: &str,
    key: &str,
    what: &str,
    verdict: &Verdict,
) -> Result<(), LedgerError> {
    let verdict = if size(verdict) > LARGEST {
        Verdict::TooLarge
    } else {
        verdict.clone()
    };
    write(ledger, node_id, key, what, Some(verdict)).await
}

async fn write(
    ledger: &Ledger,
    node_id: &str,
    key: &str,
    what: &str,
    verdict: Option<Verdict>,
) -> Result<(), LedgerError> {
    let what = what.to_owned();
    // A row of two fields always serialises.
    let row = serde_json::to_value(Row { what, verdict }).unwrap_or_default();
    ledger.remember(&scope(node_id), key, row).await
}

fn scope(node_id: &str) -> String {
    format!("node.invoke/{node_id}")
}

fn size(verdict: &Verdict) -> usize {
    let Verdict::Said(said) = verdict else {
        return 0;
    };
    let text = said.payload_json.as_ref().map_or(0, String::len);
    let value = |value: &Option<Value>| {
        let value = value.as_ref();
        value.map_or(0, |value| value.to_string().len())
    };
    text + value(&said.payload) + value(&said.error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(text: String) -> Verdict {
        Verdict::Said(Said {
            ok: true,
            payload: None,
            payload_json: Some(text),
            error: None,
        })
    }

    #[tokio::test]
    async fn a_command_whose_end_nobody_saw_is_not_asked_again() {
        let ledger = Ledger::memory();
        let ls = what("system.run", Some(&json!({ "command": ["ls"] })));
        assert_eq!(recall(&ledger, "n", "k", &ls), None);
        begin(&ledger, "n", "k", &ls).await.unwrap();
        assert_eq!(recall(&ledger, "n", "k", &ls), Some(Verdict::Cut));
        let rm = what("system.run", Some(&json!({ "command": ["rm"] })));
        assert_eq!(recall(&ledger, "n", "k", &rm), Some(Verdict::Reused));
        assert_eq!(recall(&ledger, "other", "k", &ls), None);
        let answer = said("{}".to_owned());
        end(&ledger, "n", "k", &ls, &answer).await.unwrap();
        assert_eq!(recall(&ledger, "n", "k", &ls), Some(answer));
        let long = said("x".repeat(LARGEST + 1));
        end(&ledger, "n", "k", &ls, &long).await.unwrap();
        assert_eq!(recall(&ledger, "n", "k", &ls), Some(Verdict::TooLarge));
    }
}
