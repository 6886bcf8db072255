//! `agents.create`, `agents.update`, `agents.delete`: the list of agents in the configuration.
//!
//! A change is a patch of the file against the text that was read: whoever edits it meanwhile is not overwritten.

use openclaw_protocol::AgentId;
use openclaw_protocol::ErrorShape;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::run;
use crate::config;
use crate::config::EditError;

/// How often a change is tried again when the file changes under it.
const TRIES: u32 = 3;

/// The entries of the file, and what else of it belongs to agents.
struct Roster {
    list: Vec<Value>,
    bindings: Vec<Value>,
}

impl Roster {
    fn entry(&mut self, id: &str) -> Option<&mut Map<String, Value>> {
        let is_it = |entry: &&mut Value| entry.get("id").and_then(Value::as_str) == Some(id);
        self.list.iter_mut().find(is_it)?.as_object_mut()
    }
}

/// Reads, changes, and writes when nobody else wrote meanwhile.
async fn change<T: Send + 'static>(
    call: &Call,
    edit: impl Fn(&mut Roster) -> Result<T, ErrorShape> + Send + 'static,
) -> Result<T, ErrorShape> {
    let (paths, environment) = (
        call.services.paths.clone(),
        call.services.environment.clone(),
    );
    let changing = tokio::task::spawn_blocking(move || {
        let mut tries = 0;
        loop {
            tries += 1;
            let loaded = config::load(&paths, &environment);
            let tree = loaded.parsed.value();
            let list = |pointer: &str| tree.pointer(pointer).and_then(Value::as_array).cloned();
            let mut roster = Roster {
                list: list("/agents/list").unwrap_or_default(),
                bindings: list("/bindings").unwrap_or_default(),
            };
            let (list, bindings) = (roster.list.clone(), roster.bindings.clone());
            let answer = edit(&mut roster)?;
            let mut patch = Map::new();
            if roster.list != list {
                patch.insert("agents".to_owned(), json!({ "list": roster.list }));
            }
            if roster.bindings != bindings {
                patch.insert("bindings".to_owned(), json!(roster.bindings));
            }
            let raw = Value::Object(patch).to_string();
            let base = loaded.exists.then_some(loaded.hash.as_str());
            match config::edit::patch(&paths, &environment, &raw, base) {
                Ok(_) => return Ok(answer),
                Err(EditError::HashMismatch) if tries < TRIES => {}
                Err(error) => return Err(super::config::refused(error)),
            }
        }
    });
    changing
        .await
        .map_err(|error| ErrorShape::unavailable(error.to_string()))?
}

pub(super) fn create(call: Call) -> Outcome {
    Outcome::later(async move {
        let name = call.text("name").unwrap_or_default().trim().to_owned();
        let id = AgentId::parse(&slug(&name)).map_err(run::invalid)?;
        if id == AgentId::main() {
            return Err(ErrorShape::invalid("\"main\" is reserved"));
        }
        let services = &call.services;
        let workspace = match call.text("workspace") {
            Some(workspace) => services.paths.expand(workspace),
            None => services.paths.workspace(&id, false, None),
        };
        let workspace = workspace.to_string_lossy().into_owned();
        let mut entry = json!({ "id": id, "name": name, "workspace": workspace });
        if let Value::Object(entry) = &mut entry {
            if let Some(model) = call.text("model") {
                entry.insert("model".to_owned(), json!(model));
            }
            let identity: Map<String, Value> = ["emoji", "avatar"]
                .into_iter()
                .filter_map(|fact| Some((fact.to_owned(), json!(call.text(fact)?))))
                .collect();
            if !identity.is_empty() {
                entry.insert("identity".to_owned(), Value::Object(identity));
            }
        }
        let known = services.configuration().agents.ids();
        let (new, main) = (id.clone(), services.configuration().agents.default_id());
        change(&call, move |roster| {
            if known.contains(&new) || roster.entry(new.as_str()).is_some() {
                return Err(ErrorShape::invalid(format!(
                    "agent \"{new}\" already exists"
                )));
            }
            if roster.list.is_empty() {
                // The agent that was there without an entry must not go away by this one's coming.
                roster.list.push(json!({ "id": main, "default": true }));
            }
            roster.list.push(entry.clone());
            Ok(())
        })
        .await?;
        Ok(json!({ "ok": true, "agentId": id, "name": name, "workspace": workspace }))
    })
}

pub(super) fn update(call: Call) -> Outcome {
    Outcome::later(async move {
        let id = known(&call)?;
        let text = |name: &str| call.text(name).map(str::to_owned);
        let (name, model) = (text("name"), call.params.get("model").cloned());
        let workspace = text("workspace").map(|path| call.services.paths.expand(&path));
        let (emoji, avatar) = (text("emoji"), text("avatar"));
        let agent = id.to_string();
        change(&call, move |roster| {
            if roster.entry(&agent).is_none() {
                roster
                    .list
                    .push(json!({ "id": agent, "default": roster.list.is_empty() }));
            }
            let Some(entry) = roster.entry(&agent) else {
                return Err(ErrorShape::invalid(format!("agent \"{agent}\" not found")));
            };
            let mut set = |name: &str, value: Option<Value>| {
                if let Some(value) = value {
                    entry.insert(name.to_owned(), value);
                }
            };
            set("name", name.as_ref().map(|name| json!(name)));
            set("workspace", workspace.as_ref().map(|path| json!(path)));
            match &model {
                Some(Value::Null) => drop(entry.shift_remove("model")),
                Some(model) => drop(entry.insert("model".to_owned(), model.clone())),
                None => {}
            }
            for (fact, value) in [("emoji", &emoji), ("avatar", &avatar)] {
                let Some(value) = value else {
                    continue;
                };
                let identity = entry.entry("identity").or_insert_with(|| json!({}));
                if let Value::Object(identity) = identity {
                    identity.insert(fact.to_owned(), json!(value));
                }
            }
            Ok(())
        })
        .await?;
        Ok(json!({ "ok": true, "agentId": id }))
    })
}

pub(super) fn delete(call: Call) -> Outcome {
    Outcome::later(async move {
        let id = known(&call)?;
        let config = call.services.configuration();
        if id == AgentId::main() || id == config.agents.default_id() {
            return Err(ErrorShape::invalid(format!("\"{id}\" cannot be deleted")));
        }
        let agent = id.to_string();
        let removed = change(&call, move |roster| {
            let is_its = |value: &Value, name: &str| {
                value.get(name).and_then(Value::as_str) == Some(agent.as_str())
            };
            roster.list.retain(|entry| !is_its(entry, "id"));
            let before = roster.bindings.len();
            roster
                .bindings
                .retain(|binding| !is_its(binding, "agentId"));
            Ok(before - roster.bindings.len())
        })
        .await?;
        if call.flag("deleteFiles").unwrap_or(true) {
            let root = call.services.paths.agent_root(&id);
            put_aside(root).await?;
        }
        Ok(json!({ "ok": true, "agentId": id, "removedBindings": removed }))
    })
}

/// What an agent remembered is moved away, not destroyed: a person may want it back.
async fn put_aside(root: std::path::PathBuf) -> Result<(), ErrorShape> {
    let mut aside = root.clone().into_os_string();
    aside.push(format!(".deleted.{}", crate::services::now_ms()));
    let moving = tokio::task::spawn_blocking(move || std::fs::rename(root, aside));
    match moving.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Ok(Err(error)) => Err(ErrorShape::unavailable(error.to_string())),
        Err(error) => Err(ErrorShape::unavailable(error.to_string())),
    }
}

fn known(call: &Call) -> Result<AgentId, ErrorShape> {
    let id = call.text("agentId").unwrap_or_default();
    let id = AgentId::parse(id).map_err(run::invalid)?;
    match call.services.configuration().agents.resolve(&id) {
        Some(_) => Ok(id),
        None => Err(ErrorShape::invalid(format!("agent \"{id}\" not found"))),
    }
}

/// A name as an id: lower case, what can't stand in one becomes a hyphen.
fn slug(name: &str) -> String {
    let letters = name.to_lowercase();
    let letters = letters.chars().map(|c| {
        if c.is_ascii_alphanumeric() || c == '_' {
            c
        } else {
            '-'
        }
    });
    let joined: String = letters.collect();
    let parts: Vec<&str> = joined.split('-').filter(|part| !part.is_empty()).collect();
    parts.join("-")
}
