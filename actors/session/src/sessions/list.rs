//! Which sessions there are.

use std::cmp::Reverse;

use bytes::Bytes;
use tokio::task::JoinError;

use super::history::records;
use super::history::short;
use super::history::text_of;
use super::row::Now;
use super::row::Row;
use super::row::Written;
use super::shelf::Rows;
use super::*;

/// The longest title taken from a first message.
const TITLE_CHARS: usize = 60;
/// The longest beginning of a last message.
const LAST_CHARS: usize = 240;

/// Which sessions to list, and how much of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub agent: Option<AgentId>,
    pub limit: Option<usize>,
    pub active_minutes: Option<u64>,
    pub label: Option<String>,
    pub spawned_by: Option<String>,
    /// Looked for in key, label, names and subject.
    pub search: Option<String>,
    pub derived_titles: bool,
    pub last_message: bool,
}

/// One session.
#[derive(Debug, Clone)]
pub struct Listed {
    pub key: SessionKey,
    pub entry: Entry,
    pub active_run: Option<RunId>,
    pub derived_title: Option<String>,
    pub last_message: Option<String>,
}

/// A part of the list.
#[derive(Debug, Clone)]
pub struct Page {
    /// How many sessions there are in all.
    pub total: usize,
    /// How many of them are in this part.
    pub count: usize,
    /// They, as a JSON array in pieces.
    pub pieces: Vec<Bytes>,
}

impl Sessions {
    /// Sessions, the last touched first.
    pub async fn list(&self, filter: &Filter) -> Vec<Listed> {
        let mut found = self.matching(filter).await;
        found.truncate(filter.limit.unwrap_or(usize::MAX));
        found
            .into_iter()
            .map(|(key, entry)| self.listed(key, entry, filter))
            .collect()
    }

    /// A part of the list, the last touched first, as clients get it: it is long, and what is kept of it is not copied.
    /// Fails only if its task falls.
    pub async fn page(
        &self,
        filter: &Filter,
        offset: usize,
        limit: Option<usize>,
    ) -> Result<Page, JoinError> {
        let rows: Vec<Arc<Row>> = if filter.reads_entries() {
            let found = self.matching(filter).await.into_iter();
            found
                .map(|(key, entry)| Arc::new(Row::new(key, &entry)))
                .collect()
        } else {
            self.rows(filter).await?
        };
        let (sessions, filter) = (self.clone(), filter.clone());
        let write = move || sessions.write(&rows, &filter, offset, limit);
        tokio::task::spawn_blocking(write).await
    }

    async fn matching(&self, filter: &Filter) -> Vec<(SessionKey, Entry)> {
        let mut found: Vec<(SessionKey, Entry)> = Vec::new();
        for agent in self.agents(filter) {
            let stored = self.deps.ledger.session_entries(agent.as_str());
            found.extend(stored.into_iter().filter_map(|(key, entry)| match entry {
                Value::Object(entry) => Some((key, entry)),
                _ => None,
            }));
            let waiting = import::entries(&self.deps, agent.as_str()).await;
            let waiting = waiting.iter();
            found.extend(waiting.map(|known| (known.key.clone(), known.entry.clone())));
        }
        let now_ms = now_ms();
        found.retain(|(key, entry)| filter.takes(key, entry, now_ms));
        found.sort_by_key(|(_, entry)| std::cmp::Reverse(entry::updated_at(entry)));
        found
    }

    /// The rows that a filter takes which looks into no entry, the last touched first.
    async fn rows(&self, filter: &Filter) -> Result<Vec<Arc<Row>>, JoinError> {
        let mut lists: Vec<Rows> = Vec::new();
        for agent in self.agents(filter) {
            let waiting = import::entries(&self.deps, agent.as_str()).await;
            let (deps, name) = (Arc::clone(&self.deps), agent.to_string());
            let read = move || deps.shared.shelf.rows(&deps.ledger, &name, &waiting);
            let (stored, waiting) = tokio::task::spawn_blocking(read).await?;
            lists.extend(
                [stored, waiting]
                    .into_iter()
                    .filter(|rows| !rows.is_empty()),
            );
        }
        let now_ms = now_ms();
        let rows = lists.iter().flat_map(|rows| rows.iter());
        let rows = rows.filter(|row| filter.is_active(row.updated_at, now_ms));
        let mut rows: Vec<Arc<Row>> = rows.cloned().collect();
        if lists.len() > 1 {
            rows.sort_by_key(|row| Reverse(row.updated_at));
        }
        Ok(rows)
    }

    fn agents(&self, filter: &Filter) -> Vec<AgentId> {
        match &filter.agent {
            Some(agent) => vec![agent.clone()],
            None => (self.deps.config)().agents.ids(),
        }
    }

    fn write(
        &self,
        rows: &[Arc<Row>],
        filter: &Filter,
        offset: usize,
        limit: Option<usize>,
    ) -> Page {
        let total = rows.len();
        let shown = rows.iter().skip(offset).take(limit.unwrap_or(usize::MAX));
        let count = shown.len();
        let active = self.deps.shared.runs.all();
        let mut written = Written::new();
        for row in shown {
            let (title, last) = self.words(row.session_id.as_deref(), filter);
            let now = Now {
                active_run: active.get(&row.key).map(RunId::as_str),
                derived_title: title.as_deref(),
                last_message: last.as_deref(),
            };
            written.push(row, &now);
        }
        Page {
            total,
            count,
            pieces: written.finish(),
        }
    }

    fn listed(&self, key: SessionKey, entry: Entry, filter: &Filter) -> Listed {
        let (derived_title, last_message) = self.words(entry::session_id(&entry), filter);
        Listed {
            active_run: self.active_run(&key),
            derived_title,
            last_message,
            key,
            entry,
        }
    }

    /// The title and the last words of a session, as far as they are wanted.
    fn words(&self, session_id: Option<&str>, filter: &Filter) -> (Option<String>, Option<String>) {
        let Some(id) = session_id.filter(|_| filter.derived_titles || filter.last_message) else {
            return (None, None);
        };
        let messages = records(&self.deps.ledger, id, usize::MAX);
        let said_by = |role: &str, message: &&Value| {
            message.get("role").and_then(Value::as_str) == Some(role)
        };
        let first = messages.iter().find(|message| said_by("user", message));
        let last = messages.iter().rev().find_map(text_of);
        let title = first
            .and_then(text_of)
            .map(|text| short(&text, TITLE_CHARS));
        let last = last.map(|text| short(&text, LAST_CHARS));
        (
            title.filter(|_| filter.derived_titles),
            last.filter(|_| filter.last_message),
        )
    }
}

impl Filter {
    /// Tells whether more of an entry is looked at than when it was touched.
    fn reads_entries(&self) -> bool {
        self.label.is_some() || self.spawned_by.is_some() || self.search.is_some()
    }

    fn is_active(&self, updated_at: Option<i64>, now_ms: i64) -> bool {
        self.active_minutes.is_none_or(|minutes| {
            let span = i64::try_from(minutes)
                .unwrap_or(i64::MAX)
                .saturating_mul(60_000);
            updated_at.is_some_and(|at| now_ms.saturating_sub(at) <= span)
        })
    }

    fn takes(&self, key: &SessionKey, entry: &Entry, now_ms: i64) -> bool {
        let is = |name: &str, wanted: &Option<String>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| entry::text(entry, name) == Some(wanted))
        };
        let is_active = self.is_active(entry::updated_at(entry), now_ms);
        let is_found = self.search.as_deref().is_none_or(|search| {
            let search = search.to_lowercase();
            let holds = |text: &str| text.to_lowercase().contains(&search);
            holds(key.as_str())
                || ["label", "displayName", "subject", "sessionId"]
                    .iter()
                    .any(|name| entry::text(entry, name).is_some_and(holds))
        });
        is("label", &self.label) && is("spawnedBy", &self.spawned_by) && is_active && is_found
    }
}

impl Listed {
    /// The row as clients know it.
    pub fn row(&self) -> Value {
        let now = Now {
            active_run: self.active_run.as_ref().map(RunId::as_str),
            derived_title: self.derived_title.as_deref(),
            last_message: self.last_message.as_deref(),
        };
        let mut row = row::facts(&self.key, &self.entry);
        row.extend(
            now.facts()
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        Value::Object(row)
    }
}
