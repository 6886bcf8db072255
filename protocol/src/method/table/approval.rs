//! Approvals of commands: the rules, and the questions that wait.

use super::super::Method;
use super::super::Scope;
use super::super::row::ANYTHING;
use super::super::row::NOTHING;
use super::super::row::NULLABLE;
use super::super::row::POSITIVE;
use super::super::row::admin;
use super::super::row::approvals;
use super::super::row::between;
use super::super::row::late;
use super::super::row::needs;
use crate::shape::Field;
use crate::shape::Fields;
use crate::shape::LIST;
use crate::shape::STRING;
use crate::shape::Shape;
use crate::shape::TEXT;
use crate::shape::closed;
use crate::shape::open;
use crate::shape::opt;
use crate::shape::req;

pub(super) const ROWS: &[Method] = &[
    admin("exec.approvals.get", NOTHING),
    admin(
        "exec.approvals.set",
        closed(&[req("file", Shape::Object(&FILE)), opt("baseHash", TEXT)]),
    ),
    admin("exec.approvals.node.get", closed(&[req("nodeId", TEXT)])),
    admin(
        "exec.approvals.node.set",
        open(&[req("nodeId", TEXT), opt("baseHash", TEXT)]),
    ),
    approvals("exec.approval.request", open(ASK)),
    approvals(
        "exec.approval.resolve",
        open(&[req("id", TEXT), req("decision", TEXT)]),
    ),
    late(approvals("exec.approval.get", closed(&[req("id", TEXT)]))),
    late(approvals("exec.approval.list", ANYTHING)),
    late(approvals(
        "exec.approval.waitDecision",
        open(&[req("id", TEXT)]),
    )),
    late(approvals("plugin.approval.list", ANYTHING)),
    late(needs("question.list", Scope::Questions, NOTHING)),
];

const RULES: &[Field] = &[
    opt("security", STRING),
    opt("ask", STRING),
    opt("askFallback", STRING),
    opt("autoAllowSkills", Shape::Bool),
];
const AGENT: Fields = closed(&[
    opt("security", STRING),
    opt("ask", STRING),
    opt("askFallback", STRING),
    opt("autoAllowSkills", Shape::Bool),
    opt("allowlist", LIST),
    opt("mcpTools", LIST),
]);
const FILE: Fields = closed(&[
    req("version", between(1, 1)),
    opt("socket", Shape::Object(&SOCKET)),
    opt("defaults", Shape::Object(&closed(RULES))),
    opt("agents", Shape::Map(&Shape::Object(&AGENT))),
]);
const SOCKET: Fields = closed(&[opt("path", STRING), opt("token", STRING)]);
const ASK: &[Field] = &[
    opt("id", TEXT),
    req("command", TEXT),
    opt("cwd", NULLABLE),
    opt("host", NULLABLE),
    opt("security", NULLABLE),
    opt("ask", NULLABLE),
    opt("agentId", NULLABLE),
    opt("resolvedPath", NULLABLE),
    opt("sessionKey", NULLABLE),
    opt("timeoutMs", POSITIVE),
    opt("twoPhase", Shape::Bool),
];
