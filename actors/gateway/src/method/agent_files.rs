//! `agents.files.*`: the few files of a workspace that people shape an agent with.

use std::io;
use std::path::Path;
use std::path::PathBuf;

use openclaw_protocol::AgentId;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::run;
use crate::config::store;
use crate::state_file::hash;

const NAMES: [&str; 8] = [
    "AGENTS.md",
    "SOUL.md",
    "TOOLS.md",
    "IDENTITY.md",
    "USER.md",
    "HEARTBEAT.md",
    "BOOTSTRAP.md",
    "MEMORY.md",
];
/// The older name of the last one.
const OLDER: &str = "memory.md";

fn workspace(call: &Call) -> Result<(AgentId, PathBuf), ErrorShape> {
    let id = AgentId::parse(call.text("agentId").unwrap_or_default()).map_err(run::invalid)?;
    let agent = call.services.configuration().agents.resolve(&id);
    let agent = agent.ok_or_else(|| ErrorShape::invalid(format!("unknown agent id \"{id}\"")))?;
    let configured = agent.workspace.as_deref();
    let path = call
        .services
        .paths
        .workspace(&agent.id, agent.is_default, configured);
    Ok((id, path))
}

fn name(call: &Call) -> Result<&str, ErrorShape> {
    let name = call.text("name").unwrap_or_default();
    if NAMES.contains(&name) || name == OLDER {
        return Ok(name);
    }
    let names = NAMES.join(", ");
    Err(ErrorShape::invalid(format!(
        "unsupported file \"{name}\"; there are: {names}"
    )))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ErrorShape> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| ErrorShape::unavailable(error.to_string()))?;
    done.map_err(|error| ErrorShape::unavailable(error.to_string()))
}

pub(super) fn list(call: Call) -> Outcome {
    Outcome::later(async move {
        let (id, workspace) = workspace(&call)?;
        let folder = workspace.clone();
        let files = blocking(move || {
            let mut files: Vec<Value> = NAMES
                .iter()
                .map(|name| entry(&folder, name, false))
                .collect();
            let is_missing = |file: &Value| file.get("missing") == Some(&json!(true));
            if folder.join(OLDER).is_file() && files.last().is_some_and(is_missing) {
                files.pop();
                files.push(entry(&folder, OLDER, false));
            }
            Ok(files)
        })
        .await?;
        Ok(json!({ "agentId": id, "workspace": workspace, "files": files }))
    })
}

pub(super) fn get(call: Call) -> Outcome {
    Outcome::later(async move {
        let (id, workspace) = workspace(&call)?;
        let name = name(&call)?.to_owned();
        let folder = workspace.clone();
        let file = blocking(move || Ok(entry(&folder, &name, true))).await?;
        Ok(json!({ "agentId": id, "workspace": workspace, "file": file }))
    })
}

pub(super) fn set(call: Call) -> Outcome {
    Outcome::later(async move {
        let (id, workspace) = workspace(&call)?;
        let name = name(&call)?.to_owned();
        let content = call
            .params
            .get("content")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let (content, folder) = (content.to_owned(), workspace.clone());
        let expected = call.text("expectedHash").map(str::to_owned);
        let is_late = call.principal.version == Protocol::V4;
        let file = blocking(move || {
            let path = folder.join(&name);
            if let Some(expected) = expected {
                let now = std::fs::read_to_string(&path).unwrap_or_default();
                if hash(&now) != expected {
                    return Ok(None);
                }
            }
            store::make_folder(&path)?;
            // A link stays a link: its target is what the agent reads.
            let path = path.canonicalize().unwrap_or(path);
            store::replace(&path, &content)?;
            Ok(Some(entry(&folder, &name, is_late)))
        })
        .await?;
        let Some(file) = file else {
            let message = "the file changed meanwhile: read it again";
            return Err(ErrorShape::invalid(message));
        };
        Ok(json!({ "ok": true, "agentId": id, "workspace": workspace, "file": file }))
    })
}

fn entry(folder: &Path, name: &str, with_content: bool) -> Value {
    let path = folder.join(name);
    let Ok(meta) = std::fs::metadata(&path) else {
        return json!({ "name": name, "path": path, "missing": true });
    };
    let changed = meta.modified().ok();
    let changed = changed.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let changed = changed.and_then(|since| u64::try_from(since.as_millis()).ok());
    let mut entry = json!({
        "name": name, "path": path, "missing": false, "size": meta.len(), "updatedAtMs": changed,
    });
    if with_content
        && let (Ok(text), Value::Object(entry)) = (std::fs::read_to_string(&path), &mut entry)
    {
        entry.insert("hash".to_owned(), json!(hash(&text)));
        entry.insert("content".to_owned(), json!(text));
    }
    entry
}
