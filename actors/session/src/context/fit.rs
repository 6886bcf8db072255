//! The deterministic cut: whatever a conversation holds, a request that fits a limit, without asking anybody.
//!
//! Pure. Messages go in groups, an answer with the results of its calls, so that calls and results always pair. What
//! goes first is the oldest of the conversation, then old results within the turn, then whole rounds of the turn,
//! and at the very last long texts lose their middle. What somebody asks now always stays.

use std::borrow::Borrow;
use std::sync::Arc;

use openclaw_protocol::Content;
use openclaw_protocol::Message;

use super::size;

/// Stands where messages were left out.
pub(crate) const LEFT_OUT: &str =
    "[Earlier messages are left out here: the conversation is longer than what fits.]";
/// Stands where a tool's result was.
const CLEARED: &str = "[This result is left out: the conversation is longer than what fits.]";
/// Below this a text is not cut any further.
const SHORTEST: usize = 200;

/// The messages of a request, with at most `limit` tokens by estimate. `asked` is the place of the message that is
/// answered now.
pub(crate) fn fit(messages: &[Arc<Message>], asked: usize, limit: u64) -> Vec<Arc<Message>> {
    let total = |messages: &[Arc<Message>]| size::messages(messages.iter().map(Arc::as_ref));
    if total(messages) <= limit {
        return messages.to_vec();
    }
    let asked = asked.min(messages.len());
    let (before, now) = messages.split_at(asked);
    let mut now = now.to_vec();
    let room = limit.saturating_sub(total(&now) + size::text(LEFT_OUT) + 8);
    let kept = newest(before, room);
    if kept.is_empty() {
        shorten(&mut now, limit.saturating_sub(size::text(LEFT_OUT) + 8));
    }
    let mut out = Vec::with_capacity(kept.len() + now.len() + 1);
    if kept.len() < before.len() {
        out.push(Arc::new(Message::user(LEFT_OUT, 0)));
    }
    out.extend(kept.iter().cloned());
    out.extend(now);
    out
}

/// The newest groups of a conversation that have room.
fn newest(messages: &[Arc<Message>], room: u64) -> &[Arc<Message>] {
    let mut taken = 0;
    let mut from = messages.len();
    for start in groups(messages).into_iter().rev() {
        let group = messages.get(start..from).unwrap_or_default();
        taken += size::messages(group.iter().map(Arc::as_ref));
        if taken > room {
            break;
        }
        from = start;
    }
    messages.get(from..).unwrap_or_default()
}

/// Makes a turn fit: what is asked, and the rounds of tools so far.
fn shorten(now: &mut Vec<Arc<Message>>, limit: u64) {
    let total = |now: &[Arc<Message>]| size::messages(now.iter().map(Arc::as_ref));
    let last = groups(now).last().copied().unwrap_or(0);
    for at in 0..last {
        if total(now) <= limit {
            return;
        }
        if let Some(message) = now.get_mut(at)
            && let Message::ToolResult(result) = &**message
        {
            let mut result = result.clone();
            result.content = vec![Content::text(CLEARED)];
            *message = Arc::new(Message::ToolResult(result));
        }
    }
    // The first group is the question, the last what the model waits for.
    while total(now) > limit {
        let starts = groups(now);
        let rounds = starts.windows(2).skip(1);
        let is_round =
            |start: usize| !matches!(now.get(start).map(Arc::as_ref), Some(Message::User(_)));
        let oldest = rounds
            .filter_map(|pair| Some((*pair.first()?, *pair.get(1)?)))
            .find(|(start, _)| is_round(*start));
        match oldest {
            Some((start, end)) => drop(now.drain(start..end)),
            None => break,
        }
    }
    let mut most = usize::try_from(limit).unwrap_or(usize::MAX).max(SHORTEST);
    while total(now) > limit {
        for message in now.iter_mut() {
            *message = Arc::new(trimmed(message, most));
        }
        if most == SHORTEST {
            break;
        }
        most = (most / 2).max(SHORTEST);
    }
}

/// Where each group begins: with any message that isn't a tool's result.
pub(crate) fn groups<M: Borrow<Message>>(messages: &[M]) -> Vec<usize> {
    let starts = messages
        .iter()
        .enumerate()
        .filter(|(at, message)| *at == 0 || !matches!((*message).borrow(), Message::ToolResult(_)));
    starts.map(|(at, _)| at).collect()
}

/// A message whose texts are no longer than this; pictures go.
fn trimmed(message: &Message, most: usize) -> Message {
    let mut message = message.clone();
    let parts = match &mut message {
        Message::User(said) => &mut said.content,
        Message::Assistant(said) => &mut said.content,
        Message::ToolResult(result) => &mut result.content,
        Message::Other(_) => return message,
    };
    for part in parts.iter_mut() {
        match part {
            Content::Text { text, .. } => *text = middle_cut(text, most / 2, most / 4),
            Content::Image { .. } => *part = Content::text("[a picture, left out]"),
            Content::ToolCall { arguments, .. } if arguments.to_string().len() > most => {
                *arguments = serde_json::json!({ "leftOut": "longer than what fits" });
            }
            _ => {}
        }
    }
    // Reasoning is signed: it goes whole or not at all.
    let is_long = |part: &Content| matches!(part, Content::Thinking { thinking, .. } if thinking.len() > most);
    parts.retain(|part| !is_long(part));
    message
}

/// A text without its middle: so many characters of its beginning and of its end.
pub(crate) fn middle_cut(text: &str, head: usize, tail: usize) -> String {
    let count = text.chars().count();
    if count <= head + tail + 40 {
        return text.to_owned();
    }
    let begin: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(count - tail).collect();
    format!(
        "{begin}\n[… {} characters left out …]\n{end}",
        count - head - tail
    )
}
