//! What the page of protocol 4 asks when it starts.

use serde_json::Value;

use super::super::Access;
use super::super::Method;
use super::super::Scope;
use super::super::row::ANYTHING;
use super::super::row::approvals;
use super::super::row::hidden;
use super::super::row::late;
use super::super::row::method;
use super::super::row::pairing;
use super::super::row::read;
use crate::frame::Protocol;
use crate::shape::Field;
use crate::shape::Shape;
use crate::shape::TEXT;
use crate::shape::open;
use crate::shape::opt;
use crate::shape::req;

pub(super) const ROWS: &[Method] = &[
    late(read("environments.list", ANYTHING)),
    late(read("tasks.list", ANYTHING)),
    late(read("users.self", ANYTHING)),
    late(read("users.prefs.get", ANYTHING)),
    late(read("plugins.uiDescriptors", ANYTHING)),
    late(read("plugins.list", ANYTHING)),
    late(pairing("channels.pairing.list", ANYTHING)),
    late(method(
        "channels.pairing.approve",
        Access::Dynamic(approve_scope),
        open(APPROVE),
    )),
    late(read("diagnostics.lanes", ANYTHING)),
    // What is not built here: the page asks all the same, and an empty answer is the true one. The
    // greeting doesn't name it.
    hidden(late(read("plugins.catalog.browse", ANYTHING))),
    hidden(late(read("sessions.observer.visibility", ANYTHING))),
    hidden(late(read("sessions.branches.list", ANYTHING))),
    hidden(late(read("sessions.companion.state", ANYTHING))),
    hidden(late(read("progressCard.get", ANYTHING))),
    hidden(late(read("skills.library.list", ANYTHING))),
    hidden(late(read("skills.search", ANYTHING))),
    hidden(late(read("artifacts.list", ANYTHING))),
    hidden(late(read("themes.list", ANYTHING))),
    hidden(late(read("worktrees.list", ANYTHING))),
    hidden(late(read("tools.github.status", ANYTHING))),
    hidden(late(read("webSearch.status", ANYTHING))),
    hidden(late(read("doctor.memory.status", ANYTHING))),
    hidden(late(approvals("approval.history", ANYTHING))),
    hidden(late(approvals("openclaw.approval.list", ANYTHING))),
    hidden(late(approvals("exec.approval.grants.list", ANYTHING))),
];

const APPROVE: &[Field] = &[
    req("channel", TEXT),
    req("accountId", TEXT),
    req("requestId", TEXT),
    opt("notify", Shape::Bool),
    opt("bootstrapCommandOwner", Shape::Bool),
];

/// Who is let in may write to agents, and so must who lets them in; an owner is made by an
/// administrator. The name of a request is learned from the list, which asks for pairing.
fn approve_scope(params: &Value, _version: Protocol) -> Scope {
    match params.get("bootstrapCommandOwner").and_then(Value::as_bool) {
        Some(true) => Scope::Admin,
        _ => Scope::Write,
    }
}
