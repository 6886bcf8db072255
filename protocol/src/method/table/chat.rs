//! Conversations with people at a client.

use super::super::Method;
use super::super::row::KEY;
use super::super::row::POSITIVE;
use super::super::row::admin;
use super::super::row::at_least;
use super::super::row::between;
use super::super::row::hidden;
use super::super::row::idempotent;
use super::super::row::late;
use super::super::row::read;
use super::super::row::write;
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
    read("chat.history", closed(CHAT_HISTORY)),
    late(read("chat.startup", closed(CHAT_HISTORY))),
    late(read(
        "chat.metadata",
        open(&[opt("agentId", TEXT), opt("sessionKey", TEXT)]),
    )),
    write("chat.abort", closed(CHAT_ABORT)),
    idempotent(write("chat.send", open(CHAT_SEND))),
    hidden(admin("chat.inject", closed(CHAT_INJECT))),
];

const CHAT_HISTORY: &[Field] = &[
    req("sessionKey", KEY),
    opt("agentId", TEXT),
    opt("cursor", STRING),
    opt("limit", between(1, 1000)),
    opt("maxBytes", at_least(1024)),
    opt("offset", COUNT),
    opt("pendingBefore", POSITIVE),
    opt("inputRunIds", LIST),
    opt("messageId", TEXT),
    opt("sessionId", TEXT),
    opt("maxChars", between(1, 500_000)),
];
const CHAT_ABORT: &[Field] = &[
    req("sessionKey", KEY),
    opt("agentId", TEXT),
    opt("runId", TEXT),
    opt("preserveSideRuns", Shape::Bool),
];
const CHAT_SEND: &[Field] = &[
    req("sessionKey", KEY),
    req("message", STRING),
    req("idempotencyKey", TEXT),
    opt("agentId", TEXT),
    opt("sessionId", TEXT),
    opt("thinking", STRING),
    opt("deliver", Shape::Bool),
    opt("attachments", LIST),
    opt("timeoutMs", COUNT),
];
const CHAT_INJECT: &[Field] = &[
    req("sessionKey", KEY),
    req("message", TEXT),
    opt("agentId", TEXT),
    opt("label", Shape::Text { min: 0, max: 100 }),
];
