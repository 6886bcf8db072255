//! The table of methods.

use serde_json::Value;

use super::Access;
use super::Method;
use super::Scope;
use crate::frame::Protocol;
use crate::shape::COUNT;
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

/// The longest session key.
const KEY: Shape = Shape::Text { min: 1, max: 512 };
const POSITIVE: Shape = at_least(1);
const KEYS: Shape = Shape::List {
    of: &TEXT,
    min: 1,
    max: usize::MAX,
};
const NOTHING: Fields = closed(&[]);

const fn at_least(min: i64) -> Shape {
    let max = i64::MAX;
    Shape::Int { min, max }
}

const fn between(min: i64, max: i64) -> Shape {
    Shape::Int { min, max }
}

const fn method(name: &'static str, access: Access, params: Fields) -> Method {
    Method {
        name,
        access,
        params,
        since: Protocol::V3,
        is_idempotent: false,
        is_advertised: true,
    }
}

const fn read(name: &'static str, params: Fields) -> Method {
    method(name, Access::Scope(Scope::Read), params)
}

const fn write(name: &'static str, params: Fields) -> Method {
    method(name, Access::Scope(Scope::Write), params)
}

const fn admin(name: &'static str, params: Fields) -> Method {
    method(name, Access::Scope(Scope::Admin), params)
}

const fn idempotent(method: Method) -> Method {
    Method {
        is_idempotent: true,
        ..method
    }
}

const fn hidden(method: Method) -> Method {
    Method {
        is_advertised: false,
        ..method
    }
}

/// A child under its supervisor, by the path that the tree prints.
const AT_PATH: Fields = closed(&[req("path", TEXT)]);

/// All methods.
pub const METHODS: &[Method] = &[
    read("health", closed(&[opt("probe", Shape::Bool)])),
    read(
        "status",
        closed(&[opt("includeChannelSummary", Shape::Bool)]),
    ),
    read("system-presence", NOTHING),
    read("logs.tail", closed(LOGS_TAIL)),
    read("channels.status", closed(CHANNELS_STATUS)),
    method(
        "config.get",
        Access::ByVersion(Scope::Admin, Scope::Read),
        NOTHING,
    ),
    admin(
        "config.set",
        closed(&[req("raw", TEXT), opt("baseHash", STRING)]),
    ),
    // Newer clients add fields that have no meaning here.
    admin(
        "config.patch",
        open(&[req("raw", TEXT), opt("baseHash", STRING)]),
    ),
    read("models.list", closed(MODELS_LIST)),
    read("agents.list", NOTHING),
    read("sessions.list", open(SESSIONS_LIST)),
    read("sessions.preview", closed(SESSIONS_PREVIEW)),
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
    idempotent(method("agent", Access::Dynamic(agent_scope), open(AGENT))),
    write(
        "agent.wait",
        closed(&[req("runId", TEXT), opt("timeoutMs", COUNT)]),
    ),
    read("chat.history", closed(CHAT_HISTORY)),
    write("chat.abort", closed(CHAT_ABORT)),
    idempotent(write("chat.send", open(CHAT_SEND))),
    hidden(admin("chat.inject", closed(CHAT_INJECT))),
    read("supervisor.tree", closed(SUPERVISOR_TREE)),
    read("supervisor.watch", closed(&[opt("enabled", Shape::Bool)])),
    read(
        "supervisor.crash",
        closed(&[opt("id", TEXT), opt("limit", between(1, 1000))]),
    ),
    admin("supervisor.restart", AT_PATH),
    admin("supervisor.stop", AT_PATH),
    admin("supervisor.park", AT_PATH),
    admin("supervisor.unpark", AT_PATH),
    hidden(admin("supervisor.chaos", closed(SUPERVISOR_CHAOS))),
];

const LOGS_TAIL: &[Field] = &[
    opt("cursor", COUNT),
    opt("limit", between(1, 5000)),
    opt("maxBytes", between(1, 1_000_000)),
];
const CHANNELS_STATUS: &[Field] = &[
    opt("probe", Shape::Bool),
    opt("timeoutMs", COUNT),
    opt("channel", TEXT),
];
const MODELS_LIST: &[Field] = &[
    opt("agentId", TEXT),
    opt("sessionKey", TEXT),
    opt("authProfileId", STRING),
    opt("provider", TEXT),
    opt("includeDetails", Shape::Bool),
    opt("includeProviderCapabilities", Shape::Bool),
    opt("includeDefaultModels", Shape::Bool),
    opt("preparedOnly", Shape::Bool),
    opt("refresh", Shape::Bool),
    opt(
        "view",
        Shape::OneOf(&["default", "configured", "provider-config", "all"]),
    ),
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
    opt("channel", STRING),
    opt("replyChannel", STRING),
    opt("accountId", STRING),
    opt("replyAccountId", STRING),
    opt("threadId", STRING),
    opt("timeout", COUNT),
    opt("extraSystemPrompt", STRING),
    opt("label", STRING),
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
const SUPERVISOR_TREE: &[Field] = &[opt("path", STRING), opt("depth", between(0, 64))];
const SUPERVISOR_CHAOS: &[Field] = &[
    opt("path", TEXT),
    req(
        "action",
        Shape::OneOf(&["kill", "panic", "hang", "arm", "disarm", "hits"]),
    ),
    opt("faults", STRING),
];

/// Patches that a protocol 4 client may make with the right to write.
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
