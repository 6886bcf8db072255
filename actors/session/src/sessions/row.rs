//! One session as text, and many of them on their way out.

use std::ops::Range;

use bytes::Bytes;
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

/// What follows an entry's facts where nothing else is so at the moment.
const IDLE: &str = r#","hasActiveRun":false,"activeRunIds":[]}"#;

/// One session.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) key: SessionKey,
    pub(crate) session_id: Option<String>,
    pub(crate) updated_at: Option<i64>,
    /// Of the entry that it was written from.
    pub(super) mark: u64,
    /// What its text stands in, and where: an object that says nothing is going on at the moment.
    pub(super) text: Bytes,
    pub(super) place: Range<usize>,
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
    fn is_idle(&self) -> bool {
        self.active_run.is_none() && self.derived_title.is_none() && self.last_message.is_none()
    }

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

    pub(super) fn marked(key: SessionKey, entry: &Entry, mark: u64) -> Self {
        let mut text = Value::Object(facts(&key, entry)).to_string();
        text.pop();
        text.push_str(IDLE);
        text.shrink_to_fit();
        Self {
            session_id: entry::session_id(entry).map(str::to_owned),
            updated_at: entry::updated_at(entry),
            key,
            mark,
            place: 0..text.len(),
            text: text.into(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.text.get(self.place.clone()).unwrap_or_default()
    }

    /// Where it ends, if another row's text goes on where this one's ends: one comma is between them.
    fn goes_on(&self, at: &Range<usize>, text: &Bytes) -> Option<usize> {
        let is_same = self.text.as_ptr() == text.as_ptr() && self.text.len() == text.len();
        (is_same && self.place.start == at.end + 1).then_some(self.place.end)
    }

    /// The row with what is so at the moment.
    fn with(&self, now: &Now<'_>) -> Bytes {
        let bytes = self.bytes();
        let mut text = bytes
            .strip_suffix(IDLE.as_bytes())
            .unwrap_or(bytes)
            .to_vec();
        for (name, value) in now.facts() {
            text.extend_from_slice(format!(",\"{name}\":{value}").as_bytes());
        }
        text.push(b'}');
        text.into()
    }
}

/// Rows on their way out, in pieces: what stands behind each other anyway is one.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) pieces: Vec<Bytes>,
    open: Option<(Bytes, Range<usize>)>,
    is_first: bool,
}

impl Written {
    /// None yet.
    pub(super) fn new() -> Self {
        Self {
            pieces: vec![Bytes::from_static(b"[")],
            open: None,
            is_first: true,
        }
    }

    /// Adds one behind the others.
    pub(super) fn push(&mut self, row: &Row, now: &Now<'_>) {
        let is_idle = now.is_idle();
        if let Some((text, at)) = self.open.as_mut().filter(|_| is_idle)
            && let Some(end) = row.goes_on(at, text)
        {
            at.end = end;
            return;
        }
        self.close();
        if !std::mem::take(&mut self.is_first) {
            self.pieces.push(Bytes::from_static(b","));
        }
        if is_idle {
            self.open = Some((row.text.clone(), row.place.clone()));
        } else {
            self.pieces.push(row.with(now));
        }
    }

    fn close(&mut self) {
        if let Some((text, at)) = self.open.take() {
            self.pieces.push(text.slice(at));
        }
    }

    /// They, as a JSON array.
    pub(super) fn finish(mut self) -> Vec<Bytes> {
        self.close();
        self.pieces.push(Bytes::from_static(b"]"));
        self.pieces
    }
}
