//! Chat accounts, and messages sent through them.

use super::super::Method;
use super::super::Scope;
use super::super::row::IDEMPOTENCY;
use super::super::row::POSITIVE;
use super::super::row::STRINGS;
use super::super::row::admin;
use super::super::row::between;
use super::super::row::hidden;
use super::super::row::idempotent;
use super::super::row::late;
use super::super::row::once_admin;
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
    read("channels.status", closed(CHANNELS_STATUS)),
    admin("channels.logout", closed(ACCOUNT)),
    late(admin("channels.start", closed(ACCOUNT))),
    late(admin("channels.stop", closed(ACCOUNT))),
    hidden(admin("web.login.start", open(LOGIN))),
    hidden(admin("web.login.wait", open(LOGIN))),
    idempotent(write("send", open(SEND))),
    idempotent(hidden(once_admin("poll", Scope::Write, open(POLL)))),
    late(idempotent(write("message.action", open(ACTION)))),
];

const CHANNELS_STATUS: &[Field] = &[
    opt("probe", Shape::Bool),
    opt("timeoutMs", COUNT),
    opt("channel", TEXT),
];

const ACCOUNT: &[Field] = &[req("channel", TEXT), opt("accountId", STRING)];
const LOGIN: &[Field] = &[
    opt("channel", STRING),
    opt("force", Shape::Bool),
    opt("timeoutMs", COUNT),
    opt("verbose", Shape::Bool),
    opt("accountId", STRING),
];
const SEND: &[Field] = &[
    req("to", TEXT),
    opt("message", STRING),
    opt("mediaUrl", STRING),
    opt("mediaUrls", STRINGS),
    opt("gifPlayback", Shape::Bool),
    opt("channel", STRING),
    opt("accountId", STRING),
    opt("threadId", STRING),
    opt("replyToId", STRING),
    opt("sessionKey", STRING),
    IDEMPOTENCY,
];
const POLL: &[Field] = &[
    req("to", TEXT),
    req("question", TEXT),
    req(
        "options",
        Shape::List {
            of: &TEXT,
            min: 2,
            max: 12,
        },
    ),
    opt("maxSelections", between(1, 12)),
    opt("durationHours", POSITIVE),
    opt("channel", STRING),
    opt("accountId", STRING),
    IDEMPOTENCY,
];
const ACTION: &[Field] = &[
    req("channel", TEXT),
    req("action", TEXT),
    req("params", Shape::Map(&Shape::Any)),
    opt("accountId", STRING),
    opt("sessionKey", STRING),
    IDEMPOTENCY,
];
