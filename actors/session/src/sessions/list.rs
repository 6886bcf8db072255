//! Which sessions there are.

use serde_json::json;

use super::history::records;
use super::history::short;
use super::history::text_of;
use super::*;

/// The longest title taken from a first message.
const TITLE_CHARS: usize = 60;

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

impl Sessions {
    /// Sessions, the last touched first.
    pub async fn list(&self, filter: &Filter) -> Vec<Listed> {
        let agents = match &filter.agent {
            Some(agent) => vec![agent.clone()],
            None => (self.deps.config)().agents.ids(),
        };
        let mut found: Vec<(SessionKey, Entry)> = Vec::new();
        for agent in agents {
            let stored = self.deps.ledger.session_entries(agent.as_str());
            found.extend(stored.into_iter().filter_map(|(key, entry)| match entry {
                Value::Object(entry) => Some((key, entry)),
                _ => None,
            }));
            let waiting = import::entries(&self.deps, agent.as_str()).await;
            found.extend(waiting.iter().cloned());
        }
        let now_ms = now_ms();
        found.retain(|(key, entry)| filter.takes(key, entry, now_ms));
        found.sort_by_key(|(_, entry)| std::cmp::Reverse(entry::updated_at(entry)));
        found.truncate(filter.limit.unwrap_or(usize::MAX));
        found
            .into_iter()
            .map(|(key, entry)| self.listed(key, entry, filter))
            .collect()
    }

    fn listed(&self, key: SessionKey, entry: Entry, filter: &Filter) -> Listed {
        let mut listed = Listed {
            active_run: self.active_run(&key),
            derived_title: None,
            last_message: None,
            key,
            entry,
        };
        let Some(id) = entry::session_id(&listed.entry) else {
            return listed;
        };
        if filter.derived_titles || filter.last_message {
            let (messages, _) = records(&self.deps.ledger, id, usize::MAX);
            let said_by = |role: &str, message: &&Value| {
                message.get("role").and_then(Value::as_str) == Some(role)
            };
            let first = messages.iter().find(|message| said_by("user", message));
            let last = messages.iter().rev().find_map(text_of);
            if filter.derived_titles {
                listed.derived_title = first.and_then(text_of).map(|t| short(&t, TITLE_CHARS));
            }
            if filter.last_message {
                listed.last_message = last.map(|text| short(&text, 240));
            }
        }
        listed
    }
}

impl Filter {
    fn takes(&self, key: &SessionKey, entry: &Entry, now_ms: i64) -> bool {
        let is = |name: &str, wanted: &Option<String>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| entry::text(entry, name) == Some(wanted))
        };
        let is_active = self.active_minutes.is_none_or(|minutes| {
            let span = i64::try_from(minutes)
                .unwrap_or(i64::MAX)
                .saturating_mul(60_000);
            entry::updated_at(entry).is_some_and(|at| now_ms.saturating_sub(at) <= span)
        });
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
        let mut row = json!({
            "key": self.key.as_str(),
            "kind": entry::kind(&self.key, &self.entry),
            "agentId": self.key.agent_str(),
            "isMain": self.key == SessionKey::main(&self.key.agent()),
            "updatedAt": entry::updated_at(&self.entry),
            "hasActiveRun": self.active_run.is_some(),
            "activeRunIds": self.active_run.iter().map(RunId::as_str).collect::<Vec<_>>(),
        });
        if let Some(object) = row.as_object_mut() {
            for name in FIELDS {
                if let Some(value) = self.entry.get(name) {
                    object.insert(name.to_owned(), value.clone());
                }
            }
            if let Some(title) = &self.derived_title {
                object.insert("derivedTitle".to_owned(), json!(title));
            }
            if let Some(text) = &self.last_message {
                object.insert("lastMessagePreview".to_owned(), json!(text));
            }
        }
        row
    }
}
