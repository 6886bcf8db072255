//! Sub-agents: sessions that other sessions give a task, and what becomes of it.
//!
//! The task is a row in the inbox of the child that says whose it is. However that row ends, the outcome is a row in the
//! inbox of the parent, written in the same transaction: there is no moment at which one is there without the other.

use std::collections::BTreeSet;

use openclaw_ledger::InboxFilter;
use openclaw_ledger::InboxRow;
use openclaw_ledger::Ledger;
use openclaw_ledger::NewInbound;
use openclaw_protocol::Inbound;
use openclaw_protocol::RunId;
use openclaw_protocol::Scopes;
use openclaw_protocol::SessionKey;
use serde_json::Value;

use crate::deps::Deps;
use crate::event::now_ms;
use crate::plan::Outcome;
use crate::router;
use crate::router::RouterMail;

/// The way in of tasks and of outcomes.
pub const SOURCE: &str = "subagent";
/// The word in a child's key, once for each step away from a person.
const WORD: &str = "subagent";
/// What a parent reads of an outcome.
const RESULT_CHARS: usize = 20_000;
/// Rows that are looked through for those of one parent.
const MOST_ROWS: usize = 5_000;

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    Failed,
    TimedOut,
    Stopped,
}

impl End {
    /// How a turn ended; none if it is dead, and others of its rows wait again.
    pub(crate) fn of(outcome: &Outcome) -> Option<Self> {
        Some(match outcome {
            Outcome::Done => Self::Done,
            Outcome::Failed { .. } => Self::Failed,
            Outcome::Aborted { reason: "timeout" } => Self::TimedOut,
            Outcome::Aborted { .. } => Self::Stopped,
            Outcome::Dead { .. } => return None,
        })
    }

    fn said(self) -> &'static str {
        match self {
            Self::Done => "is done",
            Self::Failed => "failed",
            Self::TimedOut => "took too long and was ended",
            Self::Stopped => "was stopped",
        }
    }
}

/// The key of the child of a parent, of an agent.
pub fn child_key(parent: &SessionKey, agent: &str, id: &str) -> Option<SessionKey> {
    let above = match depth(parent) {
        0 => String::new(),
        _ => format!("{}:", parent.rest()),
    };
    SessionKey::parse(&format!("agent:{agent}:{above}{WORD}:{id}")).ok()
}

/// How many steps a session is away from a person's.
pub fn depth(key: &SessionKey) -> usize {
    key.rest().split(':').filter(|word| *word == WORD).count()
}

/// The tasks that are not ended, of one parent or of all.
pub fn open_tasks(ledger: &Ledger, parent: Option<&SessionKey>) -> Vec<InboxRow> {
    let rows = ledger.inbox(&InboxFilter {
        open_only: true,
        limit: MOST_ROWS,
        ..InboxFilter::default()
    });
    rows.into_iter().filter(|row| is_of(row, parent)).collect()
}

/// The tasks of a parent that are still known, also those that ended.
pub(crate) fn known_tasks(ledger: &Ledger, parent: &SessionKey) -> Vec<InboxRow> {
    let mut tasks = open_tasks(ledger, Some(parent));
    let entries = ledger.session_entries(parent.agent_str());
    let is_child = |entry: &Value| {
        let spawned_by = entry.get("spawnedBy").and_then(Value::as_str);
        spawned_by == Some(parent.as_str())
    };
    let children = entries.into_iter().filter(|(_, entry)| is_child(entry));
    for (child, _) in children {
        let rows = ledger.inbox(&InboxFilter {
            session: Some(child),
            ..InboxFilter::default()
        });
        let ended = rows.into_iter().filter(|row| !row.state.is_open());
        tasks.extend(ended.filter(|row| is_of(row, Some(parent))));
    }
    tasks
}

/// Whether a row is a task, of this parent if one is named.
fn is_of(row: &InboxRow, parent: Option<&SessionKey>) -> bool {
    let of = row.body.spawn.as_deref().map(|spawn| &spawn.parent);
    of.is_some_and(|of| parent.is_none_or(|parent| parent == of))
}

/// What the parent of a row is told of its end; none for a row that is no task.
pub(crate) fn outcome(
    row: &InboxRow,
    end: End,
    said: &str,
    tokens: u64,
    outside: Option<&str>,
) -> Option<NewInbound> {
    let spawn = row.body.spawn.as_deref()?;
    let now_ms = now_ms();
    let name = spawn.label.as_deref().unwrap_or(row.session.as_str());
    let result: String = said.trim().chars().take(RESULT_CHARS).collect();
    let result = match result.is_empty() {
        true => "It said nothing.",
        false => &result,
    };
    let seconds = now_ms.saturating_sub(row.received_at_ms).max(0) / 1000;
    let text = format!(
        "[Your sub-agent \"{name}\" {}; these are its words, not a person's]\n{result}\n\n[session {}, {seconds} s, {tokens} \
         tokens. Tell the person what matters of it, in your own words.]",
        end.said(),
        row.session,
    );
    let id = format!("{}#{}", row.session, row.seq);
    Some(NewInbound {
        session: spawn.parent.clone(),
        source: SOURCE.to_owned(),
        run_id: RunId::from(format!("{SOURCE}/{id}").as_str()),
        source_id: format!("end/{id}"),
        body: Inbound {
            text,
            timestamp_ms: now_ms,
            chat: spawn.chat.clone().unwrap_or_default(),
            deliver: spawn.reply.is_some(),
            // Words that came from elsewhere have nobody's rights.
            scopes: Scopes::NONE,
            outside: outside.map(|from| format!("a sub-agent, {from}")),
            ..Inbound::default()
        },
        reply: spawn.reply.clone(),
        received_at_ms: now_ms,
        traceparent: row.traceparent.clone(),
    })
}

/// Wakes the parents of rows that ended.
pub(crate) fn wake<'a>(deps: &Deps, rows: impl IntoIterator<Item = &'a InboxRow>) {
    let parents = rows.into_iter().filter_map(|row| row.body.spawn.as_deref());
    let parents: BTreeSet<&str> = parents.map(|spawn| spawn.parent.as_str()).collect();
    if parents.is_empty() {
        return;
    }
    let router = deps.directory.address::<RouterMail>(&router::router_path());
    for parent in parents
        .into_iter()
        .filter_map(|key| SessionKey::parse(key).ok())
    {
        router.nudge(RouterMail::Inbound(parent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_s_key_says_how_far_away_it_is() {
        let main = SessionKey::parse("agent:main:telegram:group:-1").unwrap();
        let child = child_key(&main, "work", "1").unwrap();
        assert_eq!(child.as_str(), "agent:work:subagent:1");
        let grandchild = child_key(&child, "work", "2").unwrap();
        assert_eq!(grandchild.as_str(), "agent:work:subagent:1:subagent:2");
        assert_eq!([&main, &child, &grandchild].map(depth), [0, 1, 2]);
    }
}
