//! `sessions.usage*`: what was said and what it cost, by session.

use std::collections::BTreeMap;

use openclaw_ledger::UsageSum;
use openclaw_ledger::UsageSums;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::SessionKey;
use openclaw_session::entry;
use openclaw_session::sessions::Filter;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::run;
use super::usage::days;
use super::usage::shown;
use super::usage::spans;
use crate::services::now_ms;

/// Sessions unless told otherwise.
const SESSIONS: u64 = 50;
/// Lines of a session's log unless told otherwise.
const LINES: u64 = 200;

/// What was said.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    user: u64,
    assistant: u64,
    calls: u64,
    results: u64,
    errors: u64,
}

impl Said {
    fn count(messages: &[Value], tools: &mut BTreeMap<String, u64>) -> Self {
        let mut said = Self::default();
        for message in messages {
            let text = |name: &str| message.get(name).and_then(Value::as_str);
            match text("role") {
                Some("user") => said.user += 1,
                Some("assistant") => said.assistant += 1,
                Some("toolResult") => said.results += 1,
                _ => continue,
            }
            let is_error = message.get("isError") == Some(&json!(true));
            said.errors += u64::from(is_error || text("stopReason") == Some("error"));
            let parts = message.get("content").and_then(Value::as_array);
            for part in parts.into_iter().flatten() {
                if part.get("type").and_then(Value::as_str) == Some("toolCall") {
                    said.calls += 1;
                    let name = part.get("name").and_then(Value::as_str).unwrap_or_default();
                    *tools.entry(name.to_owned()).or_default() += 1;
                }
            }
        }
        said
    }

    fn add(&mut self, more: Self) {
        self.user += more.user;
        self.assistant += more.assistant;
        self.calls += more.calls;
        self.results += more.results;
        self.errors += more.errors;
    }

    fn shown(self) -> Value {
        json!({
            "total": self.user + self.assistant,
            "user": self.user,
            "assistant": self.assistant,
            "toolCalls": self.calls,
            "toolResults": self.results,
            "errors": self.errors,
        })
    }
}

fn tool_usage(tools: &BTreeMap<String, u64>) -> Value {
    let mut listed: Vec<_> = tools.iter().collect();
    listed.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let rows: Vec<Value> = listed
        .iter()
        .map(|(name, count)| json!({ "name": name, "count": count }))
        .collect();
    json!({ "totalCalls": tools.values().sum::<u64>(), "uniqueTools": tools.len(), "tools": rows })
}

pub(super) fn usage(call: Call) -> Outcome {
    Outcome::later(async move {
        let days = days(&call)?;
        let (Some(first), Some(last)) = (days.first().copied(), days.last().copied()) else {
            return Err(ErrorShape::invalid("no days"));
        };
        let sums: Vec<_> = spans(&days)
            .map(|(day, from, until)| (day, call.services.ledger.usage(from, until)))
            .collect();
        let wanted = match call.text("key") {
            Some(key) => Some(run::session(&call, key)?),
            None => None,
        };
        let limit = call.number("limit").unwrap_or(SESSIONS);
        let listed = call.services.sessions.list(&Filter::default()).await;
        let is_wanted = |key: &SessionKey| wanted.as_ref().is_none_or(|wanted| wanted == key);
        let listed = listed.into_iter().filter(|listed| is_wanted(&listed.key));
        let (mut rows, mut all, mut tools) = (Vec::new(), Said::default(), BTreeMap::new());
        let mut total = UsageSum::default();
        for listed in listed.take(usize::try_from(limit).unwrap_or(usize::MAX)) {
            let key = listed.key.as_str();
            let mut sum = UsageSum::default();
            let mut daily = Vec::new();
            for (day, sums) in &sums {
                if let Some(of_day) = sums.sessions.get(key) {
                    sum.add(of_day);
                    daily.push(json!({
                        "date": day.to_string(), "tokens": of_day.tokens(), "cost": of_day.cost_usd,
                    }));
                }
            }
            let history = call
                .services
                .sessions
                .history(&listed.key, usize::MAX)
                .await;
            let history = history.map_err(run::refused)?;
            let mut own = BTreeMap::new();
            let said = Said::count(&history.messages(), &mut own);
            let mut usage = shown(&sum);
            if let Value::Object(usage) = &mut usage {
                usage.insert("sessionId".to_owned(), json!(history.session_id));
                usage.insert("dailyBreakdown".to_owned(), json!(daily));
                usage.insert("messageCounts".to_owned(), said.shown());
                usage.insert("toolUsage".to_owned(), tool_usage(&own));
            }
            let text = |name: &str| entry::text(&listed.entry, name).map(str::to_owned);
            let channel = text("lastChannel").or_else(|| text("channel"));
            total.add(&sum);
            all.add(said);
            for (name, count) in own {
                *tools.entry(name).or_default() += count;
            }
            rows.push(json!({
                "key": listed.key,
                "label": text("label"),
                "sessionId": entry::session_id(&listed.entry),
                "updatedAt": entry::updated_at(&listed.entry),
                "agentId": listed.key.agent(),
                "channel": channel,
                "chatType": text("chatType"),
                "modelProvider": text("modelProvider"),
                "model": text("model"),
                "usage": usage,
            }));
        }
        let all_days = |part: fn(&UsageSums) -> &BTreeMap<String, UsageSum>| {
            added(sums.iter().flat_map(|(_, sums)| part(sums)), str::to_owned)
        };
        let by_model = all_days(|sums| &sums.models);
        let provider = |model: &str| model.split('/').next().unwrap_or_default().to_owned();
        let by_provider = added(&by_model, provider);
        let model_daily: Vec<Value> = sums
            .iter()
            .flat_map(|(day, sums)| {
                sums.models
                    .iter()
                    .map(move |(model, sum)| (day, model, sum))
            })
            .map(|(day, model, sum)| {
                let (provider, model) = model.split_once('/').unwrap_or(("", model));
                json!({
                    "date": day.to_string(), "provider": provider, "model": model,
                    "tokens": sum.tokens(), "cost": sum.cost_usd, "count": sum.calls,
                })
            })
            .collect();
        let daily: Vec<Value> = sums
            .iter()
            .filter(|(_, sums)| sums.total.calls > 0)
            .map(|(day, sums)| {
                let sum = &sums.total;
                json!({ "date": day.to_string(), "tokens": sum.tokens(), "cost": sum.cost_usd })
            })
            .collect();
        Ok(json!({
            "updatedAt": now_ms(),
            "startDate": first.to_string(),
            "endDate": last.to_string(),
            "sessions": rows,
            "totals": shown(&total),
            "aggregates": {
                "messages": all.shown(),
                "tools": tool_usage(&tools),
                "byModel": models(&by_model),
                "byProvider": named("provider", &by_provider),
                "byAgent": named("agentId", &all_days(|sums| &sums.agents)),
                "byChannel": named("channel", &added(&all_days(|sums| &sums.channels), kind)),
                "byAccount": named("account", &all_days(|sums| &sums.channels)),
                "byJob": named("jobId", &all_days(|sums| &sums.jobs)),
                "byCredential": named("credential", &all_days(|sums| &sums.credentials)),
                "dailyLatency": [],
                "modelDaily": model_daily,
                "daily": daily,
            },
        }))
    })
}

/// Sums under other names, those of the same name added up.
fn added<'s>(
    sums: impl IntoIterator<Item = (&'s String, &'s UsageSum)>,
    name: impl Fn(&str) -> String,
) -> BTreeMap<String, UsageSum> {
    let mut added: BTreeMap<String, UsageSum> = BTreeMap::new();
    for (of, sum) in sums {
        added.entry(name(of)).or_default().add(sum);
    }
    added
}

/// The kind of a channel: `telegram` of `telegram/home`. Clients of the gateway's own are one.
fn kind(account: &str) -> String {
    match account.split('/').next().unwrap_or_default() {
        "ws" | "http" => "webchat".to_owned(),
        kind => kind.to_owned(),
    }
}

fn models(sums: &BTreeMap<String, UsageSum>) -> Vec<Value> {
    let row = |(model, sum): (&String, &UsageSum)| {
        let (provider, model) = model.split_once('/').unwrap_or(("", model));
        json!({ "provider": provider, "model": model, "count": sum.calls, "totals": shown(sum) })
    };
    sums.iter().map(row).collect()
}

fn named(name: &str, sums: &BTreeMap<String, UsageSum>) -> Vec<Value> {
    let row = |(value, sum): (&String, &UsageSum)| {
        let mut row = json!({ "count": sum.calls, "totals": shown(sum) });
        if let Value::Object(row) = &mut row {
            row.insert(name.to_owned(), json!(value));
        }
        row
    };
    sums.iter().map(row).collect()
}

pub(super) fn timeseries(call: Call) -> Outcome {
    Outcome::later(async move {
        let key = run::session(&call, call.text("key").unwrap_or_default())?;
        let history = call.services.sessions.history(&key, usize::MAX).await;
        let history = history.map_err(run::refused)?;
        let mut so_far = 0;
        let points: Vec<Value> = history
            .messages()
            .iter()
            .filter_map(|message| {
                let usage = message.get("usage")?;
                let number = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
                so_far += number("totalTokens");
                Some(json!({
                    "timestamp": message.get("timestamp"),
                    "input": number("input"),
                    "output": number("output"),
                    "cacheRead": number("cacheRead"),
                    "cacheWrite": number("cacheWrite"),
                    "totalTokens": number("totalTokens"),
                    "cumulativeTokens": so_far,
                    "cost": usage.pointer("/cost/total").and_then(Value::as_f64).unwrap_or(0.0),
                }))
            })
            .collect();
        Ok(json!({ "sessionId": history.session_id, "points": points }))
    })
}

pub(super) fn logs(call: Call) -> Outcome {
    Outcome::later(async move {
        let key = run::session(&call, call.text("key").unwrap_or_default())?;
        let limit = call.number("limit").unwrap_or(LINES);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let history = call.services.sessions.history(&key, limit).await;
        let history = history.map_err(run::refused)?;
        let lines: Vec<Value> = history
            .messages()
            .iter()
            .map(|message| {
                let read: Option<openclaw_protocol::Message> =
                    serde_json::from_value(message.clone()).ok();
                json!({
                    "timestamp": message.get("timestamp"),
                    "role": message.get("role"),
                    "content": read.map(|message| message.text()).unwrap_or_default(),
                    "tokens": message.pointer("/usage/totalTokens"),
                    "cost": message.pointer("/usage/cost/total"),
                })
            })
            .collect();
        Ok(json!({ "logs": lines }))
    })
}
