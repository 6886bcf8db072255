//! Runs of agents, and the agents themselves.

use serde_json::Value;

use super::super::Access;
use super::super::Method;
use super::super::Scope;
use super::super::row::NOTHING;
use super::super::row::admin;
use super::super::row::idempotent;
use super::super::row::method;
use super::super::row::once_admin;
use super::super::row::read;
use super::super::row::text_to;
use super::super::row::write;
use crate::frame::Protocol;
use crate::shape::COUNT;
use crate::shape::Field;
use crate::shape::LIST;
use crate::shape::STRING;
use crate::shape::Shape;
use crate::shape::TEXT;
use crate::shape::closed;
use crate::shape::open;
use crate::shape::opt;
use crate::shape::req;

pub(super) const ROWS: &[Method] = &[
    idempotent(method("agent", Access::Dynamic(agent_scope), open(AGENT))),
    write(
        "agent.wait",
        closed(&[req("runId", TEXT), opt("timeoutMs", COUNT)]),
    ),
    read(
        "agent.identity.get",
        open(&[opt("agentId", STRING), opt("sessionKey", STRING)]),
    ),
    read("agents.list", NOTHING),
    admin("agents.create", closed(CREATE)),
    admin("agents.update", closed(UPDATE)),
    admin(
        "agents.delete",
        closed(&[req("agentId", TEXT), opt("deleteFiles", Shape::Bool)]),
    ),
    once_admin(
        "agents.files.list",
        Scope::Read,
        closed(&[req("agentId", TEXT)]),
    ),
    once_admin(
        "agents.files.get",
        Scope::Read,
        closed(&[req("agentId", TEXT), req("name", TEXT)]),
    ),
    admin("agents.files.set", closed(FILE)),
];

const AGENT: &[Field] = &[
    req("message", TEXT),
    req("idempotencyKey", TEXT),
    opt("agentId", TEXT),
    opt("to", STRING),
    opt("replyTo", STRING),
    opt("sessionId", STRING),
    opt("sessionKey", STRING),
    opt("thinking", STRING),
    opt("deliver", Shape::Bool),
    opt("attachments", LIST),
    opt("clientTools", LIST),
    opt("channel", STRING),
    opt("replyChannel", STRING),
    opt("accountId", STRING),
    opt("replyAccountId", STRING),
    opt("threadId", STRING),
    opt("timeout", COUNT),
    opt("extraSystemPrompt", STRING),
    opt("label", STRING),
];

const CREATE: &[Field] = &[
    req("name", TEXT),
    opt("workspace", TEXT),
    opt("model", TEXT),
    opt("emoji", STRING),
    opt("avatar", STRING),
];
const UPDATE: &[Field] = &[
    req("agentId", TEXT),
    opt("name", TEXT),
    opt("workspace", TEXT),
    opt("model", Shape::Nullable(&TEXT)),
    opt("agentRuntime", TEXT),
    opt("emoji", STRING),
    opt("avatar", STRING),
];
const FILE: &[Field] = &[
    req("agentId", TEXT),
    req("name", TEXT),
    req("content", STRING),
    opt("expectedHash", text_to(64)),
];

/// A run that resets its session is a reset.
fn agent_scope(params: &Value, _version: Protocol) -> Scope {
    let message = params
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let first = message.split_whitespace().next().unwrap_or_default();
    let is_reset = first.eq_ignore_ascii_case("/new") || first.eq_ignore_ascii_case("/reset");
    if is_reset { Scope::Admin } else { Scope::Write }
}
