//! Sessions as clients get them, kept as text: one is written anew when its entry changed, the others are there.
//!
//! The texts of an agent's rows stand behind each other in the order in which they are shown, so that a list goes out as
//! it is kept: not each row is copied, but what stands between two changed ones is passed on as one piece.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use bytes::Bytes;
use openclaw_ledger::Ledger;
use openclaw_protocol::SessionKey;
use serde_json::Value;

use crate::entry::Entry;
use crate::files::import::Entries;
use crate::files::import::Untouched;
use crate::sessions::row::Row;

/// So many rows may stand alone, and an eighth of all more.
const ALONE: usize = 64;

/// The rows, by agent.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    agents: Mutex<HashMap<String, Kept>>,
}

/// An agent's rows.
#[derive(Debug, Clone, Default)]
struct Kept {
    /// Of the ledger's entries, and how much had been written to entries when they were read.
    stored: Rows,
    writes: Option<u64>,
    /// Of the entries that nobody has spoken to, and these.
    waiting: Rows,
    entries: Arc<Entries>,
}

/// Rows, the last touched first, those of one moment in the order in which they came.
pub(crate) type Rows = Arc<[Arc<Row>]>;

impl Shelf {
    /// The rows of an agent: as the ledger has them now, and of the entries that wait.
    pub(super) fn rows(
        &self,
        ledger: &Ledger,
        agent: &str,
        entries: &Arc<Entries>,
    ) -> (Rows, Rows) {
        let mut kept = self.lock().get(agent).cloned().unwrap_or_default();
        let is_stored_new = kept.read_stored(ledger, agent);
        let is_waiting_new = kept.read_waiting(entries);
        let rows = (Arc::clone(&kept.stored), Arc::clone(&kept.waiting));
        if is_stored_new || is_waiting_new {
            self.lock().insert(agent.to_owned(), kept);
        }
        rows
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Takes in what was written; false if nothing was.
    fn read_stored(&mut self, ledger: &Ledger, agent: &str) -> bool {
        // Looked at before the entries: what is written meanwhile is read again next time.
        let (writes, changed) = match self.writes {
            Some(then) if then == ledger.session_writes() => return false,
            Some(then) => ledger.session_writes_since(then),
            None => (ledger.session_writes(), None),
        };
        self.writes = Some(writes);
        match changed {
            Some(changed) => {
                let is_same = |row: &&Arc<Row>| !changed.contains(row.key.as_str());
                let mut rows: Vec<_> = self.stored.iter().filter(is_same).cloned().collect();
                let keys = changed
                    .iter()
                    .filter_map(|name| SessionKey::parse(name).ok());
                for key in keys.filter(|key| key.agent_str() == agent) {
                    if let Some(Value::Object(entry)) = ledger.session_entry(&key) {
                        rows.push(Arc::new(Row::new(key, &entry)));
                    }
                }
                rows.sort_by(|a, b| (b.updated_at.cmp(&a.updated_at)).then(a.key.cmp(&b.key)));
                self.stored = packed(rows);
            }
            None => {
                let mut known: HashMap<&str, &Arc<Row>> = HashMap::new();
                known.extend(self.stored.iter().map(|row| (row.key.as_str(), row)));
                let mut rows = Vec::new();
                ledger.each_session_entry(agent, |name, json| {
                    let mark = mark(json);
                    match known.get(name).filter(|row| row.mark == mark) {
                        Some(row) => rows.push(Arc::clone(row)),
                        None => rows.extend(read(name, json, mark).map(Arc::new)),
                    }
                });
                rows.sort_by_key(|row| Reverse(row.updated_at));
                self.stored = packed(rows);
            }
        }
        true
    }

    fn read_waiting(&mut self, entries: &Arc<Entries>) -> bool {
        if Arc::ptr_eq(&self.entries, entries) {
            return false;
        }
        let mut known: HashMap<&str, &Arc<Row>> = HashMap::new();
        known.extend(self.waiting.iter().map(|row| (row.key.as_str(), row)));
        let row = |of: &Arc<Untouched>| match known.get(of.key.as_str()) {
            // What waits does not change: it goes, when somebody speaks to it.
            Some(row) => Arc::clone(row),
            None => Arc::new(Row::new(of.key.clone(), &of.entry)),
        };
        let mut rows: Vec<_> = entries.iter().map(row).collect();
        rows.sort_by_key(|row| Reverse(row.updated_at));
        self.waiting = packed(rows);
        self.entries = Arc::clone(entries);
        true
    }
}

/// Puts the texts behind each other, if too many stand alone or too much of what is held is no row's any more.
fn packed(rows: Vec<Arc<Row>>) -> Rows {
    let alone = rows.iter().filter(|row| row.place.len() == row.text.len());
    let shown: usize = rows.iter().map(|row| row.place.len() + 1).sum();
    let held = rows.iter().map(|row| row.text.len()).max().unwrap_or(0);
    if alone.count() <= ALONE + rows.len() / 8 && held <= 2 * shown {
        return rows.into();
    }
    let mut text = Vec::with_capacity(shown);
    let place = |row: &Arc<Row>| {
        let start = text.len();
        text.extend_from_slice(row.bytes());
        let place = start..text.len();
        text.push(b',');
        place
    };
    let places: Vec<Range<usize>> = rows.iter().map(place).collect();
    let text = Bytes::from(text);
    let rows = rows.iter().zip(places).map(|(row, place)| {
        Arc::new(Row {
            key: row.key.clone(),
            session_id: row.session_id.clone(),
            updated_at: row.updated_at,
            mark: row.mark,
            text: text.clone(),
            place,
        })
    });
    rows.collect()
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
mod tests;
