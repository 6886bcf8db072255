//! From the lines of a transcript to the messages a model sees.
//!
//! Pure. The context is the path from the last entry back to the first; a compaction on the path
//! stands for what came before the entry it kept. What would break a model's wire is mended on
//! the way: calls without a result, results without a call, answers that are empty errors.

use std::collections::HashMap;
use std::sync::Arc;

use openclaw_protocol::Content;
use openclaw_protocol::Message;
use openclaw_protocol::ModelRef;
use openclaw_protocol::StopReason;
use openclaw_protocol::Usage;
use openclaw_protocol::message::ToolResultMessage;
use openclaw_protocol::message::UserMessage;
use serde_json::Value;

use self::line::Kind;
pub(crate) use self::line::Line;
use self::line::text;
use crate::outside;

pub(crate) mod cut;
pub(crate) mod digest;
pub(crate) mod fit;
mod line;
pub(crate) mod prune;
pub(crate) mod recent;
pub(crate) mod room;
pub(crate) mod size;
pub(crate) mod stored;

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
    pub(crate) messages: Vec<Arc<Message>>,
    /// The last chained entry.
    pub(crate) leaf: Option<String>,
    /// The model that answered last.
    pub(crate) model: Option<ModelRef>,
    /// How many lines there are.
    pub(crate) rows: u64,
    /// How many answers came since the conversation was last summed up; none when it never was.
    pub(crate) since: Option<u64>,
    /// Where words from outside in it come from; none if there are none.
    pub(crate) outside: Option<String>,
}

/// Reads a transcript's lines.
pub(crate) fn build(lines: &[Value]) -> Context {
    of_lines(lines.iter().map(Line::read).collect())
}

/// What lines amount to that were read one by one.
pub(crate) fn of_lines(lines: Vec<Line>) -> Context {
    let rows = u64::try_from(lines.len()).unwrap_or(u64::MAX);
    let path = path(lines);
    let leaf = path.last().and_then(|line| line.id.clone());
    let model = path.iter().rev().find_map(|line| match &line.kind {
        Kind::Model(model) => Some(model.clone()),
        _ => None,
    });
    let since = since(&path);
    let messages = mend(entries_of(path).into_iter().map(|(_, m)| m).collect());
    Context {
        since,
        outside: outside::first(messages.iter().map(Arc::as_ref)),
        messages,
        leaf,
        model: model.flatten(),
        rows,
    }
}

/// The messages of a transcript as they stand in it, for people, each with its entry's id: none left out on the path.
pub(crate) fn records(mut lines: Vec<Value>) -> Vec<(String, Value)> {
    let heads = lines.iter().map(|line| Head {
        is_header: text(line, "type") == Some("session"),
        id: text(line, "id"),
        parent: text(line, "parentId"),
    });
    places(heads.collect())
        .into_iter()
        .filter_map(|at| {
            let line = lines.get_mut(at)?;
            let id = text(line, "id").filter(|_| text(line, "type") == Some("message"))?;
            Some((id.to_owned(), line.get_mut("message")?.take()))
        })
        .collect()
}

/// What of a line makes the chain.
pub(crate) struct Head<'l> {
    pub(crate) is_header: bool,
    pub(crate) id: Option<&'l str>,
    pub(crate) parent: Option<&'l str>,
}

/// The chained entries from the first to the leaf.
fn path(lines: Vec<Line>) -> Vec<Line> {
    let heads = lines.iter().map(|line| Head {
        is_header: matches!(line.kind, Kind::Header),
        id: line.id.as_deref(),
        parent: line.parent.as_deref(),
    });
    let places = places(heads.collect()).into_iter();
    let mut lines: Vec<Option<Line>> = lines.into_iter().map(Some).collect();
    places
        .filter_map(|at| lines.get_mut(at).and_then(Option::take))
        .collect()
}

/// Where they stand.
pub(crate) fn places(heads: Vec<Head<'_>>) -> Vec<usize> {
    let mut by_id: HashMap<&str, usize> = HashMap::with_capacity(heads.len());
    let mut leaf = None;
    for (at, head) in heads.iter().enumerate() {
        if let Some(id) = head.id.filter(|_| !head.is_header) {
            by_id.insert(id, at);
            leaf = Some(id);
        }
    }
    let mut places = Vec::new();
    let mut next = leaf;
    // Each place once: what was made by hand may go in a circle.
    while let Some(at) = next.and_then(|id| by_id.remove(id)) {
        places.push(at);
        next = heads.get(at).and_then(|head| head.parent);
    }
    places.reverse();
    places
}

/// What a model sees of a transcript, each message with its entry; a summary has none.
pub(crate) fn entries(lines: &[Value]) -> Vec<(Option<String>, Arc<Message>)> {
    entries_of(path(lines.iter().map(Line::read).collect()))
}

fn last_compaction(path: &[Line]) -> Option<usize> {
    path.iter()
        .rposition(|line| matches!(line.kind, Kind::Compaction { .. }))
}

fn since(path: &[Line]) -> Option<u64> {
    let at = last_compaction(path)?;
    let after = path.get(at..).unwrap_or_default().iter();
    let answers = after.filter(|line| {
        matches!(
            line.kind,
            Kind::Message {
                is_answer: true,
                ..
            }
        )
    });
    u64::try_from(answers.count()).ok()
}

fn entries_of(path: Vec<Line>) -> Vec<(Option<String>, Arc<Message>)> {
    let mut entries = Vec::new();
    let mut from = 0;
    let mut old = 0;
    if let Some(at) = last_compaction(&path)
        && let Some(Kind::Compaction {
            summary,
            first_kept,
            outside,
        }) = path.get(at).map(|line| &line.kind)
    {
        let mut message = UserMessage {
            content: vec![Content::text(format!("{SUMMARY}{summary}"))],
            ..UserMessage::default()
        };
        if let Some(from) = outside {
            let from = from.as_str().into();
            message.extra.insert(outside::OUTSIDE.to_owned(), from);
        }
        entries.push((None, Arc::new(Message::User(message))));
        from = path
            .iter()
            .position(|line| first_kept.is_some() && line.id == *first_kept)
            .unwrap_or(at);
        old = at.saturating_sub(from);
    }
    for (n, line) in path.into_iter().skip(from).enumerate() {
        let Kind::Message {
            message: Some(mut message),
            ..
        } = line.kind
        else {
            continue;
        };
        if n < old
            && let Message::Assistant(answer) = Arc::make_mut(&mut message)
        {
            answer.usage = Usage::default(); // of a conversation that was longer then
        }
        entries.push((line.id, message));
    }
    entries
}

/// Leaves a list that every wire accepts.
pub(crate) fn mend(messages: Vec<Arc<Message>>) -> Vec<Arc<Message>> {
    let mut mended: Vec<Arc<Message>> = Vec::with_capacity(messages.len());
    let mut open: Vec<(String, String)> = Vec::new();
    for message in messages {
        match &*message {
            Message::User(said) if said.extra.contains_key(COMMAND) => {}
            Message::Assistant(said) if said.extra.contains_key(COMMAND) => {}
            Message::ToolResult(result) => {
                let place = open.iter().position(|(id, _)| *id == result.tool_call_id);
                if let Some(place) = place {
                    open.remove(place);
                    mended.push(message);
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
                mended.push(message);
            }
            Message::User(_) | Message::Other(_) => {
                close(&mut open, &mut mended);
                mended.push(message);
            }
        }
    }
    close(&mut open, &mut mended);
    mended
}

fn close(open: &mut Vec<(String, String)>, mended: &mut Vec<Arc<Message>>) {
    for (tool_call_id, tool_name) in open.drain(..) {
        let result = ToolResultMessage {
            tool_call_id,
            tool_name,
            content: vec![Content::text("interrupted, outcome unknown")],
            is_error: true,
            ..ToolResultMessage::default()
        };
        mended.push(Arc::new(Message::ToolResult(result)));
    }
}
