//! Sessions of an existing installation: taken into the ledger when somebody first speaks to them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use openclaw_ledger::Ledger;
use openclaw_ledger::LedgerError;
use openclaw_protocol::SessionKey;
use serde_json::Value;

use super::heal;
use super::project;
use super::store;
use crate::deps::Deps;
use crate::entry;
use crate::entry::Entry;
use crate::event::now_ms;
use crate::transcript::Scribe;

pub(crate) type Entries = Vec<Arc<Untouched>>;

/// A session that nobody has spoken to since this ledger exists.
#[derive(Debug)]
pub(crate) struct Untouched {
    pub(crate) key: SessionKey,
    pub(crate) entry: Entry,
}

/// The entries of `sessions.json` that have no rows yet, by agent; read once a process.
#[derive(Debug, Default)]
pub(crate) struct Foreign {
    agents: Mutex<HashMap<String, Arc<Entries>>>,
    /// Held while one is taken in: two readers of one session must not both store its lines.
    taking: tokio::sync::Mutex<()>,
}

impl Foreign {
    fn known(&self, agent: &str) -> Option<Arc<Entries>> {
        let agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        agents.get(agent).cloned()
    }

    fn put(&self, agent: &str, entries: Entries) {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        agents.insert(agent.to_owned(), Arc::new(entries));
    }
}

/// The entries that nobody has spoken to since this ledger exists.
pub(crate) async fn entries(deps: &Deps, agent: &str) -> Arc<Entries> {
    if let Some(known) = deps.shared.foreign.known(agent) {
        return known;
    }
    let dir = deps.folders.sessions(agent);
    let ledger = deps.ledger.clone();
    let name = agent.to_owned();
    let read = tokio::task::spawn_blocking(move || unknown(&dir, &ledger, &name)).await;
    deps.shared.foreign.put(agent, read.unwrap_or_default());
    deps.shared.foreign.known(agent).unwrap_or_default()
}

/// Takes a session in, if existing files have it. Returns its entry.
pub(crate) async fn first_touch(
    deps: &Deps,
    key: &SessionKey,
) -> Result<Option<Entry>, LedgerError> {
    if entries(deps, key.agent_str()).await.is_empty() {
        return Ok(None);
    }
    let _taking = deps.shared.foreign.taking.lock().await;
    let known = entries(deps, key.agent_str()).await;
    let Some(known_one) = known.iter().find(|other| other.key == *key) else {
        return Ok(crate::conversation::entry_of(&deps.ledger, key));
    };
    let entry = known_one.entry.clone();
    let Some(session_id) = entry::session_id(&entry).map(str::to_owned) else {
        return Ok(Some(entry));
    };
    let dir = deps.folders.sessions(key.agent_str());
    let job = {
        let (entry, session_id) = (Value::Object(entry.clone()), session_id.clone());
        move || lines(&dir, &entry, &session_id)
    };
    let lines = tokio::task::spawn_blocking(job).await.unwrap_or_default();
    tracing::info!(session = %key, lines = lines.len(), "an existing session is taken in");
    // Rows that an earlier session under another key left for this id would be doubled.
    let lines = match deps.ledger.transcript_len(&session_id) {
        0 => lines,
        _ => Vec::new(),
    };
    let whole = Some(Value::Object(entry.clone()));
    deps.ledger
        .append_transcript(key, &session_id, lines, whole)
        .await?;
    let left = known.iter().filter(|other| other.key != *key).cloned();
    deps.shared.foreign.put(key.agent_str(), left.collect());
    Ok(Some(entry))
}

fn unknown(dir: &Path, ledger: &Ledger, agent: &str) -> Entries {
    let store = store::read(dir).unwrap_or_else(|error| {
        tracing::warn!(folder = %dir.display(), %error, "the session store can't be read");
        Default::default()
    });
    let map = store.values();
    // A damaged key is no other session.
    let astray = heal::astray(&map, &ledger.session_entries(agent));
    map.into_iter()
        .filter(|(name, _)| !astray.contains(name))
        .filter_map(|(name, entry)| match (SessionKey::parse(&name), entry) {
            (Ok(key), Value::Object(entry)) => Some((key, entry)),
            _ => None, // `global`, `unknown` and the like stay in the file as they are
        })
        .filter(|(key, _)| ledger.session_entry(key).is_none())
        .map(|(key, entry)| Arc::new(Untouched { key, entry }))
        .collect()
}

/// The lines of an existing transcript, whatever version wrote it: each gets its place in the chain.
fn lines(dir: &Path, entry: &Value, session_id: &str) -> Vec<Value> {
    let named = entry
        .get("sessionFile")
        .and_then(Value::as_str)
        .map(Path::new)
        .filter(|path| path.is_file());
    let by_id = project::transcript(dir, Some(entry), session_id);
    let Some(path) = by_id.as_deref().filter(|path| path.is_file()).or(named) else {
        return Vec::new();
    };
    let text = match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "an existing transcript can't be read");
            return Vec::new();
        }
    };
    let mut scribe = Scribe::new(session_id, 0, None, now_ms());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str::<Value>(line) {
            Ok(value) if value.is_object() => scribe.adopt(value),
            // The damaged line stays in the copy that is made before the file is written anew.
            _ => tracing::warn!(file = %path.display(), "a damaged line is left out"),
        }
    }
    scribe.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::context;

    #[test]
    fn transcripts_of_every_version_load() {
        let dir = tempfile::tempdir().unwrap();
        let v1 = "{\"type\":\"session\",\"id\":\"s\",\"timestamp\":\"t\"}\n\
                  {\"type\":\"message\",\"message\":{\"role\":\"user\",\"content\":\"one\"}}\n\
                  not json\n\
                  {\"type\":\"message\",\"message\":{\"role\":\"assistant\",\"content\":\"two\"}}\n";
        std::fs::write(dir.path().join("s.jsonl"), v1).unwrap();
        let lines = lines(dir.path(), &json!({"sessionId": "s"}), "s");
        let context = context::build(&lines);
        let texts: Vec<String> = context.messages.iter().map(|m| m.text()).collect();
        assert_eq!(texts, ["one", "two"]);
        assert_eq!(lines.len(), 3);
    }
}
