//! `exec.approvals.*`: the rules about commands, in `exec-approvals.json`.

use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::node_invoke;
use crate::state_file;
use crate::state_file::StateFile;

fn file(call: &Call) -> StateFile {
    call.services.exec_rules.clone()
}

pub(super) fn get(call: Call) -> Outcome {
    Outcome::later(async move {
        let file = file(&call);
        let text = file.text().await.map_err(unreadable)?;
        snapshot(&file, text.as_deref(), call.principal.version)
    })
}

pub(super) fn set(call: Call) -> Outcome {
    Outcome::later(async move {
        let file = file(&call);
        let _turn = file.turn().await;
        let before = file.text().await.map_err(unreadable)?;
        let shown = call.text("baseHash");
        if let Some(before) = &before {
            let again = "re-run exec.approvals.get and retry";
            match shown {
                None => {
                    let message = format!("exec approvals base hash required; {again}");
                    return Err(ErrorShape::invalid(message));
                }
                Some(hash) if hash != state_file::hash(before) => {
                    let message = format!("exec approvals changed since last load; {again}");
                    return Err(ErrorShape::invalid(message));
                }
                Some(_) => {}
            }
        }
        let stored = before
            .as_deref()
            .map(parse)
            .transpose()?
            .unwrap_or_default();
        let mut rules = call.params.get("file").cloned().unwrap_or_default();
        keep_socket(&mut rules, &stored);
        let text = file.replace(&rules).await.map_err(unreadable)?;
        snapshot(&file, Some(&text), call.principal.version)
    })
}

/// The rules of a node, which keeps them itself.
pub(super) fn node_get(call: Call) -> Outcome {
    node_invoke::rules(call, "system.execApprovals.get")
}

pub(super) fn node_set(call: Call) -> Outcome {
    node_invoke::rules(call, "system.execApprovals.set")
}

/// The socket's token is never shown, so a client can't send it back: it stays as it is.
fn keep_socket(rules: &mut Value, stored: &Value) {
    let (Some(rules), Some(socket)) = (rules.as_object_mut(), stored.get("socket")) else {
        return;
    };
    let kept = rules.entry("socket").or_insert_with(|| json!({}));
    if let (Value::Object(kept), Value::Object(socket)) = (kept, socket) {
        for (name, value) in socket {
            kept.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}

fn snapshot(file: &StateFile, text: Option<&str>, version: Protocol) -> Result<Value, ErrorShape> {
    let mut rules = match text {
        Some(text) => parse(text)?,
        None => json!({ "version": 1, "defaults": {}, "agents": {} }),
    };
    if let Some(Value::Object(socket)) = rules.get_mut("socket") {
        socket.shift_remove("token");
    }
    let mut snapshot = json!({
        "path": file.path(),
        "exists": text.is_some(),
        "hash": state_file::hash(text.unwrap_or_default()),
        "file": rules,
    });
    if version == Protocol::V4 {
        let defaults = resolved(&snapshot);
        if let Value::Object(snapshot) = &mut snapshot {
            snapshot.insert("resolvedDefaults".to_owned(), defaults);
        }
    }
    Ok(snapshot)
}

/// What holds where the file says nothing: commands are denied, and a miss is asked about.
fn resolved(snapshot: &Value) -> Value {
    let set = |name: &str| snapshot.pointer(&format!("/file/defaults/{name}")).cloned();
    json!({
        "security": set("security").unwrap_or(json!("deny")),
        "ask": set("ask").unwrap_or(json!("on-miss")),
        "askFallback": set("askFallback").unwrap_or(json!("deny")),
        "autoAllowSkills": set("autoAllowSkills").unwrap_or(json!(false)),
    })
}

fn parse(text: &str) -> Result<Value, ErrorShape> {
    let parsed: Result<Value, _> = serde_json::from_str(text);
    let message = |error: serde_json::Error| format!("exec-approvals.json can't be read: {error}");
    parsed.map_err(|error| ErrorShape::unavailable(message(error)))
}

fn unreadable(error: std::io::Error) -> ErrorShape {
    ErrorShape::unavailable(format!("exec-approvals.json: {error}"))
}
