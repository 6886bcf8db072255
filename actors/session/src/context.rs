//! From the lines of a transcript to the messages a model sees.
//!
//! Pure. The context is the path from the last entry back to the first; a compaction on the path
//! stands for what came before the entry it kept. What would break a model's wire is mended on
//! the way: calls without a result, results without a call, answers that are empty errors.

use std::collections::HashMap;

use openclaw_protocol::Content;
use openclaw_protocol::Message;
use openclaw_protocol::ModelRef;
use openclaw_protocol::StopReason;
use openclaw_protocol::Usage;
use openclaw_protocol::message::ToolResultMessage;
use serde::Deserialize;
use serde_json::Value;

pub(crate) mod cut;
pub(crate) mod digest;
pub(crate) mod fit;
pub(crate) mod prune;
pub(crate) mod room;
pub(crate) mod size;

#[cfg(test)]
mod tests;

/// The field that marks messages which the gateway handled itself: commands and their answers.
/// People see them in the history, models don't.
pub(crate) const COMMAND: &str = "openclawCommand";

/// Begins the message that stands for what was summed up.
pub(crate) const SUMMARY: &str = "[Summary of the conversation so far]\n";

/// What a transcript amounts to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Context {
    /// The messages for the model.
    pub(crate) messages: Vec<Message>,
    /// The last chained entry.
    pub(crate) leaf: Option<String>,
    /// The model that answered last.
    pub(crate) model: Option<ModelRef>,
    /// How many lines there are.
    pub(crate) rows: u64,
    /// How many answers came since the conversation was last summed up; none when it never was.
    pub(crate) since: Option<u64>,
}

/// Reads a transcript's lines.
pub(crate) fn build(lines: &[Value]) -> Context {
    let rows = u64::try_from(lines.len()).unwrap_or(u64::MAX);
    let path = path(lines);
    let leaf = path
        .last()
        .and_then(|line| text(line, "id"))
        .map(str::to_owned);
    let model = path
        .iter()
        .rev()
        .find(|line| text(line, "type") == Some("model_change"))
        .and_then(|line| {
            Some(ModelRef::new(
                text(line, "provider")?,
                text(line, "modelId")?,
            ))
        });
    Context {
        messages: mend(entries_of(&path).into_iter().map(|(_, m)| m).collect()),
        leaf,
        model,
        rows,
        since: since(&path),
    }
}

/// The messages of a transcript as they stand in it, for people, each with its entry's id: none left out on the path.
pub(crate) fn records(mut lines: Vec<Value>) -> Vec<(String, Value)> {
    places(&lines)
        .into_iter()
        .filter_map(|at| {
            let line = lines.get_mut(at)?;
            let id = text(line, "id").filter(|_| text(line, "type") == Some("message"))?;
            Some((id.to_owned(), line.get_mut("message")?.take()))
        })
        .collect()
}

/// The chained entries from the first to the leaf.
fn path(lines: &[Value]) -> Vec<&Value> {
    let places = places(lines).into_iter();
    places.filter_map(|at| lines.get(at)).collect()
}

/// Where they stand.
fn places(lines: &[Value]) -> Vec<usize> {
    let mut by_id: HashMap<&str, usize> = HashMap::with_capacity(lines.len());
    let mut leaf = None;
    for (at, line) in lines.iter().enumerate() {
        if text(line, "type") == Some("session") {
            continue;
        }
        if let Some(id) = text(line, "id") {
            by_id.insert(id, at);
            leaf = Some(id);
        }
    }
    let mut places = Vec::new();
    let mut next = leaf;
    // Each place once: what was made by hand may go in a circle.
    while let Some(at) = next.and_then(|id| by_id.remove(id)) {
        places.push(at);
        next = lines.get(at).and_then(|line| text(line, "parentId"));
    }
    places.reverse();
    places
}

/// What a model sees of a transcript, each message with its entry; a summary has none.
pub(crate) fn entries(lines: &[Value]) -> Vec<(Option<String>, Message)> {
    entries_of(&path(lines))
}

fn last_compaction(path: &[&Value]) -> Option<usize> {
    path.iter()
        .rposition(|line| text(line, "type") == Some("compaction"))
}

fn since(path: &[&Value]) -> Option<u64> {
    let at = last_compaction(path)?;
    let after = path.get(at..).unwrap_or_default().iter();
    let answers = after
        .filter(|line| line.pointer("/message/role").and_then(Value::as_str) == Some("assistant"));
    u64::try_from(answers.count()).ok()
}

fn entries_of(path: &[&Value]) -> Vec<(Option<String>, Message)> {
    let mut entries = Vec::new();
    let mut rest: &[&Value] = path;
    let mut old = 0;
    if let Some(at) = last_compaction(path)
        && let Some(line) = path.get(at)
    {
        let summary = text(line, "summary").unwrap_or_default();
        entries.push((None, Message::user(format!("{SUMMARY}{summary}"), 0)));
        let kept = text(line, "firstKeptEntryId");
        let from = path
            .iter()
            .position(|line| kept.is_some() && text(line, "id") == kept)
            .unwrap_or(at);
        rest = path.get(from..).unwrap_or_default();
        old = at.saturating_sub(from);
    }
    for (n, line) in rest.iter().enumerate() {
        let Some(mut message) = message(line) else {
            continue;
        };
        if let Message::Assistant(answer) = &mut message
            && n < old
        {
            answer.usage = Usage::default(); // of a conversation that was longer then
        }
        entries.push((text(line, "id").map(str::to_owned), message));
    }
    entries
}

fn message(line: &Value) -> Option<Message> {
    match text(line, "type")? {
        "message" => {
            let mut message = Message::deserialize(line.get("message")?).ok()?;
            if let Message::ToolResult(result) = &mut message {
                result.details = None; // facts for people, never for the model
            }
            (!matches!(message, Message::Other(_))).then_some(message)
        }
        "custom_message" => {
            let content = line.get("content")?;
            let wrapped = serde_json::json!({"role": "user", "content": content, "timestamp": 0});
            serde_json::from_value(wrapped).ok()
        }
        "branch_summary" => Some(Message::user(
            format!(
                "[Summary of another branch]\n{}",
                text(line, "summary").unwrap_or_default()
            ),
            0,
        )),
        _ => None,
    }
}

/// Leaves a list that every wire accepts.
pub(crate) fn mend(messages: Vec<Message>) -> Vec<Message> {
    let mut mended: Vec<Message> = Vec::with_capacity(messages.len());
    let mut open: Vec<(String, String)> = Vec::new();
    for message in messages {
        match message {
            Message::User(said) if said.extra.contains_key(COMMAND) => {}
            Message::Assistant(said) if said.extra.contains_key(COMMAND) => {}
            Message::ToolResult(result) => {
                let place = open.iter().position(|(id, _)| *id == result.tool_call_id);
                if let Some(place) = place {
                    open.remove(place);
                    mended.push(Message::ToolResult(result));
                }
            }
            Message::Assistant(answer) => {
                close(&mut open, &mut mended);
                let is_broken =
                    matches!(answer.stop_reason, StopReason::Error | StopReason::Aborted);
                let says_something = answer.content.iter().any(|part| match part {
                    Content::Text { text, .. } => !text.trim().is_empty(),
                    Content::ToolCall { .. } => true,
                    _ => false,
                });
                if is_broken && !says_something {
                    continue;
                }
                for part in &answer.content {
                    if let Content::ToolCall { id, name, .. } = part {
                        open.push((id.clone(), name.clone()));
                    }
                }
                mended.push(Message::Assistant(answer));
            }
            other => {
                close(&mut open, &mut mended);
                mended.push(other);
            }
        }
    }
    close(&mut open, &mut mended);
    mended
}

fn close(open: &mut Vec<(String, String)>, mended: &mut Vec<Message>) {
    for (tool_call_id, tool_name) in open.drain(..) {
        mended.push(Message::ToolResult(ToolResultMessage {
            tool_call_id,
            tool_name,
            content: vec![Content::text("interrupted, outcome unknown")],
            is_error: true,
            ..ToolResultMessage::default()
        }));
    }
}

fn text<'a>(line: &'a Value, name: &str) -> Option<&'a str> {
    line.get(name).and_then(Value::as_str)
}
