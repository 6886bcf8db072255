//! The past of a session, for people.

use serde_json::json;

use super::said::said;
use super::*;
use crate::context;
use crate::envelope;

/// Keys of one preview request.
const PREVIEWS: usize = 64;
/// A transcript seldom has more lines than these for each of its messages.
const LINES_A_MESSAGE: u64 = 4;

/// The messages of a session.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub session_id: Option<String>,
    /// Transcript records as JSON, each with `__openclaw {id, seq}`; envelopes are taken off.
    pub texts: Vec<String>,
    /// How many there are in all.
    pub total: usize,
    pub thinking_level: Option<String>,
    pub verbose_level: Option<String>,
    pub active_run: Option<RunId>,
}

/// The last words of a session.
#[derive(Debug, Clone)]
pub struct Preview {
    pub key: SessionKey,
    /// `ok`, `empty` or `missing`.
    pub status: &'static str,
    /// `{role, text}`.
    pub items: Vec<Value>,
}

impl History {
    /// The records, to be looked into.
    pub fn messages(&self) -> Vec<Value> {
        read(&self.texts)
    }
}

impl Sessions {
    /// The last messages of a session.
    pub async fn history(&self, key: &SessionKey, limit: usize) -> Result<History, SessionError> {
        let Some(entry) = self.entry(key).await? else {
            return Ok(History::default());
        };
        let session_id = entry::session_id(&entry).map(str::to_owned);
        let mut history = History {
            thinking_level: entry::text(&entry, "thinkingLevel").map(str::to_owned),
            verbose_level: entry::text(&entry, "verboseLevel").map(str::to_owned),
            active_run: self.active_run(key),
            ..History::default()
        };
        if let Some(session_id) = &session_id {
            let (ledger, id) = (self.deps.ledger.clone(), session_id.clone());
            let read = move || said(&ledger, &id, limit);
            (history.texts, history.total) =
                tokio::task::spawn_blocking(read).await.unwrap_or_default();
        }
        history.session_id = session_id;
        Ok(history)
    }

    /// The last words of some sessions.
    pub async fn preview(
        &self,
        keys: &[SessionKey],
        limit: usize,
        max_chars: usize,
    ) -> Vec<Preview> {
        let mut previews = Vec::new();
        for key in keys.iter().take(PREVIEWS) {
            let entry = self.entry(key).await.unwrap_or_default();
            let session_id = entry.as_ref().and_then(entry::session_id);
            let items = match session_id {
                Some(id) => self.last_words(id.to_owned(), limit, max_chars).await,
                None => Vec::new(),
            };
            previews.push(Preview {
                key: key.clone(),
                status: match (session_id, items.is_empty()) {
                    (None, _) => "missing",
                    (Some(_), true) => "empty",
                    (Some(_), false) => "ok",
                },
                items,
            });
        }
        previews
    }

    async fn last_words(&self, id: String, limit: usize, max_chars: usize) -> Vec<Value> {
        let ledger = self.deps.ledger.clone();
        let read = move || {
            let messages = last(&ledger, &id, limit);
            let items = messages.iter().filter_map(|said| item(said, max_chars));
            items.collect()
        };
        tokio::task::spawn_blocking(read).await.unwrap_or_default()
    }
}

/// The last messages of a conversation, without reading more of a long one than that takes.
fn last(ledger: &openclaw_ledger::Ledger, session_id: &str, limit: usize) -> Vec<Value> {
    let lines = ledger.transcript_len(session_id);
    let wanted = u64::try_from(limit).unwrap_or(u64::MAX);
    let tail = lines.saturating_sub(wanted.saturating_mul(LINES_A_MESSAGE));
    if tail > 0 {
        let rows = ledger.transcript(session_id, tail);
        let mut said = context::records(rows.into_iter().map(|(_, line)| line).collect());
        if said.len() >= limit {
            let said = said.drain(said.len() - limit..);
            let said = said.map(|(_, mut message)| {
                bare(&mut message);
                message
            });
            return said.collect();
        }
    }
    records(ledger, session_id, limit)
}

/// The last messages as clients get them.
pub(super) fn records(
    ledger: &openclaw_ledger::Ledger,
    session_id: &str,
    limit: usize,
) -> Vec<Value> {
    read(&said(ledger, session_id, limit).0)
}

fn read(texts: &[String]) -> Vec<Value> {
    // What was stored as JSON can be read.
    let read = |text: &String| serde_json::from_str(text).unwrap_or_default();
    texts.iter().map(read).collect()
}

/// Takes the envelope off a user's text.
pub(super) fn bare(message: &mut Value) {
    if message.get("role").and_then(Value::as_str) != Some("user") {
        return;
    }
    match message.get_mut("content") {
        Some(Value::String(text)) => *text = envelope::unwrap(text).to_owned(),
        Some(Value::Array(parts)) => {
            // The envelope stands at the very beginning.
            if let Some(Value::String(text)) = parts.first_mut().and_then(|p| p.get_mut("text")) {
                *text = envelope::unwrap(text).to_owned();
            }
        }
        _ => {}
    }
}

fn item(message: &Value, max_chars: usize) -> Option<Value> {
    let role = message.get("role").and_then(Value::as_str)?;
    let text = text_of(message)?;
    let role = match role {
        "toolResult" => "tool",
        other => other,
    };
    Some(json!({"role": role, "text": short(&text, max_chars)}))
}

pub(super) fn text_of(message: &Value) -> Option<String> {
    let text = match message.get("content")? {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts
                .iter()
                .filter_map(|part| part.get("text").and_then(Value::as_str))
                .collect();
            texts.join("\n")
        }
        _ => return None,
    };
    let text = text.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

pub(super) fn short(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars.saturating_sub(1)) {
        Some((cut, _)) if text.chars().nth(max_chars).is_some() => {
            format!("{}…", text.get(..cut).unwrap_or_default())
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use openclaw_ledger::Ledger;

    use super::*;

    #[tokio::test]
    async fn the_last_words_of_a_long_conversation_are_those_of_its_history() {
        let ledger = Ledger::memory();
        let key = SessionKey::parse("agent:main:main").unwrap();
        let line = |n: usize, kind: &str| {
            let parent = n.checked_sub(1).map(|n| n.to_string());
            json!({ "type": kind, "id": n.to_string(), "parentId": parent,
                "message": { "role": "user", "content": format!("said {n}") } })
        };
        // Many lines that are no messages stand between the last of them.
        let kinds = |n| {
            if (140..195).contains(&n) {
                "custom"
            } else {
                "message"
            }
        };
        let lines = (0..200).map(|n| line(n, kinds(n))).collect();
        let stored = ledger.append_transcript(&key, "s", lines, None);
        stored.await.unwrap();
        for limit in [1, 5, 6, 20, 199, 500] {
            let words = |messages: Vec<Value>| -> Vec<Value> {
                messages.iter().filter_map(|said| item(said, 99)).collect()
            };
            let whole = records(&ledger, "s", limit);
            assert_eq!(words(last(&ledger, "s", limit)), words(whole), "{limit}");
        }
        assert_eq!(last(&ledger, "nobody", 5), Vec::<Value>::new());
    }
}
