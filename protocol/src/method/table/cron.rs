//! Jobs that run by the clock.

use super::super::Method;
use super::super::row::NOTHING;
use super::super::row::POSITIVE;
use super::super::row::admin;
use super::super::row::between;
use super::super::row::late;
use super::super::row::read;
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
    read(
        "cron.list",
        open(&[
            opt("includeDisabled", Shape::Bool),
            opt("limit", POSITIVE),
            opt("offset", COUNT),
            opt("query", STRING),
        ]),
    ),
    read("cron.status", NOTHING),
    late(read("cron.get", closed(BY_ID))),
    admin("cron.add", open(ADD)),
    admin(
        "cron.update",
        open(&[
            opt("id", TEXT),
            opt("jobId", TEXT),
            req("patch", Shape::Map(&Shape::Any)),
        ]),
    ),
    admin("cron.remove", closed(BY_ID)),
    admin("cron.run", closed(RUN)),
    read("cron.runs", open(RUNS)),
];

/// One job: newer clients say `id`, older ones `jobId`. That one of them is there is checked by the method.
const BY_ID: &[Field] = &[opt("id", TEXT), opt("jobId", TEXT)];
const RUN: &[Field] = &[
    opt("id", TEXT),
    opt("jobId", TEXT),
    opt("mode", Shape::OneOf(&["due", "force", "if-enabled"])),
    opt("expectedProcessInstanceId", TEXT),
];
const RUNS: &[Field] = &[
    opt("id", TEXT),
    opt("jobId", TEXT),
    opt("limit", between(1, 5000)),
    opt("offset", COUNT),
    opt("scope", Shape::OneOf(&["job", "all"])),
    opt("status", Shape::OneOf(&["all", "ok", "error", "skipped"])),
    opt("sortDir", Shape::OneOf(&["asc", "desc"])),
];
const ADD: &[Field] = &[
    req("name", TEXT),
    opt("agentId", Shape::Nullable(&TEXT)),
    opt("description", STRING),
    opt("enabled", Shape::Bool),
    opt("deleteAfterRun", Shape::Bool),
    req("schedule", Shape::Map(&Shape::Any)),
    req("sessionTarget", TEXT),
    req("wakeMode", Shape::OneOf(&["next-heartbeat", "now"])),
    req("payload", Shape::Map(&Shape::Any)),
    opt("delivery", Shape::Map(&Shape::Any)),
];
