//! Sessions as clients get them, kept as text: one is written anew when its entry changed, the others are there.

use std::collections::HashMap;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use openclaw_ledger::Ledger;
use openclaw_protocol::SessionKey;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::entry;
use crate::entry::Entry;

/// What clients get of an entry as it is.
const FIELDS: [&str; 27] = [
    "label",
    "displayName",
    "channel",
    "subject",
    "groupChannel",
    "space",
    "chatType",
    "origin",
    "sessionId",
    "systemSent",
    "abortedLastRun",
    "thinkingLevel",
    "verboseLevel",
    "reasoningLevel",
    "elevatedLevel",
    "sendPolicy",
    "inputTokens",
    "outputTokens",
    "totalTokens",
    "responseUsage",
    "modelProvider",
    "model",
    "contextTokens",
    "deliveryContext",
    "lastChannel",
    "lastTo",
    "lastAccountId",
];

/// The rows of the ledger's entries, by agent and in the order of their keys.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    agents: Mutex<HashMap<String, Kept>>,
}

/// An agent's rows, and how much had been written to entries when they were read.
type Kept = (u64, Arc<[Arc<Row>]>);

/// One session.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) key: SessionKey,
    pub(crate) session_id: Option<String>,
    pub(crate) updated_at: Option<i64>,
    /// Of the entry that it was written from.
    mark: u64,
    /// An object, without its last brace.
    text: String,
}

/// What is so at this moment, and stands in no entry.
#[derive(Debug, Default)]
pub(super) struct Now<'a> {
    pub(super) active_run: Option<&'a str>,
    pub(super) derived_title: Option<&'a str>,
    pub(super) last_message: Option<&'a str>,
}

/// What an entry says of its session.
pub(super) fn facts(key: &SessionKey, entry: &Entry) -> Map<String, Value> {
    let mut facts = Map::new();
    let mut set = |name: &str, value: Value| drop(facts.insert(name.to_owned(), value));
    set("key", json!(key.as_str()));
    set("kind", json!(entry::kind(key, entry)));
    set("agentId", json!(key.agent_str()));
    set("isMain", json!(*key == SessionKey::main(&key.agent())));
    set("updatedAt", json!(entry::updated_at(entry)));
    for name in FIELDS {
        if let Some(value) = entry.get(name) {
            set(name, value.clone());
        }
    }
    facts
}

impl Now<'_> {
    /// Its facts, one after the other.
    pub(super) fn facts(&self) -> Vec<(&'static str, Value)> {
        let active: Vec<&str> = self.active_run.into_iter().collect();
        let mut facts = vec![
            ("hasActiveRun", json!(!active.is_empty())),
            ("activeRunIds", json!(active)),
        ];
        let texts = [
            ("derivedTitle", self.derived_title),
            ("lastMessagePreview", self.last_message),
        ];
        let texts = texts.into_iter();
        facts.extend(texts.filter_map(|(name, text)| Some((name, json!(text?)))));
        facts
    }
}

impl Row {
    pub(crate) fn new(key: SessionKey, entry: &Entry) -> Self {
        Self::marked(key, entry, 0)
    }

    fn marked(key: SessionKey, entry: &Entry, mark: u64) -> Self {
        let mut text = Value::Object(facts(&key, entry)).to_string();
        text.pop();
        text.shrink_to_fit();
        Self {
            session_id: entry::session_id(entry).map(str::to_owned),
            updated_at: entry::updated_at(entry),
            key,
            mark,
            text,
        }
    }

    /// Writes it behind others.
    pub(super) fn write(&self, now: &Now<'_>, out: &mut String) {
        out.push_str(&self.text);
        if now.active_run.is_none() && now.derived_title.is_none() && now.last_message.is_none() {
            out.push_str(r#","hasActiveRun":false,"activeRunIds":[]}"#);
            return;
        }
        for (name, value) in now.facts() {
            out.push_str(&format!(",\"{name}\":{value}"));
        }
        out.push('}');
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }
}

impl Shelf {
    /// The rows of an agent, as the ledger has them now.
    pub(super) fn rows(&self, ledger: &Ledger, agent: &str) -> Arc<[Arc<Row>]> {
        // Looked at before the entries: what is written meanwhile is read again next time.
        let writes = ledger.session_writes();
        let known = self.lock().get(agent).cloned();
        let known = match known {
            Some((then, known)) if then == writes => return known,
            Some((_, known)) => known,
            None => Arc::from([]),
        };
        let mut before = known.iter().peekable();
        let mut rows: Vec<Arc<Row>> = Vec::with_capacity(known.len());
        let mut is_same = true;
        ledger.each_session_entry(agent, |name, json| {
            // Both are in the order of the keys.
            while before.next_if(|row| row.key.as_str() < name).is_some() {
                is_same = false;
            }
            let mark = mark(json);
            match before.next_if(|row| row.key.as_str() == name) {
                Some(row) if row.mark == mark => rows.push(Arc::clone(row)),
                _ => {
                    is_same = false;
                    rows.extend(read(name, json, mark).map(Arc::new));
                }
            }
        });
        let rows: Arc<[Arc<Row>]> = if is_same && before.next().is_none() {
            known
        } else {
            rows.into()
        };
        let mut agents = self.lock();
        agents.insert(agent.to_owned(), (writes, Arc::clone(&rows)));
        rows
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn mark(json: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    json.hash(&mut hasher);
    hasher.finish()
}

fn read(name: &str, json: &[u8], mark: u64) -> Option<Row> {
    let entry = serde_json::from_slice::<Entry>(json);
    match (SessionKey::parse(name), entry) {
        (Ok(key), Ok(entry)) => Some(Row::marked(key, &entry, mark)),
        (_, entry) => {
            let error = entry.err().map(|error| error.to_string());
            tracing::warn!(
                session = name,
                ?error,
                "an entry can't be read; it is left out"
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use openclaw_ledger::TranscriptEdit;

    use super::*;

    async fn put(ledger: &Ledger, name: &str, entry: Option<Value>) {
        let key = SessionKey::parse(name).unwrap();
        let put = ledger.put_session_entry(&key, entry, TranscriptEdit::Keep);
        put.await.unwrap();
    }

    fn texts(rows: &[Arc<Row>]) -> Vec<String> {
        rows.iter().map(|row| row.text.clone()).collect()
    }

    #[tokio::test]
    async fn only_what_changed_is_written_anew_and_what_is_shown_is_what_is_there() {
        let (ledger, shelf) = (Ledger::memory(), Shelf::default());
        for name in [
            "agent:main:a",
            "agent:main:b",
            "agent:main:c",
            "agent:other:a",
        ] {
            put(
                &ledger,
                name,
                Some(json!({ "sessionId": name, "updatedAt": 1 })),
            )
            .await;
        }
        let first = shelf.rows(&ledger, "main");
        assert_eq!(first.len(), 3);
        assert!(Arc::ptr_eq(&first, &shelf.rows(&ledger, "main")));
        // One changes, one comes before it, one goes.
        put(&ledger, "agent:main:b", Some(json!({ "label": "new" }))).await;
        put(&ledger, "agent:main:aa", Some(json!({}))).await;
        put(&ledger, "agent:main:c", None).await;
        let second = shelf.rows(&ledger, "main");
        assert!(Arc::ptr_eq(&first[0], &second[0]), "it was the same");
        assert_eq!(
            second
                .iter()
                .map(|row| row.key.as_str())
                .collect::<Vec<_>>(),
            ["agent:main:a", "agent:main:aa", "agent:main:b"]
        );
        let fresh = Shelf::default().rows(&ledger, "main");
        assert_eq!(texts(&second), texts(&fresh));
        assert!(second[2].text.contains(r#""label":"new""#));
        put(&ledger, "agent:main:b", None).await;
        assert_eq!(shelf.rows(&ledger, "main").len(), 2, "the last one is gone");
    }

    #[test]
    fn a_row_is_an_object_whatever_is_so_at_the_moment() {
        let key = SessionKey::parse("agent:main:telegram:group:7").unwrap();
        let entry = json!({ "subject": "a \"quoted\" name", "updatedAt": 5, "own": 1 });
        let row = Row::new(key, entry.as_object().unwrap());
        for now in [
            Now::default(),
            Now {
                active_run: Some("run \"1\""),
                derived_title: Some("Tea"),
                last_message: Some("bye\n"),
            },
        ] {
            let mut text = String::new();
            row.write(&now, &mut text);
            let mut expected = facts(&row.key, entry.as_object().unwrap());
            for (name, value) in now.facts() {
                expected.insert(name.to_owned(), value);
            }
            let read: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(read, Value::Object(expected));
            assert_eq!(read["kind"], "group");
            assert!(read.get("own").is_none());
        }
    }
}
