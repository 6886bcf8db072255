//! The gateway itself: how it is, who is here, its log, its heartbeat, its updates.

use super::super::Method;
use super::super::row::ANYTHING;
use super::super::row::NOTHING;
use super::super::row::POSITIVE;
use super::super::row::STRINGS;
use super::super::row::admin;
use super::super::row::between;
use super::super::row::late;
use super::super::row::read;
use super::super::row::write;
use crate::shape::COUNT;
use crate::shape::Field;
use crate::shape::STRING;
use crate::shape::Shape;
use crate::shape::TEXT;
use crate::shape::closed;
use crate::shape::open;
use crate::shape::opt;
use crate::shape::req;

pub(super) const ROWS: &[Method] = &[
    read("health", open(&[opt("probe", Shape::Bool)])),
    read("status", open(&[opt("includeChannelSummary", Shape::Bool)])),
    read("system-presence", ANYTHING),
    admin("system-event", open(SYSTEM_EVENT)),
    read("last-heartbeat", ANYTHING),
    admin("set-heartbeats", open(&[req("enabled", Shape::Bool)])),
    write("wake", open(WAKE)),
    read("logs.tail", closed(LOGS_TAIL)),
    admin("update.run", open(UPDATE_RUN)),
    late(admin(
        "update.status",
        open(&[opt("refreshCheckout", Shape::Bool)]),
    )),
    late(read("system.info", NOTHING)),
];

const SYSTEM_EVENT: &[Field] = &[
    req("text", STRING),
    opt("deviceId", STRING),
    opt("instanceId", STRING),
    opt("host", STRING),
    opt("ip", STRING),
    opt("mode", STRING),
    opt("version", STRING),
    opt("platform", STRING),
    opt("deviceFamily", STRING),
    opt("modelIdentifier", STRING),
    opt("lastInputSeconds", Shape::Number),
    opt("reason", STRING),
    opt("roles", STRINGS),
    opt("scopes", STRINGS),
    opt("tags", STRINGS),
];
const WAKE: &[Field] = &[
    req("mode", Shape::OneOf(&["now", "next-heartbeat"])),
    req("text", TEXT),
    opt("agentId", TEXT),
    opt("sessionKey", TEXT),
];
const LOGS_TAIL: &[Field] = &[
    opt("cursor", COUNT),
    opt("limit", between(1, 5000)),
    opt("maxBytes", between(1, 1_000_000)),
];

const UPDATE_RUN: &[Field] = &[
    opt("sessionKey", STRING),
    opt("note", STRING),
    opt("restartDelayMs", COUNT),
    opt("timeoutMs", POSITIVE),
];
