//! The tree as text, once or live.

use std::time::Duration;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use crate::client::Client;
use crate::client::Incoming;
use crate::commands::health::string;
use crate::error::CommandResult;
use crate::render;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

/// A screen that changes faster can't be read.
const REDRAW_EVERY: Duration = Duration::from_millis(250);
/// Queues and times move without events.
const REFRESH_EVERY: Duration = Duration::from_secs(2);
/// Beside the name and the state it fits a usual terminal.
const LONGEST_NOTE: usize = 72;
const CLEAR: &str = "\x1b[H\x1b[2J\x1b[3J";

pub(super) fn params(path: Option<&str>, depth: Option<usize>) -> Value {
    let mut params = Map::new();
    if let Some(path) = path {
        params.insert("path".into(), path.into());
    }
    if let Some(depth) = depth {
        params.insert("depth".into(), depth.into());
    }
    Value::Object(params)
}

/// Draws the tree whenever something happened in it, until interrupted. Into a pipe it writes the events as JSON lines.
pub(super) async fn watch(
    mut client: Client,
    params: &Value,
    within: Duration,
    shell: &Shell,
) -> CommandResult {
    let terminal = &shell.terminal;
    client.call("supervisor.watch", &json!({}), within).await?;
    if terminal.json || !terminal.interactive {
        loop {
            if let Some(Incoming::Event { name, payload }) = client.next(within).await?
                && name == "supervisor"
            {
                terminal.json_line(&payload)?;
            }
        }
    }
    loop {
        let answer = client.call("supervisor.tree", params, within).await?;
        let drawn = render(&answer, render::now_ms(), terminal);
        terminal.raw(&format!("{CLEAR}{drawn}"))?;
        let (since, mut stale) = (Instant::now(), false);
        while !(stale && since.elapsed() >= REDRAW_EVERY) && since.elapsed() < REFRESH_EVERY {
            let limit = if stale { REDRAW_EVERY } else { REFRESH_EVERY };
            let left = limit.saturating_sub(since.elapsed());
            stale |= match client.next(left).await? {
                Some(Incoming::Event { name, .. }) => name == "supervisor",
                _ => false,
            };
        }
    }
}

/// The tree with its columns lined up.
pub(crate) fn render(answer: &Value, now_ms: i64, terminal: &Terminal) -> String {
    let root = answer.get("tree").unwrap_or(answer);
    let mut lines = Vec::new();
    collect(root, "", "", now_ms, &mut lines);
    let name_width = lines
        .iter()
        .map(|line| render::width(&line.branch) + render::width(&line.name))
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for line in lines {
        let used = render::width(&line.branch) + render::width(&line.name);
        text.push_str(&terminal.paint(Tone::Muted, &line.branch));
        text.push_str(&terminal.paint(Tone::Strong, &line.name));
        text.push_str(&" ".repeat(name_width.saturating_sub(used) + 2));
        text.push_str(&terminal.paint(line.tone, &format!("{:<10}", line.state)));
        text.push_str(&line.facts.join("  "));
        let end = text.trim_end().len();
        text.truncate(end);
        text.push('\n');
    }
    let lost = answer.get("abandoned").and_then(Value::as_array);
    let lost: Vec<_> = lost
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !lost.is_empty() {
        let who = render::clean(&lost.join(", "));
        let line = format!("abandoned and still on their threads: {who}\n");
        text.push_str(&terminal.paint(Tone::Bad, &line));
    }
    text
}

struct Line {
    branch: String,
    name: String,
    tone: Tone,
    state: String,
    facts: Vec<String>,
}

fn collect(node: &Value, branch: &str, below: &str, now_ms: i64, into: &mut Vec<Line>) {
    let number = |name: &str| node.get(name).and_then(Value::as_u64).unwrap_or(0);
    let time = |name: &str| node.get(name).and_then(Value::as_i64);
    let (state, health) = (string(node, "state"), string(node, "health"));
    let (tone, word) = match state.as_str() {
        "running" if health == "degraded" => (Tone::Warn, health),
        "running" if health == "connecting" => (Tone::Warn, health),
        "running" => (Tone::Good, state),
        "parked" | "backoff" => (Tone::Bad, state),
        "starting" | "stopping" => (Tone::Warn, state),
        _ => (Tone::Muted, state),
    };
    let mut facts = Vec::new();
    let (queued, capacity) = (number("queued"), number("capacity"));
    if queued > 0 {
        facts.push(format!("q {queued}/{capacity}"));
    }
    if let Some(busy) = node
        .get("busyMs")
        .and_then(Value::as_u64)
        .filter(|ms| *ms > 0)
    {
        facts.push(format!(
            "busy {} {}",
            string(node, "current"),
            render::duration(busy)
        ));
    }
    if number("restarts") > 0 {
        facts.push(format!("restarts {}", number("restarts")));
    }
    if let Some(until) = time("untilMs").filter(|until| *until > now_ms) {
        let left = u64::try_from(until - now_ms).unwrap_or(0);
        facts.push(format!("next try in {}", render::duration(left)));
    }
    let is_task = node.get("isTask").and_then(Value::as_bool) == Some(true);
    if is_task && let Some(since) = time("startedAtMs") {
        // A task is one thing that takes its time: how long is the question.
        let ms = u64::try_from(now_ms - since).unwrap_or(0);
        facts.push(format!("for {}", render::duration(ms)));
    }
    if number("refused") > 0 {
        facts.push(format!("refused {}", number("refused")));
    }
    if number("stalls") > 0 {
        facts.push(format!("stalls {}", number("stalls")));
    }
    let poison = node.get("poison").and_then(Value::as_array);
    for poison in poison.into_iter().flatten() {
        let count = |name: &str| poison.get(name).and_then(Value::as_u64).unwrap_or(0);
        facts.push(format!(
            "{} crashed it {}×, {} dropped",
            render::clean(&string(poison, "mail")),
            count("inARow"),
            count("dropped")
        ));
    }
    facts.extend(last_end(node));
    let note = string(node, "note");
    if !note.is_empty() {
        facts.push(clip(&render::clean(&note)));
    }
    if branch.is_empty()
        && let Some(since) = time("startedAtMs")
    {
        let up = u64::try_from(now_ms - since).unwrap_or(0);
        facts.insert(0, format!("up {}", render::duration(up)));
    }
    into.push(Line {
        branch: branch.to_owned(),
        name: render::clean(&string(node, "name")),
        tone,
        state: word,
        facts,
    });
    let children = node.get("children").and_then(Value::as_array);
    let children: Vec<&Value> = children.into_iter().flatten().collect();
    for (index, child) in children.iter().enumerate() {
        let is_last = index + 1 == children.len();
        let (joint, bar) = if is_last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        collect(
            child,
            &format!("{below}{joint}"),
            &format!("{below}{bar}"),
            now_ms,
            into,
        );
    }
}

/// How it last ended, if that was not in order; of a crash also what it said, where, and handling what.
fn last_end(node: &Value) -> Option<String> {
    let exit = string(node, "lastExit");
    if exit.is_empty() || exit == "normal" || exit == "ordered" {
        return None;
    }
    let mut text = format!("last: {}", clip(&render::clean(&exit)));
    let place = string(node, "crashAt");
    if !place.is_empty() {
        let said = clip(&render::clean(&string(node, "crashSaid")));
        text.push_str(&format!(" \"{said}\" at {}", render::clean(&place)));
    }
    let mail = string(node, "crashIn");
    if !mail.is_empty() {
        text.push_str(&format!(" in {}", render::clean(&mail)));
    }
    Some(text)
}

/// The start of a long text: a tree with wrapped lines is none. `--json` has all of it.
fn clip(text: &str) -> String {
    if text.chars().count() <= LONGEST_NOTE {
        return text.to_owned();
    }
    let start: String = text.chars().take(LONGEST_NOTE - 1).collect();
    format!("{}…", start.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_lines_up_and_says_what_is_odd() {
        let answer = json!({ "tree": {
            "name": "gateway", "state": "running", "health": "ok", "startedAtMs": 0,
            "children": [
                { "name": "journal", "state": "running", "health": "ok", "queued": 3, "capacity": 1024 },
                { "name": "channels", "state": "running", "health": "ok", "children": [
                    { "name": "poll", "state": "parked", "restarts": 6, "untilMs": 100_000,
                      "stalls": 2, "poison": [{ "mail": "import", "inARow": 3, "dropped": 5 }],
                      "lastExit": "panicked: c-81f2", "crash": "c-81f2", "crashAt": "src/poll.rs:7:5",
                      "crashSaid": "no bot", "crashIn": "polled" },
                    { "name": "call", "state": "running", "isTask": true, "startedAtMs": 41_000 },
                    { "name": "send", "state": "running", "health": "degraded", "note": "429" },
                ]},
            ],
        }, "abandoned": ["channels/telegram/home/poll"] });
        let text = render(&answer, 53_000, &Terminal::plain());
        assert_eq!(
            text,
            "gateway      running   up 53 s\n\
             ├─ journal   running   q 3/1024\n\
             └─ channels  running\n   \
                ├─ poll   parked    restarts 6  next try in 47 s  stalls 2  import crashed it 3×, 5 dropped  \
                last: panicked: c-81f2 \"no bot\" at src/poll.rs:7:5 in polled\n   \
                ├─ call   running   for 12 s\n   \
                └─ send   degraded  429\n\
             abandoned and still on their threads: channels/telegram/home/poll\n"
        );
    }
}
