//! `session_status`: how a conversation stands, and which model answers in it.

use std::time::Duration;

use openclaw_tool::spec;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Door;
use super::ask::Ask;
use super::sessions::find;
use super::tool::HouseTool;

pub(super) fn status(door: &Door) -> HouseTool {
    HouseTool {
        spec: spec(
            "session_status",
            "Tells how this conversation stands: model, tokens, settings. With model it changes the model.",
            json!({
                "sessionKey": { "type": "string", "description": "another conversation" },
                "model": { "type": "string", "description": "provider/model; default undoes it" },
            }),
            &[],
        ),
        door: door.clone(),
        is_idempotent: true,
        deadline: Duration::from_secs(20),
        act: |ask| Box::pin(told(ask)),
    }
}

async fn told(ask: Ask) -> Result<Value, String> {
    let named = ask.arguments.text("sessionKey");
    let seen = find(&ask, named.as_deref().unwrap_or(ask.session.as_str())).await?;
    if let Some(model) = ask.arguments.text("model") {
        let model = (model != "default").then_some(model);
        let params = json!({ "key": seen.key, "model": model });
        // Which model answers is a setting of the house, also in one's own conversation.
        ask.house("sessions.patch", params).await?;
    }
    let params = json!({ "key": seen.key });
    let answer = ask.ask(seen.about, "sessions.describe", params).await?;
    let mut shown: Map<String, Value> = match answer.get("session") {
        Some(Value::Object(row)) => row.clone(),
        _ => Map::new(),
    };
    const HIDDEN: [&str; 7] = [
        "origin",
        "deliveryContext",
        "lastTo",
        "lastAccountId",
        "systemSent",
        "activeRunIds",
        "displayName",
    ];
    shown.retain(|name, value| !HIDDEN.contains(&name.as_str()) && !value.is_null());
    let facts = ask.services.sessions.entry(&seen.key).await.ok().flatten();
    let sums = facts
        .as_ref()
        .and_then(|entry| entry.get("compactionCount"));
    if let Some(sums) = sums {
        shown.insert("summaries".to_owned(), sums.clone());
    }
    shown.insert("key".to_owned(), json!(seen.key));
    let (model, set) = ((ask.services.catalogue)(), shown.get("model").cloned());
    shown.insert(
        "defaultModel".to_owned(),
        json!(model.choice().model.to_string()),
    );
    if set.is_none() {
        shown.insert("model".to_owned(), json!(model.choice().model.to_string()));
    }
    Ok(Value::Object(shown))
}
