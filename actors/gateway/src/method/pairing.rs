//! `node.pair.*`: nodes that ask to be let in by name.

use openclaw_protocol::ErrorShape;
use openclaw_protocol::Scope;
use serde_json::Value;
use serde_json::json;
use subtle::ConstantTimeEq;

use super::Call;
use super::Outcome;
use crate::hub::Audience;
use crate::hub::Broadcast;
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
        Ok(json!({ "pending": pairings.open(now_ms()), "paired": pairings.nodes() }))
    })
}

pub(super) fn approve(call: Call) -> Outcome {
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
