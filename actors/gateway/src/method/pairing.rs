//! `node.pair.*`: nodes that ask to be let in, by name or as a device.

use openclaw_protocol::ErrorShape;
use openclaw_protocol::Scope;
use serde_json::Value;
use serde_json::json;
use subtle::ConstantTimeEq;

use super::Call;
use super::Outcome;
use super::device;
use crate::device::book::is_waiting;
use crate::device::record::Pending;
use crate::hub::Audience;
use crate::hub::Broadcast;
use crate::ingress::principal::Role;
use crate::node::desk::without_token;
use crate::services::now_ms;

pub(super) fn request(call: Call) -> Outcome {
    Outcome::later(async move {
        let request_id = uuid::Uuid::new_v4().to_string();
        let asked = |pairings: &mut crate::node::Pairings| {
            pairings.request(&call.params, &request_id, now_ms())
        };
        let asked = call.services.nodes.change(asked).await.map_err(unwritten)?;
        if asked.is_new {
            announce(&call, "node.pair.requested", asked.request.clone());
        }
        Ok(json!({ "status": "pending", "request": asked.request, "created": asked.is_new }))
    })
}

pub(super) fn list(call: Call) -> Outcome {
    Outcome::later(async move {
        let pairings = call.services.nodes.read().await.map_err(unwritten)?;
        let (book, now) = (call.services.devices.book(), now_ms());
        let mut pending = pairings.open(now);
        let devices = book.pending.values();
        let devices = devices.filter(|request| is_node(request) && is_waiting(request, now));
        pending.extend(devices.map(|request| {
            json!({
                "requestId": request.request_id, "nodeId": request.device_id,
                "displayName": request.display_name, "platform": request.platform,
                "remoteIp": request.remote_ip, "ts": request.ts,
            })
        }));
        Ok(json!({ "pending": pending, "paired": pairings.nodes() }))
    })
}

/// A device that asks for no more than to be a node.
fn is_node(request: &Pending) -> bool {
    let node = Role::Node.as_str();
    request.role.as_deref() == Some(node) && request.roles.iter().all(|role| role == node)
}

/// The request of a device, if that is what the call is about.
fn is_of_device(call: &Call) -> bool {
    let id = call.text("requestId").unwrap_or_default();
    let book = call.services.devices.book();
    book.pending.get(id).is_some_and(is_node)
}

/// What became of a device's request, told of it as a node.
fn as_node(outcome: Outcome) -> Outcome {
    let Outcome::Later { deadline, future } = outcome else {
        return outcome;
    };
    Outcome::within(deadline, async move {
        let mut answer = future.await?;
        let device = answer.get("device").cloned();
        let id = answer
            .pointer("/device/deviceId")
            .or(answer.get("deviceId"));
        let id = id.cloned().unwrap_or_default();
        if let Value::Object(answer) = &mut answer {
            answer.insert("nodeId".to_owned(), id.clone());
            if let Some(Value::Object(mut device)) = device {
                device.insert("nodeId".to_owned(), id);
                answer.insert("node".to_owned(), Value::Object(device));
            }
        }
        Ok(answer)
    })
}

pub(super) fn approve(call: Call) -> Outcome {
    if is_of_device(&call) {
        return as_node(device::approve(call));
    }
    Outcome::later(async move {
        let id = call.text("requestId").unwrap_or_default();
        let token = uuid::Uuid::new_v4().simple().to_string();
        let approved = call
            .services
            .nodes
            .change(|p| p.approve(id, &token, now_ms()))
            .await;
        let node = approved.map_err(unwritten)?.ok_or_else(unknown)?;
        resolved(
            &call,
            id,
            node.get("nodeId").cloned().unwrap_or_default(),
            "approved",
        );
        Ok(json!({ "requestId": id, "node": node }))
    })
}

pub(super) fn reject(call: Call) -> Outcome {
    if is_of_device(&call) {
        return as_node(device::reject(call));
    }
    Outcome::later(async move {
        let id = call.text("requestId").unwrap_or_default();
        let rejected = call.services.nodes.change(|p| p.reject(id, now_ms())).await;
        let node = rejected.map_err(unwritten)?.ok_or_else(unknown)?;
        resolved(&call, id, node.clone(), "rejected");
        Ok(json!({ "requestId": id, "nodeId": node }))
    })
}

pub(super) fn remove(call: Call) -> Outcome {
    Outcome::later(async move {
        let id = call.text("nodeId").unwrap_or_default();
        let removed = call
            .services
            .nodes
            .change(|p| p.paired.shift_remove(id))
            .await;
        if removed.map_err(unwritten)?.is_none() {
            return Err(ErrorShape::invalid("unknown nodeId"));
        }
        resolved(&call, "", json!(id), "removed");
        Ok(json!({ "nodeId": id }))
    })
}

pub(super) fn verify(call: Call) -> Outcome {
    Outcome::later(async move {
        let id = call.text("nodeId").unwrap_or_default();
        let pairings = call.services.nodes.read().await.map_err(unwritten)?;
        let node = pairings.paired.get(id);
        let token = node
            .and_then(|node| node.get("token"))
            .and_then(Value::as_str);
        let shown = call.text("token").unwrap_or_default().as_bytes();
        let is_it = token.is_some_and(|token| bool::from(token.as_bytes().ct_eq(shown)));
        Ok(match node {
            Some(node) if is_it => json!({ "ok": true, "node": without_token(node) }),
            _ => json!({ "ok": false }),
        })
    })
}

fn resolved(call: &Call, request: &str, node: Value, decision: &str) {
    let payload = json!({
        "requestId": request, "nodeId": node, "decision": decision, "ts": now_ms(),
    });
    announce(call, "node.pair.resolved", payload);
}

fn announce(call: &Call, name: &'static str, payload: Value) {
    call.services.hub.broadcast(&Broadcast {
        payload,
        is_stale_soon: true,
        ..Broadcast::to(Audience::Holders(Scope::Pairing), name)
    });
}

fn unknown() -> ErrorShape {
    ErrorShape::invalid("unknown requestId")
}

fn unwritten(error: std::io::Error) -> ErrorShape {
    ErrorShape::unavailable(format!("nodes: {error}"))
}
