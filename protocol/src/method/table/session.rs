//! Sessions: listed, changed, counted.

use serde_json::Value;

use super::super::Access;
use super::super::Method;
use super::super::Scope;
use super::super::row::ANYTHING;
use super::super::row::KEY;
use super::super::row::KEYS;
use super::super::row::NOTHING;
use super::super::row::POSITIVE;
use super::super::row::SESSION;
use super::super::row::admin;
use super::super::row::at_least;
use super::super::row::hidden;
use super::super::row::idempotent;
use super::super::row::late;
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
    read("sessions.list", closed(SESSIONS_LIST)),
    read("sessions.preview", closed(SESSIONS_PREVIEW)),
    hidden(once_admin("sessions.resolve", Scope::Read, closed(RESOLVE))),
    method(
        "sessions.patch",
        Access::Dynamic(patch_scope),
        open(SESSIONS_PATCH),
    ),
    admin("sessions.reset", closed(SESSIONS_RESET)),
    method(
        "sessions.delete",
        Access::Dynamic(delete_scope),
        closed(SESSIONS_DELETE),
    ),
    admin("sessions.compact", closed(COMPACT)),
    hidden(once_admin("sessions.usage", Scope::Read, open(USAGE))),
    hidden(once_admin(
        "sessions.usage.timeseries",
        Scope::Read,
        open(&[req("key", KEY)]),
    )),
    hidden(once_admin(
        "sessions.usage.logs",
        Scope::Read,
        open(&[req("key", KEY), opt("limit", POSITIVE)]),
    )),
    late(read(
        "sessions.describe",
        open(&[req("key", KEY), opt("agentId", TEXT)]),
    )),
    late(hidden(read(
        "sessions.get",
        open(&[req("key", KEY), opt("limit", POSITIVE)]),
    ))),
    late(idempotent(write("sessions.create", open(CREATE)))),
    late(idempotent(write("sessions.send", open(SEND)))),
    late(write(
        "sessions.abort",
        open(&[opt("key", KEY), opt("runId", TEXT), opt("agentId", TEXT)]),
    )),
    late(read("sessions.subscribe", ANYTHING)),
    late(hidden(read("sessions.unsubscribe", ANYTHING))),
    late(read(
        "sessions.messages.subscribe",
        open(&[req("key", KEY), opt("agentId", TEXT)]),
    )),
    late(read("sessions.messages.unsubscribe", SESSION)),
    late(read("sessions.viewers.set", ANYTHING)),
    late(read("sessions.groups.list", NOTHING)),
];

const SESSIONS_LIST: &[Field] = &[
    opt("limit", POSITIVE),
    opt("offset", COUNT),
    opt("activeMinutes", POSITIVE),
    opt("includeGlobal", Shape::Bool),
    opt("includeUnknown", Shape::Bool),
    opt("includeDerivedTitles", Shape::Bool),
    opt("includeLastMessage", Shape::Bool),
    opt("label", TEXT),
    opt("spawnedBy", TEXT),
    opt("agentId", TEXT),
    opt("search", STRING),
    opt("activeOnly", Shape::Bool),
    opt("requireLastInteraction", Shape::Bool),
    opt(
        "sortBy",
        Shape::OneOf(&["updatedAt", "lastInteractionAt", "activity"]),
    ),
    opt("excludeSubagents", Shape::Bool),
    opt("excludeCron", Shape::Bool),
    opt("excludeSystem", Shape::Bool),
    opt("configuredAgentsOnly", Shape::Bool),
    opt("includeActivitySummary", Shape::Bool),
    opt("projectId", TEXT),
    opt("workspaceDir", TEXT),
    opt("group", STRING),
    opt("pinned", Shape::Bool),
    opt("boardFace", STRING),
    opt("hasBoard", Shape::Bool),
    opt("creatorId", TEXT),
    opt("ownerId", TEXT),
    opt("ownerFirst", Shape::Bool),
    opt("involvingMe", Shape::Bool),
    opt("profileRelation", Shape::Any),
    opt("involvingProfileId", TEXT),
    opt("includePeople", Shape::Bool),
    opt("archived", Shape::Any),
];
const SESSIONS_PREVIEW: &[Field] = &[
    req("keys", KEYS),
    opt("limit", POSITIVE),
    opt("maxChars", at_least(20)),
];
const SESSIONS_PATCH: &[Field] = &[
    req("key", KEY),
    opt("agentId", TEXT),
    opt("label", Shape::Nullable(&Shape::Text { min: 0, max: 512 })),
    opt("thinkingLevel", Shape::Nullable(&TEXT)),
    opt("verboseLevel", Shape::Nullable(&TEXT)),
    opt("reasoningLevel", Shape::Nullable(&TEXT)),
    opt(
        "responseUsage",
        Shape::Nullable(&Shape::OneOf(&["off", "tokens", "full", "on"])),
    ),
    opt("elevatedLevel", Shape::Nullable(&TEXT)),
    opt("execHost", Shape::Nullable(&TEXT)),
    opt("execSecurity", Shape::Nullable(&TEXT)),
    opt("execAsk", Shape::Nullable(&TEXT)),
    opt("execNode", Shape::Nullable(&TEXT)),
    opt("model", Shape::Nullable(&TEXT)),
    opt("spawnedBy", Shape::Nullable(&TEXT)),
    opt(
        "sendPolicy",
        Shape::Nullable(&Shape::OneOf(&["allow", "deny"])),
    ),
    opt(
        "groupActivation",
        Shape::Nullable(&Shape::OneOf(&["mention", "always"])),
    ),
];
const SESSIONS_RESET: &[Field] = &[
    req("key", KEY),
    opt("agentId", TEXT),
    opt("reason", Shape::OneOf(&["new", "reset"])),
    opt("expectedSessionId", TEXT),
];
const SESSIONS_DELETE: &[Field] = &[
    req("key", KEY),
    opt("agentId", TEXT),
    opt("deleteTranscript", Shape::Bool),
    opt("expectedSessionId", TEXT),
    opt("expectedLifecycleRevision", TEXT),
    opt("expectedSessionUpdatedAt", Shape::Number),
    opt("emitLifecycleHooks", Shape::Bool),
    opt("archivedOnly", Shape::Bool),
];

const RESOLVE: &[Field] = &[
    opt("key", TEXT),
    opt("sessionId", TEXT),
    opt("label", text_to(512)),
    opt("agentId", TEXT),
    opt("spawnedBy", TEXT),
    opt("includeGlobal", Shape::Bool),
    opt("includeUnknown", Shape::Bool),
    opt("reference", Shape::Any),
    opt("shortId", TEXT),
    opt("slugHint", TEXT),
    opt("allowMissing", Shape::Bool),
];
const COMPACT: &[Field] = &[
    req("key", KEY),
    opt("agentId", TEXT),
    opt("maxLines", POSITIVE),
];
const USAGE: &[Field] = &[
    opt("key", KEY),
    opt("agentId", TEXT),
    opt("startDate", STRING),
    opt("endDate", STRING),
    opt("limit", POSITIVE),
    opt("includeContextWeight", Shape::Bool),
];
const CREATE: &[Field] = &[
    opt("key", KEY),
    opt("agentId", TEXT),
    opt("label", text_to(512)),
    opt("model", TEXT),
    opt("thinkingLevel", TEXT),
    opt("message", STRING),
    opt("idempotencyKey", TEXT),
];
const SEND: &[Field] = &[
    req("key", KEY),
    req("message", STRING),
    opt("agentId", TEXT),
    opt("thinking", STRING),
    opt("attachments", LIST),
    opt("timeoutMs", COUNT),
    opt("idempotencyKey", TEXT),
];

const WRITABLE: &[&str] = &[
    "key",
    "agentId",
    "label",
    "autoLabel",
    "icon",
    "color",
    "category",
    "boardFace",
    "boardPresentation",
    "pinned",
    "archived",
    "unread",
    "model",
    "agentRuntime",
    "thinkingLevel",
    "fastMode",
];

fn patch_scope(params: &Value, version: Protocol) -> Scope {
    let is_writable = |name: &str| WRITABLE.contains(&name) || name.starts_with("expected");
    let only_writable = params
        .as_object()
        .is_some_and(|patch| patch.keys().all(|name| is_writable(name)));
    if version == Protocol::V4 && only_writable {
        Scope::Write
    } else {
        Scope::Admin
    }
}

fn delete_scope(params: &Value, version: Protocol) -> Scope {
    let archived_only = params
        .get("archivedOnly")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    if version == Protocol::V4 && archived_only {
        Scope::Write
    } else {
        Scope::Admin
    }
}
