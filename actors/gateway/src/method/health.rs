//! `health`, `status`, `system-presence`.

use openclaw_protocol::Protocol;
use openclaw_protocol::SessionKey;
use openclaw_session::entry;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use crate::health::snapshot;
use crate::services::now_ms;

/// Sessions listed in a status.
const RECENT: usize = 10;

pub(super) fn health(call: Call) -> Outcome {
    if call.flag("probe") == Some(true) {
        call.services.health.refresh();
    }
    Outcome::now(Ok(snapshot(&call.services)))
}

/// Who has the places for turns, and who waits for one.
pub(super) fn lanes(call: Call) -> Outcome {
    let load = call.services.sessions.load();
    let waiting: usize = load.lanes.iter().map(|lane| lane.waiting).sum();
    let mut lanes = vec![json!({
        "lane": "turns",
        "activeCount": load.taken,
        "queuedCount": waiting,
        "maxConcurrent": load.limit,
    })];
    lanes.extend(load.lanes.iter().map(|lane| {
        json!({
            "lane": lane.name,
            "activeCount": lane.running,
            "queuedCount": lane.waiting,
            "maxConcurrent": load.share,
            "group": "turns",
            "groupActive": load.taken,
            "groupBudget": load.limit,
        })
    }));
    Outcome::now(Ok(json!({ "lanes": lanes })))
}

pub(super) fn presence(call: Call) -> Outcome {
    Outcome::now(Ok(call.services.presence.list(now_ms())))
}

pub(super) fn status(call: Call) -> Outcome {
    Outcome::later(async move { Ok(summary(&call)) })
}

fn summary(call: &Call) -> Value {
    let services = &call.services;
    let config = services.configuration();
    let now = now_ms();
    let agents = config.agents.ids();
    let mut paths = Vec::new();
    let mut rows: Vec<(i64, String, Value)> = Vec::new();
    for agent in &agents {
        paths.push(json!(services.paths.sessions_file(agent)));
        for (key, value) in services.ledger.session_entries(agent.as_str()) {
            let updated_at = value.get("updatedAt").and_then(Value::as_i64).unwrap_or(0);
            rows.push((updated_at, agent.to_string(), row(&key, &value, now)));
        }
    }
    rows.sort_by_key(|(updated_at, ..)| std::cmp::Reverse(*updated_at));
    let recent = |agent: Option<&str>| {
        let own = rows
            .iter()
            .filter(|(_, of, _)| agent.is_none_or(|agent| agent == of));
        own.take(RECENT)
            .map(|(.., row)| row.clone())
            .collect::<Vec<_>>()
    };
    let count = |agent: &str| rows.iter().filter(|(_, of, _)| of == agent).count();
    let by_agent: Vec<Value> = agents
        .iter()
        .zip(&paths)
        .map(|(agent, path)| {
            let agent = agent.as_str();
            json!({
                "agentId": agent, "path": path, "count": count(agent), "recent": recent(Some(agent)),
            })
        })
        .collect();
    let heartbeats: Vec<Value> = agents
        .iter()
        .map(|agent| {
            json!({ "agentId": agent, "enabled": false, "every": "disabled", "everyMs": null })
        })
        .collect();
    let channels: Vec<String> = services
        .accounts
        .all()
        .into_iter()
        .map(|(key, status)| format!("{key}: {:?}", status.state).to_lowercase())
        .collect();
    let mut summary = json!({
        "heartbeat": { "defaultAgentId": config.agents.default_id(), "agents": heartbeats },
        "channelSummary": channels,
        "queuedSystemEvents": [],
        "sessions": {
            "paths": paths,
            "count": rows.len(),
            "defaults": super::models::defaults(services),
            "recent": recent(None),
            "byAgent": by_agent,
        },
    });
    if call.principal.version == Protocol::V4
        && let Value::Object(summary) = &mut summary
    {
        summary.insert("runtimeVersion".to_owned(), json!(services.version));
        summary.insert("pid".to_owned(), json!(std::process::id()));
        summary.insert("uptimeMs".to_owned(), json!(services.uptime_ms()));
        summary.insert("ledger".to_owned(), json!(services.ledger.stats()));
    }
    summary
}

fn row(key: &SessionKey, value: &Value, now: i64) -> Value {
    let empty = entry::Entry::new();
    let fields = value.as_object().unwrap_or(&empty);
    let number = |name: &str| fields.get(name).and_then(Value::as_u64);
    let updated_at = entry::updated_at(fields);
    let (total, window) = (number("totalTokens"), number("contextTokens"));
    let remaining = total
        .zip(window)
        .map(|(total, window)| window.saturating_sub(total));
    let percent = total.zip(window).filter(|(_, window)| *window > 0);
    json!({
        "agentId": key.agent(),
        "key": key,
        "kind": entry::kind(key, fields),
        "sessionId": entry::session_id(fields),
        "updatedAt": updated_at,
        "age": updated_at.map(|at| (now - at).max(0)),
        "inputTokens": number("inputTokens").unwrap_or(0),
        "outputTokens": number("outputTokens").unwrap_or(0),
        "totalTokens": total.unwrap_or(0),
        "remainingTokens": remaining,
        "percentUsed": percent.map(|(total, window)| (total * 100 / window).min(999)),
        "model": entry::text(fields, "model"),
        "contextTokens": window,
        "abortedLastRun": fields.get("abortedLastRun"),
        "flags": [],
    })
}
