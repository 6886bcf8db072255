//! `agents.list` and `agent.identity.get`.

use openclaw_protocol::AgentId;
use openclaw_protocol::Protocol;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;

pub(super) fn list(call: Call) -> Outcome {
    Outcome::now(Ok(listed(&call)))
}

/// How an agent presents itself; the assistant's name of the page where it has none.
pub(super) fn identity(call: Call) -> Outcome {
    let config = call.services.configuration();
    let named = match (call.text("agentId"), call.text("sessionKey")) {
        (Some(agent), _) => AgentId::parse(agent).map_err(super::run::invalid),
        (None, Some(key)) => super::run::session(&call, key).map(|key| key.agent()),
        (None, None) => Ok(config.agents.default_id()),
    };
    let id = match named {
        Ok(id) => id,
        Err(error) => return Outcome::now(Err(error)),
    };
    let agent = config.agents.resolve(&id);
    let assistant = |name: &str| {
        let ui = config
            .tree
            .value()
            .pointer(&format!("/ui/assistant/{name}"));
        ui.and_then(Value::as_str).map(str::to_owned)
    };
    let own = agent.as_ref().map(|agent| &agent.identity);
    let own_name = own.and_then(|own| own.name.clone());
    let own_name = own_name.or_else(|| agent.as_ref().and_then(|agent| agent.name.clone()));
    let name = own_name.clone().or_else(|| assistant("name"));
    let emoji = own.and_then(|own| own.emoji.clone());
    let avatar = own
        .and_then(|own| own.avatar.clone())
        .or_else(|| assistant("avatar"));
    let avatar = avatar
        .or_else(|| emoji.clone())
        .unwrap_or_else(|| "A".to_owned());
    let mut identity = json!({
        "agentId": id,
        "name": name.clone().unwrap_or_else(|| "Assistant".to_owned()),
        "avatar": avatar,
    });
    if let Value::Object(identity) = &mut identity {
        if let Some(emoji) = emoji {
            identity.insert("emoji".to_owned(), json!(emoji));
        }
        if let Some(theme) = own.and_then(|own| own.theme.clone()) {
            identity.insert("theme".to_owned(), json!(theme));
        }
        if call.principal.version == Protocol::V4 {
            let source = match (own_name, name) {
                (Some(_), _) => "agent",
                (None, Some(_)) => "config",
                (None, None) => "default",
            };
            identity.insert("nameSource".to_owned(), json!(source));
        }
    }
    Outcome::now(Ok(identity))
}

/// The agents that there are.
pub(super) fn listed(call: &Call) -> Value {
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
    let mut answer = json!({
        "defaultId": config.agents.default_id(),
        "mainKey": "main",
        "scope": config.session.or_default().scope.as_str(),
        "agents": agents,
    });
    if is_late && let Value::Object(answer) = &mut answer {
        answer.insert("ownership".to_owned(), json!("sole"));
        answer.insert("selectionRequired".to_owned(), json!(false));
    }
    answer
}
