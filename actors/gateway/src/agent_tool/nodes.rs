//! `nodes`: what paired devices can do.

use std::time::Duration;

use openclaw_tool::spec;
use serde_json::Value;
use serde_json::json;

use super::Door;
use super::ask::Ask;
use super::ask::unknown_action;
use super::tool::HouseTool;

const ACTIONS: &str = "status, describe, invoke, run";
/// Runs a program on a node.
const RUN: &str = "system.run";
/// How long a command may take unless told otherwise.
const WAIT_MS: usize = 30_000;
const LONGEST_MS: usize = 600_000;

pub(super) fn nodes(door: &Door) -> HouseTool {
    HouseTool {
        spec: spec(
            "nodes",
            "Paired devices (nodes): lists them, tells what one offers, has it do a command, or runs a program on it.",
            json!({
                "action": { "type": "string", "enum": ["status", "describe", "invoke", "run"] },
                "node": { "type": "string", "description": "id or name" },
                "command": { "description": "invoke: a command it offers, such as camera.snap; run: the program and its arguments, as a list" },
                "params": { "type": "object", "description": "for invoke" },
                "cwd": { "type": "string" },
                "timeoutMs": { "type": "integer" },
            }),
            &["action"],
        ),
        door: door.clone(),
        // The node's rows know the command by its key and ask it once.
        is_idempotent: true,
        deadline: Duration::from_millis(LONGEST_MS as u64 + 30_000),
        act: |ask| Box::pin(done(ask)),
    }
}

async fn done(ask: Ask) -> Result<Value, String> {
    let action = ask.action()?;
    let timeout = ask.arguments.count("timeoutMs", WAIT_MS, LONGEST_MS);
    match action.as_str() {
        "status" => {
            let answer = ask.house("node.list", json!({})).await?;
            let nodes = answer.get("nodes").and_then(Value::as_array);
            let shown: Vec<Value> = nodes.into_iter().flatten().map(short).collect();
            Ok(json!({ "nodes": shown }))
        }
        "describe" => {
            let id = find(&ask).await?;
            ask.house("node.describe", json!({ "nodeId": id })).await
        }
        "invoke" => {
            let command = ask.required("command")?;
            if command == RUN {
                return Err("a program is run with the action run".to_owned());
            }
            let params = ask
                .arguments
                .value("params")
                .cloned()
                .unwrap_or_else(|| json!({}));
            invoke(&ask, &command, params, timeout).await
        }
        "run" => {
            let argv = ask
                .arguments
                .value("command")
                .and_then(Value::as_array)
                .cloned();
            let argv = argv.filter(|argv| !argv.is_empty() && argv.iter().all(Value::is_string));
            let argv = argv.ok_or("\"command\" is a list: the program and its arguments")?;
            // Whether it was approved is for people to say: nothing of that is taken from a model.
            let params = json!({
                "command": argv, "cwd": ask.arguments.text("cwd"), "timeoutMs": timeout,
                "agentId": ask.session.agent(), "sessionKey": ask.session,
            });
            invoke(&ask, RUN, params, timeout + 5_000).await
        }
        other => Err(unknown_action(other, ACTIONS)),
    }
}

async fn invoke(ask: &Ask, command: &str, params: Value, timeout: usize) -> Result<Value, String> {
    let id = find(ask).await?;
    let params = json!({
        "nodeId": id, "command": command, "params": params, "timeoutMs": timeout,
        "idempotencyKey": format!("tool/{}", ask.key),
    });
    let answer = ask.house("node.invoke", params).await?;
    Ok(answer.get("payload").cloned().unwrap_or_default())
}

/// The id of the node that is meant: by id or name; the only one that is connected if none is named.
async fn find(ask: &Ask) -> Result<String, String> {
    let answer = ask.house("node.list", json!({})).await?;
    let nodes = answer.get("nodes").and_then(Value::as_array);
    let nodes: Vec<&Value> = nodes.into_iter().flatten().collect();
    pick(&nodes, ask.arguments.text("node").as_deref())
}

fn pick(nodes: &[&Value], named: Option<&str>) -> Result<String, String> {
    let text = |node: &Value, name: &str| node.get(name).and_then(Value::as_str).map(str::to_owned);
    let is_meant = |node: &&&Value| match named {
        Some(named) => {
            text(node, "nodeId").as_deref() == Some(named)
                || text(node, "displayName").is_some_and(|name| name.eq_ignore_ascii_case(named))
        }
        None => node.get("connected") == Some(&json!(true)),
    };
    let meant: Vec<String> = nodes
        .iter()
        .filter(is_meant)
        .filter_map(|node| text(node, "nodeId"))
        .collect();
    match (meant.as_slice(), named) {
        ([only], _) => Ok(only.clone()),
        ([], Some(named)) => Err(format!("no node {named}: status lists them")),
        ([], None) => Err("no node is connected".to_owned()),
        (_, _) => Err("several nodes are meant: say the id of one".to_owned()),
    }
}

fn short(node: &Value) -> Value {
    let field = |name: &str| node.get(name).cloned().unwrap_or_default();
    json!({
        "nodeId": field("nodeId"), "name": field("displayName"), "platform": field("platform"),
        "connected": field("connected"), "commands": field("commands"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_meant_by_id_or_name_and_never_by_guess() {
        let attic = json!({ "nodeId": "a1", "displayName": "Attic", "connected": true });
        let cellar = json!({ "nodeId": "c1", "displayName": "cellar", "connected": true });
        let away = json!({ "nodeId": "x1", "displayName": "attic", "connected": false });
        assert_eq!(pick(&[&attic], None).as_deref(), Ok("a1"));
        assert_eq!(pick(&[&attic, &cellar], Some("ATTIC")).as_deref(), Ok("a1"));
        assert_eq!(pick(&[&attic, &away], None).as_deref(), Ok("a1"));
        assert!(pick(&[&attic, &cellar], None).is_err());
        assert!(pick(&[&attic, &away], Some("attic")).is_err());
        assert!(pick(&[&cellar], Some("attic")).is_err());
        assert!(pick(&[], None).is_err());
    }
}
