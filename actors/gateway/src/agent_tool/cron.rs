//! `cron`: jobs that run by the clock.

use std::time::Duration;

use openclaw_tool::spec;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Door;
use super::ask::Ask;
use super::ask::unknown_action;
use super::tool::HouseTool;

const ACTIONS: &str = "status, list, add, update, remove, run, runs, wake";

pub(super) fn cron(door: &Door) -> HouseTool {
    HouseTool {
        spec: spec(
            "cron",
            "Jobs that run by the clock, and reminders.\nA job: {name, schedule, payload}. schedule: {kind:\"at\", at:ISO time} | {kind:\"every\", everyMs} | {kind:\"cron\", expr, tz}. payload: {kind:\"systemEvent\", text} tells this agent's main session, {kind:\"agentTurn\", message} runs on its own and sends the answer here.",
            json!({
                "action": { "type": "string", "enum": ["status", "list", "add", "update", "remove", "run", "runs", "wake"] },
                "job": { "type": "object", "description": "for add" },
                "id": { "type": "string", "description": "the job, for update, remove, run, runs" },
                "patch": { "type": "object", "description": "for update" },
                "text": { "type": "string", "description": "for wake" },
                "includeDisabled": { "type": "boolean" },
            }),
            &["action"],
        ),
        door: door.clone(),
        // Added twice it would run twice.
        is_idempotent: false,
        deadline: Duration::from_secs(90),
        act: |ask| Box::pin(done(ask)),
    }
}

async fn done(ask: Ask) -> Result<Value, String> {
    let id = || {
        let id = ask
            .arguments
            .text("id")
            .or_else(|| ask.arguments.text("jobId"));
        id.ok_or_else(|| "\"id\" is missing: list shows the jobs".to_owned())
    };
    let action = ask.action()?;
    match action.as_str() {
        "status" => ask.house("cron.status", json!({})).await,
        "list" => {
            let all = ask.arguments.value("includeDisabled") == Some(&json!(true));
            let params = json!({ "includeDisabled": all, "limit": 100 });
            let answer = ask.house("cron.list", params).await?;
            Ok(json!({ "jobs": answer.get("jobs"), "total": answer.get("total") }))
        }
        "add" => {
            let job = ask.arguments.value("job").and_then(Value::as_object);
            let job = job.cloned().ok_or("\"job\" is missing")?;
            ask.house("cron.add", completed(job, &ask)?).await
        }
        "update" => {
            let patch = ask
                .arguments
                .value("patch")
                .filter(|patch| patch.is_object());
            let patch = patch.cloned().ok_or("\"patch\" is missing")?;
            ask.house("cron.update", json!({ "id": id()?, "patch": patch }))
                .await
        }
        "remove" => ask.house("cron.remove", json!({ "id": id()? })).await,
        "run" => {
            ask.house("cron.run", json!({ "id": id()?, "mode": "force" }))
                .await
        }
        "runs" => {
            ask.house("cron.runs", json!({ "id": id()?, "limit": 20 }))
                .await
        }
        "wake" => {
            let params = json!({
                "mode": "now", "text": ask.required("text")?, "agentId": ask.session.agent(),
            });
            ask.house("wake", params).await
        }
        other => Err(unknown_action(other, ACTIONS)),
    }
}

/// A job with what a model leaves out: whose it is, where it runs, where its answer goes.
fn completed(mut job: Map<String, Value>, ask: &Ask) -> Result<Value, String> {
    let payload = job
        .get("payload")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let kind = payload.get("kind").and_then(Value::as_str);
    let is_turn = match kind {
        Some("agentTurn") => true,
        Some("systemEvent") => false,
        _ => return Err("the payload's kind is systemEvent or agentTurn".to_owned()),
    };
    let mut usual = |name: &str, value: Value| {
        if job.get(name).is_none_or(Value::is_null) {
            job.insert(name.to_owned(), value);
        }
    };
    usual("agentId", json!(ask.session.agent()));
    usual(
        "sessionTarget",
        json!(if is_turn { "isolated" } else { "main" }),
    );
    usual("wakeMode", json!("now"));
    let words = payload.get("message").or_else(|| payload.get("text"));
    let words = words.and_then(Value::as_str).unwrap_or("job");
    usual("name", json!(words.chars().take(40).collect::<String>()));
    if let (true, Some(reply)) = (is_turn, &ask.caller.reply) {
        usual(
            "delivery",
            json!({ "mode": "announce", "channel": reply.channel, "to": reply.to }),
        );
    }
    Ok(Value::Object(job))
}
