//! `/subagents`: what works for a session on the side.

use openclaw_ledger::InboxRow;
use openclaw_protocol::Message;
use openclaw_protocol::SessionKey;

use super::Children;
use crate::Intake;
use crate::conversation;
use crate::deps::Deps;
use crate::entry;
use crate::subagent;

/// Tasks of a list; the oldest that ended are left out.
const SHOWN: usize = 20;
/// Lines of a transcript that a log is made from.
const LOGGED: u64 = 20;
/// Of each message so many characters.
const LINE: usize = 300;

/// Does what is wanted, and says it.
pub(crate) async fn answer(
    deps: &Deps,
    parent: &SessionKey,
    wanted: &Children,
    now_ms: i64,
) -> String {
    let tasks = listed(subagent::known_tasks(&deps.ledger, parent));
    match wanted {
        Children::List if tasks.is_empty() => "No sub-agent works for this session.".to_owned(),
        Children::List => {
            let lines = tasks.iter().enumerate();
            let lines = lines.map(|(n, row)| line(n + 1, row, now_ms));
            lines.collect::<Vec<_>>().join("\n")
        }
        Children::Info(which) => match pick(&tasks, which) {
            Some(row) => info(row, now_ms),
            None => none(which),
        },
        Children::Log(which) => match pick(&tasks, which) {
            Some(row) => log(deps, &row.session),
            None => none(which),
        },
        Children::Stop(which) if which == "all" => match stop_all(deps, parent).await {
            0 => "No sub-agent is at work.".to_owned(),
            stopped => format!("Stopped {stopped}."),
        },
        Children::Stop(which) => match pick(&tasks, which) {
            Some(row) if row.state.is_open() => {
                stop(deps, row).await;
                stop_all(deps, &row.session).await;
                format!("Stopped {}.", name(row))
            }
            Some(row) => format!("{} is over: {}.", name(row), row.state.as_str()),
            None => none(which),
        },
    }
}

/// Ends what works for a session, and what works for that. Says how many there were.
pub(crate) async fn stop_all(deps: &Deps, parent: &SessionKey) -> usize {
    let mut parents = vec![parent.clone()];
    let mut stopped = 0;
    while let Some(parent) = parents.pop() {
        for row in subagent::open_tasks(&deps.ledger, Some(&parent)) {
            stop(deps, &row).await;
            stopped += 1;
            parents.push(row.session);
        }
    }
    stopped
}

async fn stop(deps: &Deps, row: &InboxRow) {
    let intake = Intake::new(deps.ledger.clone(), deps.directory.clone());
    let run = Some(row.run_id.clone());
    intake.abort_because(&row.session, run, "stop").await;
}

/// Those at work first, then the latest.
fn listed(mut tasks: Vec<InboxRow>) -> Vec<InboxRow> {
    tasks.sort_by_key(|row| (!row.state.is_open(), -row.received_at_ms));
    tasks.truncate(SHOWN);
    tasks
}

/// By its number in the list, its label or its session.
fn pick<'r>(tasks: &'r [InboxRow], which: &str) -> Option<&'r InboxRow> {
    let number = which.trim_start_matches('#').parse::<usize>().ok();
    if let Some(number) = number {
        return tasks.get(number.checked_sub(1)?);
    }
    tasks.iter().find(|row| {
        let label = row
            .body
            .spawn
            .as_ref()
            .and_then(|spawn| spawn.label.as_deref());
        label == Some(which) || row.session.as_str() == which
    })
}

fn name(row: &InboxRow) -> &str {
    let label = row
        .body
        .spawn
        .as_ref()
        .and_then(|spawn| spawn.label.as_deref());
    label.unwrap_or(row.session.as_str())
}

fn line(number: usize, row: &InboxRow, now_ms: i64) -> String {
    let until = if row.state.is_open() {
        now_ms
    } else {
        row.changed_at_ms
    };
    let seconds = until.saturating_sub(row.received_at_ms).max(0) / 1000;
    format!(
        "{number}. {}: {}, {seconds} s",
        name(row),
        row.state.as_str()
    )
}

fn info(row: &InboxRow, now_ms: i64) -> String {
    let reason = row.reason.as_deref().map(|why| format!("\n{why}"));
    format!(
        "{}\nSession: {}\nRun: {}\nTask: {}{}",
        line(1, row, now_ms).trim_start_matches("1. "),
        row.session,
        row.run_id,
        row.body.text.chars().take(500).collect::<String>(),
        reason.unwrap_or_default(),
    )
}

/// The last of what was said in a session, a line each.
fn log(deps: &Deps, session: &SessionKey) -> String {
    let entry = conversation::entry_of(&deps.ledger, session);
    let lines = entry.as_ref().and_then(entry::session_id).map(|id| {
        let last = deps.ledger.transcript_len(id);
        deps.ledger.transcript(id, last.saturating_sub(LOGGED))
    });
    let said: Vec<String> = lines
        .into_iter()
        .flatten()
        .filter_map(|(_, line)| serde_json::from_value(line.get("message")?.clone()).ok())
        .map(|message: Message| {
            let text = message.text();
            let words: Vec<&str> = text.split_whitespace().collect();
            let text: String = words.join(" ").chars().take(LINE).collect();
            format!("{}: {text}", message.role())
        })
        .collect();
    match said.is_empty() {
        true => "Nothing is written down of it yet.".to_owned(),
        false => said.join("\n"),
    }
}

fn none(which: &str) -> String {
    format!("There is no sub-agent {which}: `/subagents` lists them.")
}
