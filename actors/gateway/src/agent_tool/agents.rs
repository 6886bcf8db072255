//! `agents_list`: which agents there are.

use std::time::Duration;

use openclaw_tool::spec;
use serde_json::Value;
use serde_json::json;

use super::Door;
use super::ask::Ask;
use super::tool::HouseTool;

pub(super) fn list(door: &Door) -> HouseTool {
    HouseTool {
        spec: spec(
            "agents_list",
            "Lists the agents of this gateway.",
            json!({}),
            &[],
        ),
        door: door.clone(),
        is_idempotent: true,
        deadline: Duration::from_secs(10),
        act: |ask| Box::pin(listed(ask)),
    }
}

async fn listed(ask: Ask) -> Result<Value, String> {
    let mut answer = ask.house("agents.list", json!({})).await?;
    let agents = answer.get_mut("agents").and_then(Value::as_array_mut);
    for agent in agents
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        agent.retain(|name, _| matches!(name.as_str(), "id" | "name" | "model"));
    }
    Ok(json!({
        "requester": ask.session.agent(),
        "default": answer.get("defaultId"),
        "agents": answer.get("agents"),
    }))
}
