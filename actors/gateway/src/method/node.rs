//! `node.list`, `node.describe`, `node.rename`, `node.invoke`: nodes as operators see them.

use std::collections::BTreeMap;

use openclaw_protocol::ErrorShape;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use crate::services::now_ms;

/// What a node's connection tells of it, and under which name it is listed.
const FACTS: [(&str, &str); 5] = [
    ("host", "displayName"),
    ("platform", "platform"),
    ("version", "version"),
    ("deviceFamily", "deviceFamily"),
    ("modelIdentifier", "modelIdentifier"),
];

/// The nodes that are connected or let in, the connected first.
async fn nodes(call: &Call) -> Result<Vec<Value>, ErrorShape> {
    let services = &call.services;
    let pairings = services.nodes.read().await;
    let pairings = pairings.map_err(|error| ErrorShape::unavailable(format!("nodes: {error}")))?;
    let mut nodes: BTreeMap<String, Value> = BTreeMap::new();
    for mut node in pairings.nodes() {
        let Some(id) = node
            .get("nodeId")
            .and_then(Value::as_str)
            .map(str::to_owned)
        else {
            continue;
        };
        if let Value::Object(node) = &mut node {
            node.entry("caps").or_insert(json!([]));
            node.entry("commands").or_insert(json!([]));
            node.insert("paired".to_owned(), json!(true));
            node.insert("connected".to_owned(), json!(false));
        }
        nodes.insert(id, node);
    }
    let present = services.presence.list(now_ms());
    for entry in present.as_array().into_iter().flatten() {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let is_node = text("mode") == Some("node") && text("reason") == Some("connect");
        let id = ["deviceId", "instanceId", "clientId"]
            .iter()
            .find_map(|name| text(name));
        let (true, Some(id)) = (is_node, id) else {
            continue;
        };
        let fresh = json!({ "nodeId": id, "caps": [], "commands": [], "paired": false });
        let node = nodes.entry(id.to_owned()).or_insert(fresh);
        if let Value::Object(node) = node {
            for (from, to) in FACTS {
                if let Some(fact) = entry.get(from) {
                    node.insert(to.to_owned(), fact.clone());
                }
            }
            node.insert("connected".to_owned(), json!(true));
            if let Some(since) = entry.get("ts") {
                node.insert("connectedAtMs".to_owned(), since.clone());
            }
        }
    }
    let mut nodes: Vec<Value> = nodes.into_values().collect();
    let is_connected = |node: &Value| node.get("connected").and_then(Value::as_bool) == Some(true);
    let name = |node: &Value| {
        let name = node.get("displayName").or_else(|| node.get("nodeId"));
        name.and_then(Value::as_str)
            .unwrap_or_default()
            .to_lowercase()
    };
    nodes.sort_by_key(|node| (!is_connected(node), name(node)));
    Ok(nodes)
}

pub(super) fn list(call: Call) -> Outcome {
    Outcome::later(async move { Ok(json!({ "ts": now_ms(), "nodes": nodes(&call).await? })) })
}

async fn find(call: &Call) -> Result<Value, ErrorShape> {
    let id = call.text("nodeId").unwrap_or_default();
    let listed = nodes(call).await?;
    let node = listed
        .into_iter()
        .find(|node| node.get("nodeId").and_then(Value::as_str) == Some(id));
    node.ok_or_else(|| ErrorShape::invalid("unknown nodeId"))
}

pub(super) fn describe(call: Call) -> Outcome {
    Outcome::later(async move {
        let mut node = find(&call).await?;
        if let Value::Object(node) = &mut node {
            node.insert("ts".to_owned(), json!(now_ms()));
        }
        Ok(node)
    })
}

pub(super) fn rename(call: Call) -> Outcome {
    Outcome::later(async move {
        let id = call.text("nodeId").unwrap_or_default();
        let name = call.text("displayName").unwrap_or_default().trim();
        if name.is_empty() {
            return Err(ErrorShape::invalid("displayName required"));
        }
        let renamed = call.services.nodes.change(|pairings| {
            let node = pairings.paired.get_mut(id)?.as_object_mut()?;
            node.insert("displayName".to_owned(), json!(name))
                .or(Some(Value::Null))
        });
        let renamed = renamed.await;
        let renamed =
            renamed.map_err(|error| ErrorShape::unavailable(format!("nodes: {error}")))?;
        match renamed {
            Some(_) => Ok(json!({ "nodeId": id, "displayName": name })),
            None => Err(ErrorShape::invalid("unknown nodeId")),
        }
    })
}

/// Commands are not carried to nodes yet, connected or not.
pub(super) fn invoke(call: Call) -> Outcome {
    Outcome::later(async move {
        let id = call.text("nodeId").unwrap_or_default();
        let found = nodes(&call).await?.into_iter();
        let is_connected = found
            .filter(|node| node.get("nodeId").and_then(Value::as_str) == Some(id))
            .any(|node| node.get("connected").and_then(Value::as_bool) == Some(true));
        if is_connected {
            let message = "this gateway carries no commands to nodes yet";
            return Err(ErrorShape::unavailable(message).with(json!({ "code": "NODE_NOT_READY" })));
        }
        let error = ErrorShape::unavailable("node not connected");
        Err(error.with(json!({ "code": "NOT_CONNECTED" })))
    })
}
