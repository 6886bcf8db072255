//! A session's entry in `sessions.json`: what is kept about a conversation besides its lines.
//!
//! Pure. Entries are open objects: fields that this version does not know stay as they are.

use openclaw_protocol::Chat;
use openclaw_protocol::ChatKind;
use openclaw_protocol::ModelRef;
use openclaw_protocol::Route;
use openclaw_protocol::SessionKey;
use openclaw_protocol::Usage;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// One session's entry.
pub type Entry = Map<String, Value>;

/// Fields that a new session under the same key does not take over.
const OF_ONE_SESSION: [&str; 19] = [
    "sessionId",
    "sessionFile",
    "sessionStartedAt",
    "systemSent",
    "abortedLastRun",
    "inputTokens",
    "outputTokens",
    "totalTokens",
    "contextTokens",
    "compactionCount",
    "memoryFlushAt",
    "memoryFlushCompactionCount",
    "cliSessionIds",
    "claudeCliSessionId",
    "skillsSnapshot",
    "systemPromptReport",
    "modelProvider",
    "model",
    // What was allowed in one conversation is asked for anew in the next.
    "elevatedLevel",
];

/// What a turn adds to its session's entry.
#[derive(Debug, Clone)]
pub struct TurnFacts<'a> {
    pub chat: &'a Chat,
    pub route: Option<&'a Route>,
    /// The client's surface when there is no channel, such as `webchat`.
    pub surface: &'a str,
    pub model: &'a ModelRef,
    pub context_window: Option<u64>,
    /// Of the turn's last call: what the context holds now.
    pub usage: Option<Usage>,
    pub aborted: bool,
    pub now_ms: i64,
}

/// The entry of a session that begins now.
pub fn begin(previous: Option<&Entry>, session_id: &str, file: &str, now_ms: i64) -> Entry {
    let mut entry = Entry::new();
    entry.insert("sessionId".to_owned(), json!(session_id));
    entry.insert("updatedAt".to_owned(), json!(now_ms));
    entry.insert("sessionFile".to_owned(), json!(file));
    entry.insert("sessionStartedAt".to_owned(), json!(now_ms));
    for (name, value) in previous.into_iter().flatten() {
        if !OF_ONE_SESSION.contains(&name.as_str()) && name != "updatedAt" {
            entry.insert(name.clone(), value.clone());
        }
    }
    entry
}

/// Writes what a turn learned. `known` is the entry as it stands, of which `entry` is what changes.
pub fn record(entry: &mut Entry, known: &Entry, facts: &TurnFacts<'_>) {
    let mut set = |name: &str, value: Value| {
        entry.insert(name.to_owned(), value);
    };
    set("updatedAt", json!(facts.now_ms));
    set("lastInteractionAt", json!(facts.now_ms));
    set("systemSent", json!(true));
    set("abortedLastRun", json!(facts.aborted));
    set("chatType", json!(facts.chat.kind.as_str()));
    set("modelProvider", json!(facts.model.provider));
    set("model", json!(facts.model.model));
    if let Some(window) = facts.context_window {
        set("contextTokens", json!(window));
    }
    if let Some(usage) = facts.usage {
        let read = usage.input + usage.cache_read + usage.cache_write;
        set("inputTokens", json!(usage.input));
        set("outputTokens", json!(usage.output));
        set(
            "totalTokens",
            json!(usage.total_tokens.max(read + usage.output)),
        );
    }
    if facts.chat.kind != ChatKind::Direct {
        set("groupId", json!(facts.chat.id));
        if let Some(title) = &facts.chat.title {
            set("subject", json!(title));
        }
    }
    let Some(route) = facts.route else {
        if !entry.contains_key("lastChannel") && !known.contains_key("lastChannel") {
            entry.insert("lastChannel".to_owned(), json!(facts.surface));
        }
        return;
    };
    let to = format!("{}:{}", route.channel, route.to);
    let mut context = json!({
        "channel": route.channel, "to": to, "accountId": route.account,
    });
    let from = match facts.chat.kind {
        ChatKind::Direct => to.clone(),
        kind => format!("{}:{}:{}", route.channel, kind.as_str(), route.to),
    };
    let mut origin = json!({
        "provider": route.channel, "surface": route.channel, "from": from, "to": to,
        "chatType": facts.chat.kind.as_str(), "accountId": route.account,
    });
    if let Some(thread) = &route.thread {
        for object in [&mut context, &mut origin] {
            if let Some(object) = object.as_object_mut() {
                object.insert("threadId".to_owned(), json!(thread));
            }
        }
        set("lastThreadId", json!(thread));
    }
    set("channel", json!(route.channel));
    set("lastChannel", json!(route.channel));
    set("lastTo", json!(to));
    set("lastAccountId", json!(route.account));
    set("deliveryContext", context);
    keep_notes(&mut origin, known.get("origin"));
    set("origin", origin);
}

/// Of the same place, what others noted of it stays.
fn keep_notes(origin: &mut Value, known: Option<&Value>) {
    if let (Some(Value::Object(known)), Some(origin)) = (known, origin.as_object_mut())
        && known.get("to") == origin.get("to")
        && known.get("accountId") == origin.get("accountId")
        && known.get("threadId") == origin.get("threadId")
    {
        for (name, value) in known {
            origin.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}

/// Applies a patch: null clears a field, anything else sets it.
pub fn patch(entry: &mut Entry, patch: &Map<String, Value>, now_ms: i64) {
    for (name, value) in patch {
        if value.is_null() {
            entry.shift_remove(name);
        } else {
            entry.insert(name.clone(), value.clone());
        }
    }
    entry.insert("updatedAt".to_owned(), json!(now_ms));
}

/// The session's id.
pub fn session_id(entry: &Entry) -> Option<&str> {
    text(entry, "sessionId")
}

/// When the session was last touched.
pub fn updated_at(entry: &Entry) -> Option<i64> {
    entry.get("updatedAt").and_then(Value::as_i64)
}

/// The model the user chose for this session.
pub fn model_override(entry: &Entry) -> Option<String> {
    let model = text(entry, "modelOverride")?;
    match text(entry, "providerOverride") {
        Some(provider) => Some(format!("{provider}/{model}")),
        None => Some(model.to_owned()),
    }
}

/// A text field.
pub fn text<'a>(entry: &'a Entry, name: &str) -> Option<&'a str> {
    entry.get(name).and_then(Value::as_str)
}

/// `direct`, `group`, `channel`, … as clients sort sessions.
pub fn kind(key: &SessionKey, entry: &Entry) -> &'static str {
    let is_group = matches!(text(entry, "chatType"), Some("group" | "channel"));
    if is_group || key.rest().contains(":group:") || key.rest().contains(":channel:") {
        "group"
    } else {
        "direct"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_session_keeps_what_the_user_chose_and_what_is_unknown() {
        let before = json!({"sessionId": "old", "label": "Home", "thinkingLevel": "high",
            "totalTokens": 900, "fromTheFuture": {"a": 1}, "updatedAt": 5});
        let entry = begin(before.as_object(), "new", "/s/new.jsonl", 9);
        assert_eq!(
            Value::Object(entry),
            json!({"sessionId": "new", "updatedAt": 9, "sessionFile": "/s/new.jsonl",
                "sessionStartedAt": 9, "label": "Home", "thinkingLevel": "high",
                "fromTheFuture": {"a": 1}})
        );
    }

    #[test]
    fn a_turn_records_route_model_and_tokens() {
        let mut entry = begin(None, "s", "/s.jsonl", 1);
        let route = Route {
            channel: "telegram".to_owned(),
            account: "home".to_owned(),
            to: "42".to_owned(),
            ..Route::default()
        };
        let known =
            json!({ "origin": { "to": "telegram:42", "accountId": "home", "label": "Ann" } });
        record(
            &mut entry,
            known.as_object().unwrap(),
            &TurnFacts {
                chat: &Chat::default(),
                route: Some(&route),
                surface: "webchat",
                model: &ModelRef::new("p", "m"),
                context_window: Some(1000),
                usage: Some(Usage {
                    input: 5,
                    output: 2,
                    ..Usage::default()
                }),
                aborted: false,
                now_ms: 7,
            },
        );
        assert_eq!(entry["lastTo"], "telegram:42");
        assert_eq!(entry["deliveryContext"]["accountId"], "home");
        assert_eq!(entry["origin"]["label"], "Ann");
        assert_eq!(entry["totalTokens"], 7);
        assert_eq!(entry["chatType"], "direct");
    }

    #[test]
    fn a_client_s_word_does_not_change_where_a_conversation_was_last_spoken_to() {
        let facts = TurnFacts {
            chat: &Chat::default(),
            route: None,
            surface: "webchat",
            model: &ModelRef::new("p", "m"),
            context_window: None,
            usage: None,
            aborted: false,
            now_ms: 7,
        };
        let mut patch = Entry::new();
        let known = json!({ "lastChannel": "telegram", "lastTo": "telegram:42" });
        record(&mut patch, known.as_object().unwrap(), &facts);
        assert!(!patch.contains_key("lastChannel"));
        record(&mut patch, &Entry::new(), &facts);
        assert_eq!(patch["lastChannel"], "webchat");
    }

    #[test]
    fn null_clears_a_field() {
        let mut entry = begin(None, "s", "/s.jsonl", 1);
        patch(&mut entry, json!({"label": "x"}).as_object().unwrap(), 2);
        assert_eq!(text(&entry, "label"), Some("x"));
        patch(&mut entry, json!({"label": null}).as_object().unwrap(), 3);
        assert_eq!(text(&entry, "label"), None);
        assert_eq!(updated_at(&entry), Some(3));
    }
}
