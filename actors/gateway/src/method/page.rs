//! What the page of protocol 4 asks when it starts. What is not there is an empty list, not a made-up one.

use openclaw_protocol::ErrorShape;
use openclaw_session::entry;
use openclaw_session::sessions::Listed;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::agents;
use super::commands;
use super::history;
use crate::ingress::outbound::Payload;

/// A conversation with what is needed to show it: history, models, commands, agents.
pub(super) fn startup(call: Call) -> Outcome {
    Outcome::written(async move {
        let mut shown = history::read(&call).await?;
        shown.add("metadata", facts(&call).await);
        shown.add("agents", agents::listed(&call));
        Ok(Payload::from(shown.written()))
    })
}

pub(super) fn metadata(call: Call) -> Outcome {
    Outcome::later(async move { Ok(facts(&call).await) })
}

async fn facts(call: &Call) -> Value {
    let catalogue = (call.services.catalogue)();
    json!({
        "models": catalogue.list(),
        "commands": commands::all(call).await,
        "defaults": super::models::defaults(&call.services),
    })
}

pub(super) fn environments(_call: Call) -> Outcome {
    let here = json!({
        "id": "gateway",
        "type": "local",
        "label": "Gateway local",
        "status": "available",
        "platform": std::env::consts::OS,
        "sessionHost": true,
        "trust": "persistent",
        "capabilities": ["agent.run", "sessions", "tools", "workspace"],
    });
    Outcome::now(Ok(json!({ "environments": [here] })))
}

pub(super) fn tasks(call: Call) -> Outcome {
    Outcome::later(async move {
        let listed = call.services.sessions.list(&Default::default()).await;
        let of_session = call.text("sessionKey");
        let of_agent = call.text("agentId");
        let is_wanted = |listed: &&Listed| {
            of_session.is_none_or(|key| key == listed.key.as_str())
                && of_agent.is_none_or(|agent| agent == listed.key.agent().as_str())
        };
        // What is over is in the transcripts, not here.
        let running = listed.iter().filter(is_wanted).filter_map(|listed| {
            let run_id = listed
                .active_run
                .as_ref()
                .filter(|_| wants_running(&call))?;
            Some(json!({
                "id": run_id,
                "runtime": "cli",
                "status": "running",
                "sessionKey": listed.key,
                "agentId": listed.key.agent(),
                "title": entry::text(&listed.entry, "label").unwrap_or(listed.key.as_str()),
                "updatedAt": entry::updated_at(&listed.entry),
            }))
        });
        Ok::<_, ErrorShape>(json!({ "tasks": running.collect::<Vec<_>>() }))
    })
}

fn wants_running(call: &Call) -> bool {
    match call.params.get("status") {
        Some(Value::String(status)) => status == "running",
        Some(Value::Array(wanted)) => wanted.iter().any(|status| status == "running"),
        _ => true,
    }
}

/// Nobody is told apart by an account of their own: whoever holds the secret is the owner.
pub(super) fn user(_call: Call) -> Outcome {
    Outcome::now(Ok(json!({ "status": "no_durable_identity" })))
}

pub(super) fn prefs(_call: Call) -> Outcome {
    Outcome::now(Ok(json!({ "status": "no_durable_identity" })))
}

pub(super) fn plugins(_call: Call) -> Outcome {
    Outcome::now(Ok(json!({ "plugins": [], "descriptors": [] })))
}

pub(super) fn groups(_call: Call) -> Outcome {
    Outcome::now(Ok(json!({ "groups": [] })))
}

pub(super) fn questions(_call: Call) -> Outcome {
    Outcome::now(Ok(json!({ "questions": [] })))
}

pub(super) fn none(_call: Call) -> Outcome {
    Outcome::now(Ok(json!([])))
}

/// Who looks at what is not shown to others, so there is nothing to keep.
pub(super) fn done(_call: Call) -> Outcome {
    Outcome::now(Ok(json!({ "ok": true })))
}
