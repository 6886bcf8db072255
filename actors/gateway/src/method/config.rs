//! `config.get`, `config.set`, `config.patch`, `config.apply`.

use std::time::Duration;

use openclaw_protocol::ErrorCode;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::config::redact;
use openclaw_runtime::ActorPath;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use crate::config;
use crate::config::Change;
use crate::config::ConfigMail;
use crate::config::EditError;
use crate::config::edit;
use crate::services::Services;

/// How long a change may take to come into force before its author is answered all the same.
const TAKEN: Duration = Duration::from_secs(5);

pub(super) fn get(call: Call) -> Outcome {
    Outcome::later(async move { Ok(config::snapshot(&call.services.loaded())) })
}

pub(super) fn set(call: Call) -> Outcome {
    change(call, edit::replace)
}

pub(super) fn patch(call: Call) -> Outcome {
    change(call, edit::patch)
}

/// A change is taken up by itself, so applying a file is the same as setting it.
pub(super) fn apply(call: Call) -> Outcome {
    change(call, edit::replace)
}

type Edit =
    fn(&crate::paths::Paths, &config::Environment, &str, Option<&str>) -> Result<Change, EditError>;

/// Writes the file; its owner takes the change up as it does any other, so that there is one way only.
fn change(call: Call, edit: Edit) -> Outcome {
    Outcome::later(async move {
        let services = &call.services;
        let (paths, environment) = (services.paths.clone(), services.environment.clone());
        let raw = call.text("raw").unwrap_or_default().to_owned();
        let base = call.text("baseHash").map(str::to_owned);
        let editing =
            tokio::task::spawn_blocking(move || edit(&paths, &environment, &raw, base.as_deref()));
        let edited = editing
            .await
            .map_err(|error| ErrorShape::unavailable(error.to_string()))?;
        let change = edited.map_err(refused)?;
        if change.is_written {
            in_force(services).await;
        }
        let changed: Vec<String> = change.changed.iter().map(ToString::to_string).collect();
        if change.is_written {
            // Each change names its author.
            tracing::info!(client = %call.principal.client.id, paths = ?changed, "a client changed the configuration");
        }
        Ok(json!({
            "ok": true,
            "path": change.after.path,
            "hash": change.after.hash,
            "config": redact::redact(change.after.config.tree.value()),
            "changedPaths": changed,
        }))
    })
}

/// Waits until what was written is in force: a client reads the configuration again as soon as it has its answer,
/// and changes it further from there.
async fn in_force(services: &Services) {
    let owner = services.directory.address(&ActorPath::new("config"));
    // Its watch of the files takes the change up in any case.
    if owner.is_up() {
        drop(owner.ask(TAKEN, ConfigMail::Reload).await);
    }
}

pub(super) fn refused(error: EditError) -> ErrorShape {
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
