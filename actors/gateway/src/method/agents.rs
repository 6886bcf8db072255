//! `agents.list`.

use openclaw_protocol::Protocol;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;

pub(super) fn list(call: Call) -> Outcome {
    let services = &call.services;
    let config = services.configuration();
    let is_late = call.principal.version == Protocol::V4;
    let agents: Vec<Value> = config
        .agents
        .ids()
        .into_iter()
        .filter_map(|id| config.agents.resolve(&id))
        .map(|agent| {
            let mut row = Map::new();
            row.insert("id".to_owned(), json!(agent.id));
            if let Some(name) = &agent.name {
                row.insert("name".to_owned(), json!(name));
            }
            let identity = &agent.identity;
            let facts = [
                ("name", &identity.name),
                ("theme", &identity.theme),
                ("emoji", &identity.emoji),
                ("avatar", &identity.avatar),
            ];
            let identity: Map<String, Value> = facts
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))))
                .collect();
            if !identity.is_empty() {
                row.insert("identity".to_owned(), Value::Object(identity));
            }
            if is_late {
                let configured = agent.workspace.as_deref();
                let workspace = services
                    .paths
                    .workspace(&agent.id, agent.is_default, configured);
                row.insert("workspace".to_owned(), json!(workspace));
                row.insert(
                    "model".to_owned(),
                    json!({ "primary": agent.model.primary, "fallbacks": agent.model.fallbacks }),
                );
            }
            Value::Object(row)
        })
        .collect();
    Outcome::now(Ok(json!({
        "defaultId": config.agents.default_id(),
        "mainKey": "main",
        "scope": "per-sender",
        "agents": agents,
    })))
}
