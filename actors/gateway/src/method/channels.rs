//! `channels.status`.

use std::collections::BTreeMap;

use openclaw_protocol::Protocol;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use crate::health::label;
use crate::services::now_ms;

pub(super) fn status(call: Call) -> Outcome {
    let wanted = call.text("channel");
    let mut accounts: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut defaults = Map::new();
    let mut summaries = Map::new();
    let mut issues = Vec::new();
    for (key, status) in call.services.accounts.all() {
        let channel = key.channel.to_string();
        if wanted.is_some_and(|wanted| wanted != channel) {
            continue;
        }
        for issue in &status.issues {
            issues.push(json!({
                "channel": channel, "accountId": status.account_id, "kind": issue.kind,
                "message": issue.message, "fix": issue.fix,
            }));
        }
        let is_default = &*key.account == openclaw_protocol::AccountKey::DEFAULT;
        let value = serde_json::to_value(&status).unwrap_or(Value::Null);
        if is_default || !defaults.contains_key(&channel) {
            defaults.insert(channel.clone(), json!(status.account_id));
            summaries.insert(channel.clone(), value.clone());
        }
        accounts.entry(channel).or_default().push(value);
    }
    let order: Vec<&String> = accounts.keys().collect();
    let labels: Map<String, Value> = order
        .iter()
        .map(|channel| ((*channel).clone(), json!(label(channel))))
        .collect();
    let details: Map<String, Value> = order
        .iter()
        .map(|channel| ((*channel).clone(), json!(detail(channel))))
        .collect();
    let meta: Vec<Value> = order
        .iter()
        .map(|channel| {
            json!({ "id": channel, "label": label(channel), "detailLabel": detail(channel) })
        })
        .collect();
    let mut answer = json!({
        "ts": now_ms(),
        "channelOrder": order,
        "channelLabels": labels,
        "channelDetailLabels": details,
        "channelSystemImages": {},
        "channelMeta": meta,
        "channels": summaries,
        "channelAccounts": accounts,
        "channelDefaultAccountId": defaults,
    });
    if call.principal.version == Protocol::V4
        && let Value::Object(answer) = &mut answer
    {
        answer.insert("statusIssues".to_owned(), json!(issues));
    }
    Outcome::now(Ok(answer))
}

fn detail(channel: &str) -> String {
    match channel {
        "telegram" => "Telegram Bot".to_owned(),
        other => label(other),
    }
}
