//! The configuration as `config.get` shows it: secrets hidden, with what is wrong.

use openclaw_protocol::config::Issue;
use openclaw_protocol::config::Severity;
use openclaw_protocol::config::redact;
use serde_json::Value;
use serde_json::json;

use super::LoadedConfig;

/// The payload of `config.get`.
pub fn snapshot(loaded: &LoadedConfig) -> Value {
    let parsed = redact::redact(loaded.parsed.value());
    let config = redact::redact(loaded.config.tree.value());
    // A text that can't be read may hide secrets that can't be found.
    let raw = match loaded.text() {
        Some(_) if loaded.is_fatal => None,
        Some(text) => redact::redact_text(text, loaded.parsed.value())
            .or_else(|| serde_json::to_string_pretty(&parsed).ok()),
        None => None,
    };
    let of = |severity: Severity| -> Vec<Value> {
        let listed = loaded
            .issues
            .iter()
            .filter(|issue| issue.severity == severity);
        listed.map(shown).collect()
    };
    json!({
        "path": loaded.path.display().to_string(),
        "exists": loaded.exists,
        "raw": raw,
        "parsed": parsed,
        "resolved": config,
        "valid": loaded.valid(),
        "config": config,
        "hash": loaded.hash,
        "issues": of(Severity::Error),
        "warnings": of(Severity::Warning),
        "legacyIssues": of(Severity::Note),
        "includedPaths": loaded.includes.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        "lastGood": loaded.is_last_good,
    })
}

fn shown(issue: &Issue) -> Value {
    // An issue is plain data.
    serde_json::to_value(issue).unwrap_or_default()
}
