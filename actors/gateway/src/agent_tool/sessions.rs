//! `sessions_list`, `sessions_history`, `sessions_send`: other conversations, as far as a turn may see them.

use std::time::Duration;

use openclaw_protocol::Scope;
use openclaw_protocol::SessionKey;
use openclaw_tool::SessionKind;
use openclaw_tool::spec;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Door;
use super::ask::Ask;
use super::principal::About;
use super::tool::HouseTool;
use super::visible::visible;

/// Sessions of one list.
const MOST_SESSIONS: usize = 200;
/// Messages of a history.
const MOST_MESSAGES: usize = 200;
/// Characters of one message.
const MESSAGE_CHARS: usize = 4_000;
/// Characters of a history; the oldest go first.
const HISTORY_CHARS: usize = 80_000;
/// How long an answer of another session is waited for, unless told otherwise.
const WAIT_SECONDS: usize = 30;
const LONGEST_WAIT_SECONDS: usize = 600;

pub(super) fn list(door: &Door) -> HouseTool {
    HouseTool {
        spec: spec(
            "sessions_list",
            "Lists conversations of this gateway, the latest first.",
            json!({
                "kinds": { "type": "array", "items": { "type": "string" }, "description": "main, direct, group, channel, cron, hook, node, subagent, other" },
                "limit": { "type": "integer", "maximum": MOST_SESSIONS },
                "activeMinutes": { "type": "integer" },
                "messageLimit": { "type": "integer", "description": "last messages to show of each" },
            }),
            &[],
        ),
        door: door.clone(),
        is_idempotent: true,
        deadline: Duration::from_secs(20),
        act: |ask| Box::pin(listed(ask)),
    }
}

pub(super) fn history(door: &Door) -> HouseTool {
    HouseTool {
        spec: spec(
            "sessions_history",
            "Reads the last messages of a conversation.",
            json!({
                "sessionKey": { "type": "string", "description": "a key or id of sessions_list" },
                "limit": { "type": "integer", "maximum": MOST_MESSAGES },
                "includeTools": { "type": "boolean" },
            }),
            &["sessionKey"],
        ),
        door: door.clone(),
        is_idempotent: true,
        deadline: Duration::from_secs(20),
        act: |ask| Box::pin(read(ask)),
    }
}

pub(super) fn send(door: &Door) -> HouseTool {
    HouseTool {
        spec: spec(
            "sessions_send",
            "Writes to another conversation's agent and waits for what it answers.",
            json!({
                "sessionKey": { "type": "string" },
                "label": { "type": "string", "description": "instead of sessionKey" },
                "message": { "type": "string" },
                "timeoutSeconds": { "type": "integer", "description": "0: don't wait" },
            }),
            &["message"],
        ),
        door: door.clone(),
        is_idempotent: true,
        deadline: Duration::from_secs(LONGEST_WAIT_SECONDS as u64 + 30),
        act: |ask| Box::pin(sent(ask)),
    }
}

/// A session that the turn may see, and as what.
pub(super) struct Seen {
    pub(super) key: SessionKey,
    pub(super) about: About,
    /// Whether there is anything of it yet.
    pub(super) exists: bool,
}

/// The session that a model names: by key, id or label.
pub(super) async fn find(ask: &Ask, named: &str) -> Result<Seen, String> {
    let sessions = ask.services.sessions.list(&Default::default()).await;
    let expanded = SessionKey::expand(named, &ask.session.agent()).ok();
    let found = sessions.iter().find(|listed| {
        let is = |name: &str| listed.entry.get(name).and_then(Value::as_str) == Some(named);
        expanded.as_ref() == Some(&listed.key) || is("sessionId") || is("label")
    });
    let config = ask.config();
    // Whether it exists is told only to who may see it.
    let key = found.map(|listed| listed.key.clone()).or(expanded);
    let key = key.ok_or_else(|| format!("no session {named}"))?;
    let spawned_by = found
        .and_then(|listed| listed.entry.get("spawnedBy"))
        .and_then(Value::as_str);
    let about = visible(&ask.session, &key, spawned_by, config.tree.value())?;
    let exists = found.is_some();
    Ok(Seen { key, about, exists })
}

async fn listed(ask: Ask) -> Result<Value, String> {
    let limit = ask.arguments.count("limit", 50, MOST_SESSIONS);
    let mut params = json!({ "agentId": ask.session.agent() });
    if ask
        .config()
        .tree
        .value()
        .pointer("/tools/agentToAgent/enabled")
        == Some(&json!(true))
    {
        params = json!({});
    }
    if let (Some(minutes), Value::Object(params)) =
        (ask.arguments.value("activeMinutes"), &mut params)
    {
        params.insert("activeMinutes".to_owned(), minutes.clone());
    }
    // Those that are not the turn's own are taken out below unless they may be seen.
    let answer = ask
        .ask(About::OwnConversation, "sessions.list", params)
        .await?;
    let rows = answer.get("sessions").and_then(Value::as_array);
    let kinds = ask.arguments.texts("kinds");
    let may_read = ask.caller.scopes.allows(Scope::Read);
    let config = ask.config();
    let mut shown = Vec::new();
    for row in rows.into_iter().flatten() {
        let Some(key) = row
            .get("key")
            .and_then(Value::as_str)
            .and_then(|key| SessionKey::parse(key).ok())
        else {
            continue;
        };
        let spawned_by = spawned_by(&ask, &key).await;
        let is_seen = match visible(
            &ask.session,
            &key,
            spawned_by.as_deref(),
            config.tree.value(),
        ) {
            Ok(About::OwnConversation) => true,
            Ok(About::House) => may_read,
            Err(_) => false,
        };
        let kind = SessionKind::of(&key).as_str();
        if is_seen && (kinds.is_empty() || kinds.iter().any(|wanted| wanted == kind)) {
            shown.push(short(row, kind));
        }
        if shown.len() == limit {
            break;
        }
    }
    let messages = ask
        .arguments
        .value("messageLimit")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    if messages > 0 {
        add_messages(&ask, &mut shown, messages.min(20)).await?;
    }
    Ok(json!({ "count": shown.len(), "sessions": shown }))
}

async fn spawned_by(ask: &Ask, key: &SessionKey) -> Option<String> {
    let entry = ask.services.sessions.entry(key).await.ok().flatten()?;
    entry
        .get("spawnedBy")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

/// What of a row helps a model to choose.
fn short(row: &Value, kind: &str) -> Map<String, Value> {
    const FIELDS: [&str; 9] = [
        "key",
        "label",
        "displayName",
        "subject",
        "channel",
        "updatedAt",
        "model",
        "totalTokens",
        "hasActiveRun",
    ];
    let mut short = Map::new();
    for name in FIELDS {
        if let Some(value) = row.get(name).filter(|value| !value.is_null()) {
            short.insert(name.to_owned(), value.clone());
        }
    }
    short.insert("kind".to_owned(), json!(kind));
    short
}

async fn add_messages(
    ask: &Ask,
    shown: &mut [Map<String, Value>],
    messages: u64,
) -> Result<(), String> {
    let keys: Vec<&Value> = shown.iter().filter_map(|row| row.get("key")).collect();
    if keys.is_empty() {
        return Ok(());
    }
    let params = json!({ "keys": keys, "limit": messages });
    // All of them were found visible above.
    let answer = ask
        .ask(About::OwnConversation, "sessions.preview", params)
        .await?;
    let previews = answer.get("previews").and_then(Value::as_array);
    for preview in previews.into_iter().flatten() {
        let row = shown
            .iter_mut()
            .find(|row| row.get("key") == preview.get("key"));
        if let (Some(row), Some(items)) = (row, preview.get("items")) {
            row.insert("messages".to_owned(), items.clone());
        }
    }
    Ok(())
}

async fn read(ask: Ask) -> Result<Value, String> {
    let seen = find(&ask, &ask.required("sessionKey")?).await?;
    let limit = ask.arguments.count("limit", 30, MOST_MESSAGES);
    let with_tools = ask.arguments.value("includeTools") == Some(&json!(true));
    let params = json!({ "key": seen.key, "limit": limit });
    let answer = ask.ask(seen.about, "sessions.get", params).await?;
    let messages = answer.get("messages").and_then(Value::as_array);
    let mut kept: Vec<Value> = Vec::new();
    let mut left = HISTORY_CHARS;
    for message in messages.into_iter().flatten().rev() {
        let Some(said) = said(message, with_tools) else {
            continue;
        };
        let size = said.to_string().len();
        if size > left {
            break;
        }
        left -= size;
        kept.push(said);
    }
    kept.reverse();
    Ok(json!({ "sessionKey": seen.key, "messages": kept }))
}

/// A message as a model reads it: who, and the words.
fn said(message: &Value, with_tools: bool) -> Option<Value> {
    let role = message.get("role").and_then(Value::as_str)?;
    if !with_tools && !matches!(role, "user" | "assistant") {
        return None;
    }
    let words = |part: &Value| {
        let kind = part.get("type").and_then(Value::as_str).unwrap_or("text");
        match kind {
            "text" => part.get("text").and_then(Value::as_str).map(str::to_owned),
            "toolCall" if with_tools => {
                let (name, arguments) = (part.get("name")?.as_str()?, part.get("arguments")?);
                Some(format!("[{name} {arguments}]"))
            }
            _ => None,
        }
    };
    let text = match message.get("content")? {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(words)
            .collect::<Vec<_>>()
            .join("\n"),
        _ => return None,
    };
    if text.trim().is_empty() {
        return None;
    }
    let text = match text.char_indices().nth(MESSAGE_CHARS) {
        Some((at, _)) => format!("{}[… cut …]", text.get(..at).unwrap_or_default()),
        None => text,
    };
    Some(json!({ "role": role, "at": message.get("timestamp"), "text": text }))
}

async fn last_answer(ask: &Ask, seen: &Seen) -> Result<Option<Value>, String> {
    let answer = ask
        .ask(
            seen.about,
            "sessions.get",
            json!({ "key": seen.key, "limit": 1 }),
        )
        .await?;
    let said = answer
        .pointer("/messages/0")
        .and_then(|message| said(message, false));
    Ok(said.and_then(|said| said.get("text").cloned()))
}

async fn sent(ask: Ask) -> Result<Value, String> {
    let named = ask
        .arguments
        .text("sessionKey")
        .or_else(|| ask.arguments.text("label"));
    let named = named.ok_or("say which: sessionKey or label")?;
    let message = ask.required("message")?;
    if message.trim_start().starts_with('/') {
        return Err("commands are for people: write what is to be done in words".to_owned());
    }
    let seen = find(&ask, &named).await?;
    if seen.key == ask.session {
        return Err("this is the conversation you are in: just answer".to_owned());
    }
    if !seen.exists && ask.caller.scopes.allows(Scope::Read) {
        return Err(format!("no session {named}: sessions_list shows them"));
    }
    let told = format!(
        "[From the session {}, not from a person]\n{message}",
        ask.session
    );
    let run = format!("tool/{}", ask.key);
    let mut params = json!({ "key": seen.key, "message": told, "idempotencyKey": run });
    if let (Some(outside), Value::Object(params)) = (&ask.outside, &mut params) {
        let from = format!("another conversation, {}", outside.from);
        params.insert("outside".to_owned(), from.into());
    }
    ask.ask(seen.about, "sessions.send", params).await?;
    let seconds = match ask
        .arguments
        .value("timeoutSeconds")
        .and_then(Value::as_u64)
    {
        Some(0) => {
            return Ok(json!({ "status": "accepted", "sessionKey": seen.key, "runId": run }));
        }
        _ => ask
            .arguments
            .count("timeoutSeconds", WAIT_SECONDS, LONGEST_WAIT_SECONDS),
    };
    let wait = json!({ "runId": run, "timeoutMs": seconds * 1000 });
    let ended = ask.ask(seen.about, "agent.wait", wait).await?;
    let status = ended
        .get("status")
        .and_then(Value::as_str)
        .unwrap_or("timeout");
    Ok(match status {
        "ok" => {
            let reply = ended.pointer("/terminalReply/text").cloned();
            let reply = match reply {
                Some(reply) => Some(reply),
                // A run of an earlier process: its answer is in the history.
                None => last_answer(&ask, &seen).await?,
            };
            json!({ "status": "ok", "sessionKey": seen.key, "reply": reply })
        }
        "error" => {
            json!({ "status": "error", "sessionKey": seen.key, "error": ended.get("error") })
        }
        _ => json!({
            "status": "running", "sessionKey": seen.key, "runId": run,
            "note": "it is still at work; sessions_history shows the answer when it is there",
        }),
    })
}
