//! `tools.*`: what agents can do, and doing it without an agent.

use std::time::Duration;

use openclaw_protocol::AgentId;
use openclaw_protocol::Content;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::Scope;
use openclaw_protocol::SessionKey;
use openclaw_tool::Caller;
use openclaw_tool::Entry;
use openclaw_tool::SessionKind;
use openclaw_tool::ToolCall;
use openclaw_tool::policy;
use openclaw_tool::policy::Policy;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::run;
use crate::explain::explain;

/// What a tool's own deadline may at most be here.
const LONGEST: Duration = Duration::from_secs(600);

pub(super) fn catalog(call: Call) -> Outcome {
    let config = call.services.configuration();
    let agent = call.text("agentId").map(str::to_owned);
    let agent = agent.unwrap_or_else(|| config.agents.default_id().to_string());
    let tools: Vec<Value> = call
        .services
        .toolbox
        .specs()
        .iter()
        .map(|spec| entry(&spec.name, &spec.description))
        .collect();
    let group = json!({ "id": "core", "label": "Core", "source": "core", "tools": tools });
    Outcome::now(Ok(json!({
        "agentId": agent,
        "profile": config.tools.or_default().profile.unwrap_or_else(|| "full".to_owned()),
        "profiles": [
            { "id": "minimal", "label": "Minimal" },
            { "id": "coding", "label": "Coding" },
            { "id": "messaging", "label": "Messaging" },
            { "id": "full", "label": "Full" },
        ],
        "groups": [group],
    })))
}

/// What a session may use, as whoever asks.
pub(super) fn effective(call: Call) -> Outcome {
    let answer = run::session(&call, call.text("sessionKey").unwrap_or_default()).map(|session| {
        let services = &call.services;
        let config = services.configuration();
        let is_owner = call.principal.scopes.allows(Scope::Admin);
        let told = explain(&config, &services.toolbox, &session, is_owner);
        let verdicts = told.get("tools").and_then(Value::as_array);
        let (allowed, refused): (Vec<Value>, Vec<Value>) = verdicts
            .into_iter()
            .flatten()
            .filter(|tool| tool.get("isThere") == Some(&Value::Bool(true)))
            .cloned()
            .partition(|tool| tool.get("allowed") == Some(&Value::Bool(true)));
        let tools = allowed.iter().filter_map(|tool| {
            let name = tool.get("tool")?.as_str()?;
            let tool = services.toolbox.get(name)?;
            Some(entry(&tool.spec().name, &tool.spec().description))
        });
        json!({
            "agentId": session.agent(),
            "profile": config.tools.or_default().profile.unwrap_or_else(|| "full".to_owned()),
            "groups": [{ "id": "core", "label": "Core", "source": "core", "tools": tools.collect::<Vec<_>>() }],
            "refused": refused,
            "sandbox": told.get("sandbox"),
        })
    });
    Outcome::now(answer)
}

fn entry(name: &str, description: &str) -> Value {
    json!({
        "id": name,
        "label": name,
        "description": description,
        "source": "core",
        "defaultProfiles": policy::profiles(name),
    })
}

pub(super) fn invoke(call: Call) -> Outcome {
    Outcome::within(LONGEST, async move {
        let name = call.text("name").unwrap_or_default().to_owned();
        let services = &call.services;
        let Some(tool) = services.toolbox.get(&name) else {
            let error =
                json!({ "code": "not_found", "message": format!("Tool not available: {name}") });
            return Ok(json!({ "ok": false, "toolName": name, "error": error }));
        };
        let config = services.configuration();
        let agent = match call.text("agentId") {
            Some(agent) => AgentId::parse(agent).map_err(run::invalid)?,
            None => config.agents.default_id(),
        };
        let session = match call.text("sessionKey") {
            Some(key) => run::session(&call, key)?,
            None => SessionKey::main(&agent),
        };
        let agent = config.agents.resolve(&session.agent());
        let agent = agent.ok_or_else(|| ErrorShape::invalid("unknown agent id"))?;
        let configured = agent.workspace.as_deref();
        let key = call.text("idempotencyKey").map(str::to_owned);
        let asked = ToolCall {
            name: name.clone(),
            arguments: call
                .params
                .get("args")
                .cloned()
                .unwrap_or_else(|| json!({})),
            key: format!(
                "invoke/{}",
                key.unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
            ),
            workspace: services
                .paths
                .workspace(&agent.id, agent.is_default, configured),
            agent: agent.id.clone(),
            caller: caller(&call, &session),
            outside: None,
            session,
        };
        let policy = Policy::new(config.tree.clone(), services.toolbox.clone());
        if let Some(message) = policy.refusal(&asked) {
            let error = json!({ "code": "forbidden", "message": message });
            return Ok(json!({ "ok": false, "toolName": name, "error": error }));
        }
        let running = tool.run(asked);
        let deadline = tool.deadline().min(LONGEST);
        let Ok(outcome) = tokio::time::timeout(deadline, running).await else {
            let message = format!("{name} took longer than {} s", deadline.as_secs());
            let error = json!({ "code": "timeout", "message": message });
            return Ok(json!({ "ok": false, "toolName": name, "error": error }));
        };
        let content = serde_json::to_value(&outcome.content).unwrap_or_default();
        if outcome.is_error {
            let said = outcome.content.iter().filter_map(text);
            let message: Vec<&str> = said.collect();
            let error = json!({ "code": "tool_error", "message": message.join("\n") });
            return Ok(json!({ "ok": false, "toolName": name, "error": error }));
        }
        Ok(json!({ "ok": true, "toolName": name, "output": { "content": content } }))
    })
}

/// A client acts for itself, with what it was granted.
fn caller(call: &Call, session: &SessionKey) -> Caller {
    let scopes = call.principal.scopes;
    Caller {
        entry: Entry::Rpc,
        is_owner: scopes.allows(Scope::Admin),
        scopes,
        may_approve: scopes.allows(Scope::Approvals),
        session: SessionKind::of(session),
        ..Caller::default()
    }
}

fn text(content: &Content) -> Option<&str> {
    match content {
        Content::Text { text, .. } => Some(text),
        _ => None,
    }
}
