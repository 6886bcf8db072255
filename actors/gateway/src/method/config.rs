//! `config.get`, `config.set`, `config.patch`.

use openclaw_protocol::ErrorCode;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::config::redact;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use crate::config;
use crate::config::Change;
use crate::config::EditError;
use crate::config::edit;

pub(super) fn get(call: Call) -> Outcome {
    Outcome::later(async move { Ok(config::snapshot(&call.services.loaded())) })
}

pub(super) fn set(call: Call) -> Outcome {
    change(call, edit::replace)
}

pub(super) fn patch(call: Call) -> Outcome {
    change(call, edit::patch)
}

type Edit =
    fn(&crate::paths::Paths, &config::Environment, &str, Option<&str>) -> Result<Change, EditError>;

/// Writes the file; its watcher takes the change up, so that there is one way only.
fn change(call: Call, edit: Edit) -> Outcome {
    Outcome::later(async move {
        let services = &call.services;
        let raw = call.text("raw").unwrap_or_default();
        let base = call.text("baseHash");
        let change = edit(&services.paths, &services.environment, raw, base).map_err(refused)?;
        Ok(json!({
            "ok": true,
            "path": change.after.path,
            "hash": change.after.hash,
            "config": redact::redact(change.after.config.tree.value()),
            "changedPaths": change.changed.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }))
    })
}

fn refused(error: EditError) -> ErrorShape {
    match &error {
        EditError::Invalid(issues) => {
            let issues: Vec<Value> = issues
                .iter()
                .map(|issue| serde_json::to_value(issue).unwrap_or_default())
                .collect();
            ErrorShape::invalid(error.to_string()).with(json!({ "issues": issues }))
        }
        EditError::Io { .. } => ErrorShape::new(ErrorCode::Unavailable, error.to_string()),
        _ => ErrorShape::invalid(error.to_string()),
    }
}
