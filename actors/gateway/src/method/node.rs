//! `node.list`, `node.describe`, `node.rename`: nodes as operators see them.

use std::collections::BTreeMap;

use openclaw_protocol::Config;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use crate::device::BookError;
use crate::device::desk::ChangeError;
use crate::device::owner::Notice;
use crate::device::record::Paired;
use crate::ingress::principal::Role;
use crate::node::Link;
use crate::node::policy;
use crate::services::now_ms;

/// The nodes that are connected or let in, the connected first.
async fn nodes(call: &Call) -> Result<Vec<Value>, ErrorShape> {
    let services = &call.services;
    let version = call.principal.version;
    let pairings = services.nodes.read().await.map_err(unreadable)?;
    let mut nodes: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for node in pairings.nodes() {
        let id = node.get("nodeId").and_then(Value::as_str);
        if let (Some(id), Value::Object(fields)) = (id.map(str::to_owned), node) {
            nodes.insert(id, fields);
        }
    }
    let book = services.devices.book();
    let of_nodes = |device: &&Paired| device.has_role(Role::Node.as_str());
    for device in book.paired.values().filter(of_nodes) {
        let seen_at = services.devices.seen_at(&device.device_id);
        let node = nodes.entry(device.device_id.clone()).or_default();
        node.extend(paired(device, seen_at, version));
    }
    for node in nodes.values_mut() {
        node.insert("paired".to_owned(), json!(true));
        node.insert("connected".to_owned(), json!(false));
    }
    let config = services.configuration();
    for link in services.node_board.all() {
        let node = nodes.entry(link.node_id.to_string()).or_default();
        // A name that an operator gave goes before the node's own.
        let named = node.get("displayName").cloned();
        node.extend(connected(&link, &config, version));
        if let Some(named) = named {
            node.insert("displayName".to_owned(), named);
        }
        let is_paired = link.is_paired || node.get("paired") == Some(&json!(true));
        node.insert("paired".to_owned(), json!(is_paired));
        node.insert("connected".to_owned(), json!(true));
    }
    let mut nodes: Vec<Value> = nodes
        .into_values()
        .map(|mut node| {
            for list in ["caps", "commands"] {
                node.entry(list).or_insert(json!([]));
            }
            Value::Object(node)
        })
        .collect();
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

/// What is stored of a paired device that acts as a node.
fn paired(device: &Paired, seen_at: Option<i64>, version: Protocol) -> Map<String, Value> {
    let mut fields = vec![
        ("nodeId", json!(device.device_id)),
        ("displayName", json!(device.display_name)),
        ("platform", json!(device.platform)),
        ("deviceFamily", json!(device.device_family)),
        ("remoteIp", json!(device.remote_ip)),
    ];
    if version == Protocol::V4 {
        fields.extend([
            ("clientId", json!(device.client_id)),
            ("clientMode", json!(device.client_mode)),
            ("sessionHost", json!(false)),
            ("approvalState", json!("approved")),
            ("approvedAtMs", json!(device.approved_at_ms)),
            ("lastSeenAtMs", json!(seen_at.or(device.last_seen_at_ms))),
        ]);
    }
    known(fields)
}

/// What a node that is connected says of itself.
fn connected(link: &Link, config: &Config, version: Protocol) -> Map<String, Value> {
    let (client, offer) = (&link.client, &link.offer);
    let mut caps = offer.caps.clone();
    caps.sort_unstable();
    caps.dedup();
    let rules = &config.gateway.nodes;
    let commands = policy::effective(&offer.commands, link.platform(), rules);
    let mut fields = vec![
        ("nodeId", json!(link.node_id)),
        ("displayName", json!(client.display_name)),
        ("platform", json!(client.platform)),
        ("version", json!(client.version)),
        ("deviceFamily", json!(client.device_family)),
        ("modelIdentifier", json!(client.model_identifier)),
        ("remoteIp", json!(link.remote_ip)),
        ("caps", json!(caps)),
        ("commands", json!(commands)),
        ("pathEnv", json!(offer.path_env)),
        ("permissions", json!(offer.permissions)),
        ("connectedAtMs", json!(link.since_ms)),
    ];
    if version == Protocol::V4 {
        let approval = if link.is_paired {
            "approved"
        } else {
            "unpaired"
        };
        fields.extend([
            ("clientId", json!(client.id)),
            ("clientMode", json!(client.mode)),
            ("sessionHost", json!(false)),
            ("hostStats", json!(link.stats())),
            ("approvalState", json!(approval)),
            ("lastConnectedAtMs", json!(link.since_ms)),
        ]);
    }
    known(fields)
}

fn known(fields: Vec<(&str, Value)>) -> Map<String, Value> {
    let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

pub(super) fn list(call: Call) -> Outcome {
    Outcome::later(async move { Ok(json!({ "ts": now_ms(), "nodes": nodes(&call).await? })) })
}

pub(super) fn describe(call: Call) -> Outcome {
    Outcome::later(async move {
        let id = call.text("nodeId").unwrap_or_default();
        let listed = nodes(&call).await?.into_iter();
        let mut found =
            listed.filter(|node| node.get("nodeId").and_then(Value::as_str) == Some(id));
        let mut node = found.next().ok_or_else(unknown)?;
        if let Value::Object(node) = &mut node {
            node.insert("ts".to_owned(), json!(now_ms()));
        }
        Ok(node)
    })
}

/// Gives a node another name, wherever it is kept: as a device, or as one that was let in by name.
pub(super) fn rename(call: Call) -> Outcome {
    Outcome::later(async move {
        let id = call.text("nodeId").unwrap_or_default().to_owned();
        let name = call.text("displayName").unwrap_or_default().trim();
        if name.is_empty() {
            return Err(ErrorShape::invalid("displayName required"));
        }
        let services = &call.services;
        let listed = services.nodes.change(|pairings| {
            let node = pairings.paired.get_mut(&id).and_then(Value::as_object_mut);
            node.map(|node| node.insert("displayName".to_owned(), json!(name)))
                .is_some()
        });
        let listed = listed.await.map_err(unreadable)?;
        let (device_id, label) = (id.clone(), name.to_owned());
        let renamed = services.devices.change(move |draft| {
            let is_node = draft.book.paired.get(&device_id);
            if !is_node.is_some_and(|device| device.has_role(Role::Node.as_str())) {
                return Ok(false);
            }
            draft.book.rename(&device_id, &label)?;
            draft.notices.push(Notice::Renamed { device_id });
            Ok(true)
        });
        let renamed = renamed.await.map_err(|error| match error {
            ChangeError::Refused(BookError::UnknownDevice) => unknown(),
            other => ErrorShape::unavailable(other.to_string()),
        })?;
        if !listed && !renamed {
            return Err(unknown());
        }
        Ok(json!({ "nodeId": id, "displayName": name }))
    })
}

fn unknown() -> ErrorShape {
    ErrorShape::invalid("unknown nodeId")
}

fn unreadable(error: std::io::Error) -> ErrorShape {
    ErrorShape::unavailable(format!("nodes: {error}"))
}
