//! What was said in a session, for people: from the stored lines to the messages as text. A long history is mostly
//! texts that go out as they are stored, so a line is looked into no further than that takes.

use std::ops::Range;

use openclaw_ledger::Ledger;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use serde_json::value::RawValue;

use crate::context;
use crate::context::stored::Stored;
use crate::context::stored::present;
use crate::context::stored::string;
use crate::envelope;

/// Longest history in bytes of JSON; the newest messages are kept.
const HISTORY_BYTES: usize = 6 * 1024 * 1024;

/// What of a message is looked at.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    role: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    content: Option<&'a RawValue>,
    #[serde(
        borrow,
        default,
        rename = "idempotencyKey",
        deserialize_with = "present"
    )]
    key: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "__openclaw", deserialize_with = "present")]
    mark: Option<&'a RawValue>,
}

/// What of a part of a message is looked at.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    text: Option<&'a RawValue>,
}

/// The last messages as clients get them, as JSON, and how many there are.
pub(super) fn said(ledger: &Ledger, session_id: &str, limit: usize) -> (Vec<String>, usize) {
    let (mut text, mut places): (String, Vec<Range<usize>>) = Default::default();
    ledger.each_transcript_text(session_id, |_, line| match std::str::from_utf8(line) {
        Ok(line) => {
            let from = text.len();
            text.push_str(line);
            places.push(from..text.len());
        }
        Err(error) => tracing::warn!(session_id, %error, "a line can't be read; it is left out"),
    });
    let lines = places.into_iter().filter_map(|place| text.get(place));
    let lines: Vec<Stored<'_>> = lines.map(|line| read(session_id, line)).collect();
    let heads = lines.iter().map(Stored::head).collect();
    let messages: Vec<(&str, &RawValue)> = context::places(heads)
        .into_iter()
        .filter_map(|at| {
            let line = lines.get(at)?;
            let id = line.id.as_deref();
            let id = id.filter(|_| line.kind.as_deref() == Some("message"))?;
            Some((id, line.message?))
        })
        .collect();
    let mut bytes = 0;
    let mut shown = Vec::new();
    for (n, (id, message)) in messages.iter().enumerate().rev().take(limit) {
        let message = marked(message.get(), id, n + 1);
        bytes += message.len();
        if bytes > HISTORY_BYTES && !shown.is_empty() {
            break;
        }
        shown.push(message);
    }
    shown.reverse();
    (shown, messages.len())
}

fn read<'a>(session_id: &str, line: &'a str) -> Stored<'a> {
    Stored::read(line).unwrap_or_else(|error| {
        tracing::warn!(session_id, %error, "a line can't be read; it is left out");
        Stored::default()
    })
}

/// A message with the place where it stands, its envelope taken off.
fn marked(message: &str, id: &str, seq: usize) -> String {
    let (Ok(looked), Some(open)) = (
        serde_json::from_str::<Message<'_>>(message),
        message.strip_suffix('}'),
    ) else {
        return message.to_owned();
    };
    let mut mark = format!(r#"{{"id":{},"seq":{seq}"#, json!(id));
    if let Some(key) = looked.key {
        mark.push_str(",\"idempotencyKey\":");
        mark.push_str(key.get());
    }
    mark.push('}');
    let mut whole = String::with_capacity(message.len() + mark.len() + 16);
    match bare(message, &looked) {
        Some((before, text, after)) => {
            whole.push_str(before);
            whole.push_str(&text);
            whole.push_str(after);
            whole.pop();
        }
        None => whole.push_str(open),
    }
    if looked.mark.is_some() {
        // One stands there: it is replaced where it is.
        whole.push('}');
        let mut fields: Map<String, Value> = serde_json::from_str(&whole).unwrap_or_default();
        let mark = serde_json::from_str(&mark).unwrap_or_default();
        fields.insert("__openclaw".to_owned(), mark);
        return Value::Object(fields).to_string();
    }
    if !whole.ends_with('{') {
        whole.push(',');
    }
    whole.push_str("\"__openclaw\":");
    whole.push_str(&mark);
    whole.push('}');
    whole
}

/// A user's message without its envelope: what stands before the text, the text, what stands after it. None where there is none.
fn bare<'a>(message: &'a str, looked: &Message<'a>) -> Option<(&'a str, String, &'a str)> {
    if string(looked.role).as_deref() != Some("user") {
        return None;
    }
    let content = looked.content?;
    let text = if content.get().starts_with('[') {
        // The envelope stands at the very beginning.
        let parts: Vec<&RawValue> = serde_json::from_str(content.get()).ok()?;
        let first = parts.first()?.get();
        let part: Part<'_> = serde_json::from_str(first)
            .ok()
            .filter(|_| first.starts_with('{'))?;
        part.text?
    } else {
        content
    };
    let quoted = text.get();
    if !quoted.starts_with("\"[") {
        return None;
    }
    let wrapped: String = serde_json::from_str(quoted).ok()?;
    let bare = envelope::unwrap(&wrapped);
    if bare.len() == wrapped.len() {
        return None;
    }
    let at = quoted
        .as_ptr()
        .addr()
        .checked_sub(message.as_ptr().addr())?;
    let (before, after) = (message.get(..at)?, message.get(at + quoted.len()..)?);
    Some((before, json!(bare).to_string(), after))
}

#[cfg(test)]
mod tests {
    use openclaw_protocol::SessionKey;

    use super::*;

    /// The same by way of values.
    fn by_values(ledger: &Ledger, limit: usize) -> Vec<String> {
        let rows = ledger.transcript("s", 0);
        let records = context::records(rows.into_iter().map(|(_, line)| line).collect());
        let records = records.into_iter().enumerate();
        let mut messages: Vec<String> = records
            .map(|(n, (id, mut message))| {
                super::super::history::bare(&mut message);
                if let Some(object) = message.as_object_mut() {
                    let mut mark = json!({ "id": id, "seq": n + 1 });
                    if let Some(key) = object.get("idempotencyKey") {
                        mark["idempotencyKey"] = key.clone();
                    }
                    object.insert("__openclaw".to_owned(), mark);
                }
                message.to_string()
            })
            .collect();
        messages.split_off(messages.len().saturating_sub(limit))
    }

    #[tokio::test]
    async fn what_is_passed_on_as_text_is_what_was_written_anew_before() {
        let stamp = "[Telegram Ann id:4 Sun 2026-02-15 09:30 UTC] ";
        let messages = [
            json!({}),
            json!({ "role": "user", "content": format!("{stamp}\"quoted\" [1] ] \n \u{1F600} \u{7}") }),
            json!({ "role": "user", "content": "[no stamp] text", "idempotencyKey": "k \"1\"" }),
            json!({ "role": "user", "content": [{ "type": "text", "text": format!("{stamp}hi") },
                { "type": "text", "text": format!("{stamp}stays") }], "timestamp": 1.5 }),
            json!({ "role": "user", "content": [{ "type": "image" }, 7] }),
            json!({ "role": "user", "content": [] }),
            json!({ "role": "user", "content": null, "idempotencyKey": null }),
            json!({ "role": "user", "content": ["[a 2026-02-15 09:30 UTC] x"] }),
            json!({ "role": "user", "content": [["[a 2026-02-15 09:30 UTC] x"]] }),
            json!({ "role": "assistant", "content": format!("{stamp}not a user's") }),
            json!({ "role": "assistant", "__openclaw": { "old": true }, "content": "x" }),
            json!({ "role": ["user"], "content": format!("{stamp}hi") }),
            json!(7),
            json!("text"),
            json!(["a"]),
            json!(null),
        ];
        let ledger = Ledger::memory();
        let key = SessionKey::parse("agent:main:main").unwrap();
        let mut lines = vec![
            json!({ "type": "session", "id": "s", "version": 3 }),
            json!(null),
            json!(["message", "e", null, {}]),
        ];
        let mut parent = Value::Null;
        for (n, message) in messages.iter().enumerate() {
            let id = format!("e\\ \"{n}\"");
            let kind = if n == 4 { "custom" } else { "message" };
            lines.push(json!({ "type": kind, "id": id, "parentId": parent, "message": message }));
            parent = json!(id);
        }
        lines.push(json!({ "type": "message", "id": 5, "parentId": parent, "message": {} }));
        lines.push(json!({ "type": "message", "id": "none", "parentId": parent }));
        let stored = ledger.append_transcript(&key, "s", lines, None);
        stored.await.unwrap();
        for limit in [0, 1, 3, 99] {
            let (texts, total) = said(&ledger, "s", limit);
            assert_eq!(texts, by_values(&ledger, limit), "{limit}");
            assert_eq!(total, messages.len() - 1);
        }
    }
}
