//! `gateway`: its configuration and its parts, for owners only.

use std::time::Duration;

use openclaw_tool::spec;
use serde_json::Value;
use serde_json::json;

use super::Door;
use super::ask::Ask;
use super::ask::unknown_action;
use super::tool::HouseTool;

const ACTIONS: &str = "config.get, config.patch, restart";

/// What an agent may change: how it answers. Everything else can guard the owner, or start a program, or send what is
/// secret elsewhere, and is changed by the owner.
const OPEN: [&str; 27] = [
    "agents.defaults.blockStreamingBreak",
    "agents.defaults.blockStreamingChunk",
    "agents.defaults.blockStreamingCoalesce",
    "agents.defaults.blockStreamingDefault",
    "agents.defaults.compaction",
    "agents.defaults.contextPruning",
    "agents.defaults.envelopeElapsed",
    "agents.defaults.envelopeTimestamp",
    "agents.defaults.envelopeTimezone",
    "agents.defaults.humanDelay",
    "agents.defaults.imageModel",
    "agents.defaults.model",
    "agents.defaults.reasoningDefault",
    "agents.defaults.thinkingDefault",
    "agents.defaults.timeFormat",
    "agents.defaults.typingIntervalSeconds",
    "agents.defaults.typingMode",
    "agents.defaults.userTimezone",
    "agents.defaults.verboseDefault",
    "messages.ackReaction",
    "messages.ackReactionScope",
    "messages.inbound",
    "messages.messagePrefix",
    "messages.queue",
    "messages.removeAckAfterReply",
    "messages.responsePrefix",
    "messages.statusReactions",
];

pub(super) fn gateway(door: &Door) -> HouseTool {
    HouseTool {
        spec: spec(
            "gateway",
            "For the owner: reads or changes this gateway's configuration (in force at once), or restarts one of its parts.",
            json!({
                "action": { "type": "string", "enum": ["config.get", "config.patch", "restart"] },
                "path": { "type": "string", "description": "of config.get, such as agents.defaults; of restart: a part, such as channels/telegram/home" },
                "patch": { "type": "object", "description": "what to merge; null removes" },
            }),
            &["action"],
        ),
        door: door.clone(),
        is_idempotent: false,
        deadline: Duration::from_secs(60),
        act: |ask| Box::pin(done(ask)),
    }
}

async fn done(ask: Ask) -> Result<Value, String> {
    if !ask.caller.is_owner {
        return Err("only an owner of this gateway may ask for that".to_owned());
    }
    let action = ask.action()?;
    match action.as_str() {
        "config.get" => {
            let answer = ask.house("config.get", json!({})).await?;
            let path = ask.arguments.text("path").unwrap_or_default();
            let config = answer.get("config").cloned().unwrap_or_default();
            let found = at(&config, &path).ok_or_else(|| format!("nothing is set at {path}"))?;
            Ok(json!({ "path": path, "value": found, "issues": answer.get("issues") }))
        }
        "config.patch" => {
            let patch = ask
                .arguments
                .value("patch")
                .filter(|patch| patch.is_object());
            let patch =
                patch.ok_or("\"patch\" is missing: an object, such as {\"agents\": {...}}")?;
            if let Some(path) = closed(patch, "") {
                return Err(format!(
                    "{path} is not for agents to change: the owner does it with `openclaw config set`. An agent may change {}",
                    OPEN.join(", ")
                ));
            }
            let current = ask.house("config.get", json!({})).await?;
            let params = json!({ "raw": patch.to_string(), "baseHash": current.get("hash") });
            let answer = ask.house("config.patch", params).await?;
            Ok(json!({ "changed": answer.get("changedPaths") }))
        }
        "restart" => {
            let none = "say which part (path): a change of the configuration is in force without any restart";
            let path = ask.arguments.text("path").ok_or(none)?;
            if ask.config().tree.value().pointer("/commands/restart") == Some(&json!(false)) {
                return Err("commands.restart is off".to_owned());
            }
            ask.house("supervisor.restart", json!({ "path": path }))
                .await
        }
        other => Err(unknown_action(other, ACTIONS)),
    }
}

/// What stands at a path of names with dots.
fn at<'a>(config: &'a Value, path: &str) -> Option<&'a Value> {
    let mut steps = path.split('.').filter(|step| !step.is_empty());
    steps.try_fold(config, |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        value => value.get(step),
    })
}

/// The first place of a patch that is not for agents to change.
fn closed(patch: &Value, at: &str) -> Option<String> {
    if OPEN.contains(&at) {
        return None;
    }
    let opens = |name: &str| at.is_empty() || OPEN.iter().any(|open| open.starts_with(name));
    match patch {
        Value::Object(fields) if opens(&format!("{at}.")) => {
            fields.iter().find_map(|(name, value)| {
                let dot = if at.is_empty() { "" } else { "." };
                let place = format!("{at}{dot}{name}");
                // A name with a dot in it is not the path that it looks like.
                if name.contains('.') {
                    return Some(place);
                }
                closed(value, &place)
            })
        }
        _ => Some(at.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_changes_how_it_answers_and_nothing_that_guards_its_owner() {
        for (patch, place) in [
            (
                json!({ "gateway": { "auth": { "mode": "none" } } }),
                "gateway",
            ),
            (json!({ "tools": { "exec": { "ask": "off" } } }), "tools"),
            (json!({ "tools": null }), "tools"),
            (
                json!({ "mcp": { "servers": { "x": { "command": "sh" } } } }),
                "mcp",
            ),
            (json!({ "budgets": null }), "budgets"),
            (json!({ "session": { "sendPolicy": null } }), "session"),
            (
                json!({ "channels": { "telegram": { "allowFrom": ["*"] } } }),
                "channels",
            ),
            (
                json!({ "models": { "providers": { "x": { "baseUrl": "http://x" } } } }),
                "models",
            ),
            (json!({ "env": { "LD_PRELOAD": "/tmp/x.so" } }), "env"),
            (json!({ "agents": null }), "agents"),
            (
                json!({ "agents": { "list": [{ "id": "main" }] } }),
                "agents.list",
            ),
            (json!({ "agents": { "defaults": null } }), "agents.defaults"),
            (
                json!({ "agents": { "defaults": { "sandbox": { "mode": "off" } } } }),
                "agents.defaults.sandbox",
            ),
            (
                json!({ "agents": { "defaults": { "workspace": "/" } } }),
                "agents.defaults.workspace",
            ),
            (
                json!({ "agents": { "defaults": { "modelx": "a" } } }),
                "agents.defaults.modelx",
            ),
            (
                json!({ "agents": { "defaults": { "model": "a/b", "cliBackends": {} } } }),
                "agents.defaults.cliBackends",
            ),
            (
                json!({ "messages": { "tts": { "apiKey": "k" } } }),
                "messages.tts",
            ),
            (json!({ "a.b": 1 }), "a.b"),
            (json!({ "messages.queue": 1 }), "messages.queue"),
        ] {
            assert_eq!(closed(&patch, "").as_deref(), Some(place), "{patch}");
        }
        for patch in [
            json!({ "agents": { "defaults": { "thinkingDefault": "low", "userTimezone": "Europe/Paris" } } }),
            json!({ "agents": { "defaults": { "model": { "primary": "a/b" } } } }),
            json!({ "messages": { "responsePrefix": "x", "queue": { "mode": "collect" } } }),
            json!({ "agents": { "defaults": { "imageModel": null } } }),
            json!({}),
        ] {
            assert_eq!(closed(&patch, ""), None, "{patch}");
        }
    }

    #[test]
    fn a_place_is_found_by_its_names() {
        let config = json!({ "a": { "b": [1, { "c": 2 }] } });
        assert_eq!(at(&config, "a.b.1.c"), Some(&json!(2)));
        assert_eq!(at(&config, ""), Some(&config));
        assert_eq!(at(&config, "a.x"), None);
    }
}
