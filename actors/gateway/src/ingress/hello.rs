//! The gateway's answer to a `connect` that was admitted.

use openclaw_protocol::Protocol;
use openclaw_protocol::Scope;
use serde_json::Value;
use serde_json::json;

use super::auth::mode_name;
use super::principal::Principal;
use super::principal::Role;
use crate::device::record::Token;
use crate::health;
use crate::method;
use crate::services::Services;
use crate::services::now_ms;

/// How often a tick is sent.
pub const TICK_MS: u64 = 30_000;

/// The largest message before the caller has proven who it is.
pub const EARLY_LIMIT: usize = 64 * 1024;

/// Pictures and files that travel in messages.
const ATTACHMENT_LIMIT: usize = 5_000_000;

/// Events that both versions know.
const EVENTS: [&str; 17] = [
    "connect.challenge",
    "agent",
    "chat",
    "presence",
    "tick",
    "talk.mode",
    "shutdown",
    "health",
    "cron",
    "node.pair.requested",
    "node.pair.resolved",
    "device.pair.requested",
    "device.pair.resolved",
    "voicewake.changed",
    "exec.approval.requested",
    "exec.approval.resolved",
    "supervisor",
];

/// Events that came with protocol 4.
const LATE_EVENTS: [&str; 4] = [
    "sessions.changed",
    "session.message",
    "device.pair.changed",
    "device.pair.setup.completed",
];

/// The largest message a client may send once it is admitted.
pub fn max_payload(version: Protocol) -> usize {
    match version {
        Protocol::V3 => 8 * 1024 * 1024,
        Protocol::V4 => 25 * 1024 * 1024,
    }
}

/// How much may wait to be written to a client.
pub fn max_buffered(version: Protocol) -> usize {
    match version {
        Protocol::V3 => 16 * 1024 * 1024,
        Protocol::V4 => 50 * 1024 * 1024,
    }
}

/// The payload of `hello-ok`.
pub fn hello(
    services: &Services,
    principal: &Principal,
    connection_id: &str,
    tokens: &[Token],
) -> Value {
    let version = principal.version;
    let is_late = version == Protocol::V4;
    let mut server = json!({ "version": services.version, "connId": connection_id });
    let mut features = json!({ "methods": method::advertised(version), "events": events(version) });
    let mut policy = json!({
        "maxPayload": max_payload(version),
        "maxBufferedBytes": max_buffered(version),
        "tickIntervalMs": TICK_MS,
    });
    let mut hello = json!({ "type": "hello-ok", "protocol": version.number() });
    if is_late {
        set(&mut server, "bootId", json!(services.boot_id));
        set(&mut features, "capabilities", json!([]));
        let attachments =
            json!({ "maxBytes": ATTACHMENT_LIMIT, "maxImageBytes": ATTACHMENT_LIMIT });
        set(&mut policy, "attachments", attachments);
    }
    set(&mut hello, "server", server);
    set(&mut hello, "features", features);
    set(&mut hello, "snapshot", snapshot(services, principal));
    // Earlier clients know the field only for the sake of the device's token.
    if is_late || !tokens.is_empty() {
        set(&mut hello, "auth", auth(principal, tokens));
    }
    set(&mut hello, "policy", policy);
    hello
}

fn events(version: Protocol) -> Vec<&'static str> {
    let late: &[&str] = match version {
        Protocol::V3 => &[],
        Protocol::V4 => &LATE_EVENTS,
    };
    EVENTS.iter().chain(late).copied().collect()
}

fn auth(principal: &Principal, tokens: &[Token]) -> Value {
    let mut auth = json!({
        "role": principal.role.as_str(),
        "scopes": principal.scopes.names().collect::<Vec<_>>(),
    });
    if principal.version == Protocol::V4 {
        let method = principal.verified.proof().as_str();
        set(&mut auth, "method", json!(method));
    }
    let mut tokens = tokens.iter();
    if let Some(own) = tokens.next() {
        set(&mut auth, "deviceToken", json!(own.token.expose()));
        set(&mut auth, "issuedAtMs", json!(own.issued_at_ms()));
    }
    let others: Vec<Value> = tokens
        .map(|token| {
            json!({
                "deviceToken": token.token.expose(), "role": token.role, "scopes": token.scopes,
                "issuedAtMs": token.issued_at_ms(),
            })
        })
        .collect();
    if principal.version == Protocol::V4 && !others.is_empty() {
        set(&mut auth, "deviceTokens", Value::Array(others));
    }
    auth
}

fn snapshot(services: &Services, principal: &Principal) -> Value {
    let is_late = principal.version == Protocol::V4;
    let may_read = principal.role == Role::Operator && principal.scopes.allows(Scope::Read);
    let is_admin = principal.scopes.allows(Scope::Admin);
    let (presence_version, health_version) = services.hub.state_version();
    let (presence, health) = if may_read {
        (services.presence.list(now_ms()), health::snapshot(services))
    } else {
        (json!([]), json!({}))
    };
    let mut snapshot = json!({
        "presence": presence,
        "health": health,
        "stateVersion": { "presence": presence_version, "health": health_version },
        "uptimeMs": services.uptime_ms(),
    });
    if may_read {
        let defaults = health::session_defaults(&services.configuration());
        set(&mut snapshot, "sessionDefaults", defaults);
    }
    // Where things are on disk is only for those who may change them.
    if is_admin {
        set(
            &mut snapshot,
            "configPath",
            json!(services.paths.config_path),
        );
        set(&mut snapshot, "stateDir", json!(services.paths.state_dir));
        if is_late {
            let mode = mode_name(services.auth_policy().mode);
            set(&mut snapshot, "authMode", json!(mode));
        }
    }
    snapshot
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(object) = object {
        object.insert(name.to_owned(), value);
    }
}
