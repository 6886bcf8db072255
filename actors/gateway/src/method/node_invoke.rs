//! `node.invoke` and what it stands on: a command goes to a node, and its answer comes back.

use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use openclaw_protocol::Scope;
use openclaw_protocol::Scopes;
use openclaw_runtime::AskError;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use crate::node::Link;
use crate::node::kept;
use crate::node::kept::Said;
use crate::node::kept::Verdict;
use crate::node::link::NodeMail;
use crate::node::link::Order;
use crate::node::policy;
use crate::services::now_ms;

/// How long a node may take unless told otherwise.
const WAIT_MS: u64 = 30_000;
/// Nothing is waited for longer than this.
const LONGEST_MS: u64 = 60 * 60 * 1000;
/// What is left for the way there and back, beyond the node's own time.
const WAY: Duration = Duration::from_secs(15);
/// How long the connection's actor may take to say whether somebody waits for an answer.
const LOOK: Duration = Duration::from_secs(10);

/// The rules of a node about commands: changing them is a right of its own.
const RULES: [&str; 2] = ["system.execApprovals.get", "system.execApprovals.set"];
/// Runs a program on the node.
const RUN: &str = "system.run";

pub(super) fn invoke(call: Call) -> Outcome {
    let text = |name: &str| call.text(name).unwrap_or_default().trim().to_owned();
    let (node, command, key) = (text("nodeId"), text("command"), text("idempotencyKey"));
    let (scopes, version) = (call.principal.scopes, call.principal.version);
    let is_rule = RULES.contains(&command.as_str());
    if is_rule && (version == Protocol::V4 || !scopes.allows(Scope::Admin)) {
        let message = format!("\"{command}\" goes through exec.approvals.node.get and .set");
        let details = json!({ "reason": "command not allowlisted", "command": command });
        return Outcome::now(Err(ErrorShape::invalid(message).with(details)));
    }
    let mut params = call.params.get("params").cloned();
    if command == RUN
        && let Some(params) = &mut params
    {
        keep_to_rights(params, scopes);
    }
    let order = Order {
        command,
        params,
        timeout: timeout(call.number("timeoutMs")),
        key,
    };
    let deadline = order.timeout + WAY;
    Outcome::within(deadline, async move {
        let (command, answered) = (order.command.clone(), carry(&call, &node, order).await?);
        let value = answered.value();
        Ok(json!({
            "ok": true, "nodeId": node, "command": command,
            "payload": value, "payloadJSON": answered.payload_json,
        }))
    })
}

/// Reads the rules of a node about commands, or replaces them.
pub(super) fn rules(call: Call, command: &'static str) -> Outcome {
    let node = call.text("nodeId").unwrap_or_default().to_owned();
    let mut params = json!({});
    for name in ["file", "baseHash"] {
        if let (Some(value), Value::Object(params)) = (call.params.get(name), &mut params) {
            params.insert(name.to_owned(), value.clone());
        }
    }
    let order = Order {
        command: command.to_owned(),
        params: Some(params),
        timeout: timeout(None),
        key: uuid::Uuid::new_v4().to_string(),
    };
    Outcome::within(order.timeout + WAY, async move {
        Ok(carry(&call, &node, order).await?.value())
    })
}

fn timeout(asked_ms: Option<u64>) -> Duration {
    Duration::from_millis(asked_ms.unwrap_or(WAIT_MS).clamp(1, LONGEST_MS))
}

/// Whether a command was approved is said by those who may approve, and by nobody else.
fn keep_to_rights(params: &mut Value, scopes: Scopes) {
    if let (false, Value::Object(params)) = (scopes.allows(Scope::Approvals), params) {
        params.shift_remove("approved");
        params.shift_remove("approvalDecision");
    }
}

/// Has a node do something, and waits.
async fn carry(call: &Call, node: &str, order: Order) -> Result<Said, ErrorShape> {
    let services = &call.services;
    let command = order.command.clone();
    let Some(link) = services.node_board.get(node) else {
        // What was answered before it left is still the answer.
        let what = kept::what(&command, order.params.as_ref());
        if let Some(first) = kept::recall(&services.ledger, node, &order.key, &what) {
            return said(first, &command);
        }
        let error = ErrorShape::unavailable("node not connected");
        return Err(error.with(json!({ "code": "NOT_CONNECTED" })));
    };
    let config = services.configuration();
    let rules = &config.gateway.nodes;
    policy::check(&command, &link.offer.commands, link.platform(), rules).map_err(|refused| {
        let reason = refused.as_str();
        let message = match call.principal.version {
            Protocol::V3 => "node command not allowed".to_owned(),
            Protocol::V4 => format!("node command not allowed: \"{command}\": {reason}"),
        };
        ErrorShape::invalid(message).with(json!({ "reason": reason, "command": command }))
    })?;
    if command == RUN
        && let Some(key) = order
            .params
            .as_ref()
            .and_then(|params| params.get("sessionKey"))
        && let Some(key) = key.as_str()
    {
        link.note_session(key);
    }
    let address = services.directory.address::<NodeMail>(&link.path());
    let within = order.timeout + WAY;
    let asked = address
        .ask(within, |reply| NodeMail::Invoke(Box::new(order), reply))
        .await;
    match asked {
        Ok(verdict) => said(verdict, &command),
        Err(AskError::Timeout) => said(Verdict::TimedOut, &command),
        Err(AskError::Full) => said(Verdict::Busy, &command),
        Err(AskError::Down | AskError::Dropped) => said(Verdict::Gone, &command),
    }
}

/// The node's answer, or why there is none, as clients know it.
fn said(verdict: Verdict, command: &str) -> Result<Said, ErrorShape> {
    let failed = |code: &str, message: &str| {
        let error = ErrorShape::unavailable(message);
        error.with(json!({ "nodeError": { "code": code, "message": message } }))
    };
    Err(match verdict {
        Verdict::Said(said) if said.ok => return Ok(said),
        Verdict::Said(said) => {
            let message = said.error.as_ref().and_then(|error| error.get("message"));
            let message = message.and_then(Value::as_str);
            let error = ErrorShape::unavailable(message.unwrap_or("node invoke failed"));
            error.with(json!({ "nodeError": said.error }))
        }
        Verdict::TimedOut => failed("TIMEOUT", "node invoke timed out"),
        Verdict::Gone => failed("UNAVAILABLE", &format!("node disconnected ({command})")),
        Verdict::Cut => failed(
            "OUTCOME_UNKNOWN",
            "it was asked before the gateway restarted; whether the node did it is unknown, and it is not asked twice",
        ),
        Verdict::TooLarge => failed(
            "ANSWER_NOT_KEPT",
            "it was done and answered; the answer was too long to be kept for a repeat",
        ),
        Verdict::Reused => ErrorShape::invalid("idempotencyKey was used for another command"),
        Verdict::Busy => ErrorShape::unavailable("the node has too much to do; try again shortly")
            .retry_after(1000),
        Verdict::Unstored(error) => {
            ErrorShape::unavailable(format!("the command can't be written down: {error}"))
        }
    })
}

impl Said {
    /// What came out; text that is no JSON stands as it is.
    fn value(&self) -> Value {
        let text = self
            .payload_json
            .as_deref()
            .filter(|text| !text.trim().is_empty());
        match text {
            Some(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| json!({ "payloadJSON": text }))
            }
            None => self.payload.clone().unwrap_or_default(),
        }
    }
}

/// The connection that a node calls over, if it is the one that counts.
pub(super) fn own_link(call: &Call) -> Option<Arc<Link>> {
    let caller = &call.principal;
    let node = caller.device.as_deref().unwrap_or(&caller.client.id);
    let link = call.services.node_board.get(node);
    link.filter(|link| link.connection == caller.connection)
}

/// A node answers a command. What comes late, or from a connection that was replaced, changes nothing.
pub(super) fn result(call: Call) -> Outcome {
    let caller = &call.principal;
    let node = caller.device.as_deref().unwrap_or(&caller.client.id);
    if call.text("nodeId") != Some(node) {
        return Outcome::now(Err(ErrorShape::invalid("nodeId mismatch")));
    }
    let ignored = json!({ "ok": true, "ignored": true });
    let Some(link) = own_link(&call) else {
        return Outcome::now(Ok(ignored));
    };
    Outcome::later(async move {
        let value = |name: &str| {
            let value = call.params.get(name).filter(|value| !value.is_null());
            value.cloned()
        };
        // Some nodes send what came out as a value under the name of the text.
        let (text, other) = match value("payloadJSON") {
            Some(Value::String(text)) => (Some(text), None),
            other => (None, other),
        };
        let said = Said {
            ok: call.flag("ok") == Some(true),
            payload: value("payload").or(other),
            payload_json: text,
            error: value("error"),
        };
        let id = call.text("id").unwrap_or_default().to_owned();
        let address = call.services.directory.address::<NodeMail>(&link.path());
        let asked = address
            .ask(LOOK, |reply| NodeMail::Answered(id, Box::new(said), reply))
            .await;
        Ok(match asked {
            Ok(true) => json!({ "ok": true }),
            _ => {
                tracing::debug!(
                    node = &*link.node_id,
                    at_ms = now_ms(),
                    "a late answer of a node was ignored"
                );
                ignored
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_may_approve_says_that_a_command_was_approved() {
        let asked =
            json!({ "command": ["ls"], "approved": true, "approvalDecision": "allow-always" });
        let writer: Scopes = [Scope::Write, Scope::Read].into_iter().collect();
        let approver: Scopes = [Scope::Write, Scope::Approvals].into_iter().collect();
        let mut by_writer = asked.clone();
        keep_to_rights(&mut by_writer, writer);
        assert_eq!(by_writer, json!({ "command": ["ls"] }));
        let mut by_approver = asked.clone();
        keep_to_rights(&mut by_approver, approver);
        assert_eq!(by_approver, asked);
    }
}
