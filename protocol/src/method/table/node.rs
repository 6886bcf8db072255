//! Nodes: paired, listed, asked; and what they say themselves.

use serde_json::Value;

use super::super::Access;
use super::super::Method;
use super::super::Scope;
use super::super::row::ANYTHING;
use super::super::row::IDEMPOTENCY;
use super::super::row::NAMES;
use super::super::row::NOTHING;
use super::super::row::NULLABLE;
use super::super::row::REQUEST;
use super::super::row::TIMEOUT;
use super::super::row::hidden;
use super::super::row::late;
use super::super::row::method;
use super::super::row::node;
use super::super::row::pairing;
use super::super::row::read;
use crate::frame::Protocol;
use crate::shape::Field;
use crate::shape::Shape;
use crate::shape::TEXT;
use crate::shape::closed;
use crate::shape::open;
use crate::shape::opt;
use crate::shape::req;

pub(super) const ROWS: &[Method] = &[
    read("node.list", NOTHING),
    read("node.describe", closed(&[req("nodeId", TEXT)])),
    pairing(
        "node.rename",
        closed(&[req("nodeId", TEXT), req("displayName", TEXT)]),
    ),
    method("node.invoke", Access::Dynamic(invoke_scope), open(INVOKE)),
    pairing("node.pair.request", closed(PAIR)),
    pairing("node.pair.list", NOTHING),
    pairing("node.pair.approve", REQUEST),
    pairing("node.pair.reject", REQUEST),
    late(pairing("node.pair.remove", closed(&[req("nodeId", TEXT)]))),
    pairing(
        "node.pair.verify",
        closed(&[req("nodeId", TEXT), req("token", TEXT)]),
    ),
    node("node.invoke.result", open(RESULT)),
    node(
        "node.event",
        open(&[req("event", TEXT), opt("payloadJSON", NULLABLE)]),
    ),
    late(node("node.invoke.progress", ANYTHING)),
    late(node("node.pending.pull", ANYTHING)),
    late(node("node.pending.ack", ANYTHING)),
    late(node("node.pending.drain", ANYTHING)),
    late(node("node.pluginSurface.refresh", ANYTHING)),
    late(node("node.pluginTools.update", ANYTHING)),
    late(node("node.skills.update", ANYTHING)),
    late(hidden(node("node.runnerInventory.update", ANYTHING))),
];

const INVOKE: &[Field] = &[
    req("nodeId", TEXT),
    req("command", TEXT),
    opt("params", Shape::Any),
    TIMEOUT,
    IDEMPOTENCY,
];
const PAIR: &[Field] = &[
    req("nodeId", TEXT),
    opt("displayName", TEXT),
    opt("platform", TEXT),
    opt("version", TEXT),
    opt("coreVersion", TEXT),
    opt("uiVersion", TEXT),
    opt("deviceFamily", TEXT),
    opt("modelIdentifier", TEXT),
    opt("caps", NAMES),
    opt("commands", NAMES),
    opt("remoteIp", TEXT),
    opt("silent", Shape::Bool),
];
const RESULT: &[Field] = &[
    req("id", TEXT),
    req("nodeId", TEXT),
    req("ok", Shape::Bool),
    opt("payload", Shape::Any),
    opt("payloadJSON", Shape::Any),
    opt("error", Shape::Any),
];

/// Commands that reach past what a node offers of itself.
fn invoke_scope(params: &Value, version: Protocol) -> Scope {
    let command = params
        .get("command")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let reaches_far =
        command.starts_with("browser.proxy") || matches!(command, "fs.listDir" | "terminal.upload");
    if version == Protocol::V4 && reaches_far {
        Scope::Admin
    } else {
        Scope::Write
    }
}
