//! How the gateway is: the snapshot for operators, and readiness for service managers.
//!
//! Everything is read from shared counters; nobody is asked by mail, so the answer comes even when
//! every actor hangs. What needs a look into the ledger is kept for a minute.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use openclaw_protocol::AgentId;
use openclaw_protocol::Config;
use openclaw_runtime::ActorPath;
use openclaw_runtime::State;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::services::Phase;
use crate::services::Services;
use crate::services::now_ms;

mod problem;
#[cfg(test)]
mod tests;

/// How long the part that needs the ledger is kept.
const KEPT: Duration = Duration::from_secs(60);

/// Sessions named in the snapshot.
const RECENT: usize = 5;

/// Floors of edges, which park by themselves and are tried again: the gateway works without any of them.
const EDGES: [&str; 5] = ["channels", "providers", "tools", "cron", "nodes"];

/// Parts below the first floor that the gateway can't be without.
const CORE: [&str; 2] = ["ingress/http", "ingress/pulse"];

/// Said while the ledger refuses new work for want of room.
const DISK_FULL: &str = "the disk is full";

/// The part of the snapshot that is kept.
#[derive(Debug, Default)]
pub struct HealthBoard {
    kept: Mutex<Option<(Instant, Arc<Sessions>)>>,
}

/// Sessions by agent, newest first.
#[derive(Debug, Default)]
struct Sessions {
    agents: Vec<(AgentId, Vec<(String, i64)>)>,
    took_ms: u64,
}

impl HealthBoard {
    /// Forgets what is kept, as after a change of the configuration.
    pub fn refresh(&self) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn sessions(&self, services: &Services) -> Arc<Sessions> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, sessions)) = &*kept
            && at.elapsed() < KEPT
        {
            return Arc::clone(sessions);
        }
        let sessions = Arc::new(look(services));
        *kept = Some((Instant::now(), Arc::clone(&sessions)));
        sessions
    }
}

fn look(services: &Services) -> Sessions {
    let began = Instant::now();
    let config = services.configuration();
    let of_agent = |agent: AgentId| {
        let mut rows: Vec<(String, i64)> = services
            .ledger
            .session_entries(agent.as_str())
            .into_iter()
            .map(|(key, entry)| {
                let updated_at = entry.get("updatedAt").and_then(Value::as_i64).unwrap_or(0);
                (key.to_string(), updated_at)
            })
            .collect();
        rows.sort_by_key(|(_, updated_at)| std::cmp::Reverse(*updated_at));
        (agent, rows)
    };
    Sessions {
        agents: config.agents.ids().into_iter().map(of_agent).collect(),
        took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

/// The snapshot that `health` answers with.
pub fn snapshot(services: &Services) -> Value {
    let now = now_ms();
    let config = services.configuration();
    let default_agent = config.agents.default_id();
    let sessions = services.health.sessions(services);
    let summary = |agent: &AgentId, rows: &[(String, i64)]| {
        let recent = rows.iter().take(RECENT).map(|(key, updated_at)| {
            json!({ "key": key, "updatedAt": updated_at, "age": (now - updated_at).max(0) })
        });
        json!({
            "path": services.paths.sessions_file(agent),
            "count": rows.len(),
            "recent": recent.collect::<Vec<_>>(),
        })
    };
    let agents: Vec<Value> = sessions
        .agents
        .iter()
        .map(|(agent, rows)| {
            json!({
                "agentId": agent,
                "name": config.agents.resolve(agent).and_then(|agent| agent.name),
                "isDefault": *agent == default_agent,
                "heartbeat": {
                    "enabled": false, "every": "disabled", "everyMs": null,
                    "prompt": "", "target": "none", "ackMaxChars": 0,
                },
                "sessions": summary(agent, rows),
            })
        })
        .collect();
    let none = Vec::new();
    let own = sessions
        .agents
        .iter()
        .find(|(agent, _)| *agent == default_agent);
    let own = own.map_or(&none, |(_, rows)| rows);
    let (channels, order) = channels(services);
    let labels: Map<String, Value> = order
        .iter()
        .map(|channel| (channel.clone(), json!(label(channel))))
        .collect();
    json!({
        "ok": readiness(services).failing.is_empty(),
        "problems": problem::problems(services).iter().map(problem::Problem::value).collect::<Vec<_>>(),
        "ts": now,
        "durationMs": sessions.took_ms,
        "channels": channels,
        "channelOrder": order,
        "channelLabels": labels,
        "heartbeatSeconds": 0,
        "defaultAgentId": default_agent,
        "agents": agents,
        "sessions": summary(&default_agent, own),
    })
}

/// Accounts by channel, with the first account's facts at the top as older clients expect.
fn channels(services: &Services) -> (Map<String, Value>, Vec<String>) {
    let mut channels: Map<String, Value> = Map::new();
    for (key, status) in services.accounts.all() {
        let value = serde_json::to_value(&status).unwrap_or(Value::Null);
        let slot = channels.entry(key.channel.to_string()).or_insert_with(|| {
            let mut first = value.clone();
            if let Value::Object(first) = &mut first {
                first.insert("linked".to_owned(), json!(status.connected));
                first.insert("accounts".to_owned(), json!({}));
            }
            first
        });
        if let Some(Value::Object(accounts)) = slot.get_mut("accounts") {
            accounts.insert(key.account.to_string(), value);
        }
    }
    let order = channels.keys().cloned().collect();
    (channels, order)
}

/// A channel's name for people.
pub fn label(channel: &str) -> String {
    let mut letters = channel.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().collect::<String>());
    first.unwrap_or_default() + letters.as_str()
}

/// Whether work can be taken in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    /// What stands in the way; empty means ready. Names parts, never secrets.
    pub failing: Vec<String>,
}

/// Looks whether work can be taken in: the intake is open, the ledger writes, no core part is parked.
pub fn readiness(services: &Services) -> Readiness {
    let mut failing = Vec::new();
    match services.phase() {
        Phase::Starting => failing.push("intake: starting".to_owned()),
        Phase::Closing => failing.push("intake: closing".to_owned()),
        Phase::Open => {}
    }
    let stats = services.ledger.stats();
    if stats.failed.is_some() {
        failing.push("ledger: failed".to_owned());
    } else if stats.disk_full {
        failing.push(format!("ledger: {DISK_FULL}"));
    } else if Duration::from_millis(stats.busy_ms) > Duration::from_secs(5) {
        failing.push("ledger: the disk hangs".to_owned());
    }
    let first_floor = services.directory.tree(None, Some(1));
    let first_floor = first_floor.into_iter().flat_map(|root| root.children);
    let first_floor = first_floor.filter(|node| !EDGES.contains(&node.path.as_str()));
    let below = CORE.iter().filter_map(|path| {
        services
            .directory
            .tree(Some(&ActorPath::new(path)), Some(0))
    });
    for node in first_floor.chain(below) {
        if matches!(node.state, State::Parked | State::Stopped) {
            failing.push(format!("{}: {:?}", node.path, node.state).to_lowercase());
        }
    }
    Readiness { failing }
}

/// The defaults that clients open a session with.
pub fn session_defaults(config: &Config) -> Value {
    let agent = config.agents.default_id();
    json!({
        "defaultAgentId": agent,
        "mainKey": "main",
        "mainSessionKey": openclaw_protocol::SessionKey::main(&agent),
        "scope": config.session.or_default().scope.as_str(),
    })
}
