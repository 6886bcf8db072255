//! A conversation as text: for a model that sums it up, and as a digest when no model can.

use std::fmt::Write as _;

use openclaw_protocol::Content;
use openclaw_protocol::Message;

use super::fit::middle_cut;
use super::size;

/// Longest part of a tool's result that a summary is made of; what matters of it stands in the answer after it.
const RESULT: usize = 2_000;
/// What people asked, in the digest: so many, and so much of each.
const QUESTIONS: usize = 30;
const QUESTION: usize = 200;
/// So much of an earlier summary goes into the digest.
const EARLIER: usize = 6_000;

/// A message as text.
pub(crate) fn line(message: &Message) -> String {
    let mut out = match message {
        Message::User(_) => "Person: ".to_owned(),
        Message::Assistant(_) => "Agent: ".to_owned(),
        Message::ToolResult(result) => format!("Result of {}: ", result.tool_name),
        Message::Other(_) => return String::new(),
    };
    for part in message.content() {
        match part {
            Content::Text { text, .. } if matches!(message, Message::ToolResult(_)) => {
                out.push_str(&middle_cut(text, RESULT / 2, RESULT / 2));
            }
            Content::Text { text, .. } => out.push_str(text),
            Content::ToolCall {
                name, arguments, ..
            } => {
                let arguments = middle_cut(&arguments.to_string(), RESULT / 2, RESULT / 2);
                let _ = write!(out, "[calls {name} {arguments}]");
            }
            Content::Image { .. } => out.push_str("[a picture]"),
            _ => {}
        }
    }
    out
}

/// The conversation in pieces of at most `most` tokens each.
pub(crate) fn pieces(messages: &[Message], most: u64) -> Vec<String> {
    let most_chars = usize::try_from(most).unwrap_or(usize::MAX);
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut tokens = 0;
    for message in messages {
        let mut line = line(message);
        if size::text(&line) > most {
            line = middle_cut(&line, most_chars / 2, most_chars / 4);
        }
        let more = size::text(&line) + 1;
        if tokens + more > most && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            tokens = 0;
        }
        tokens += more;
        piece.push_str(&line);
        piece.push_str("\n\n");
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// What can be said of a conversation without a model.
pub(crate) fn digest(messages: &[Message]) -> String {
    let mut out = format!(
        "{} earlier messages were left out here without a summary, as no model could make one.",
        messages.len()
    );
    let mut rest = messages;
    if let Some((Message::User(_), after)) = messages.split_first()
        && let Some(text) = messages.first().map(Message::text)
        && let Some(earlier) = text.strip_prefix(super::SUMMARY)
    {
        let earlier = middle_cut(earlier.trim(), EARLIER * 2 / 3, EARLIER / 3);
        let _ = write!(out, "\n\nThe summary before them:\n{earlier}");
        rest = after;
    }
    let asked: Vec<String> = rest
        .iter()
        .filter(|message| matches!(message, Message::User(_)))
        .map(Message::text)
        .collect();
    if !asked.is_empty() {
        out.push_str("\n\nWhat was asked, the latest last:");
        let skipped = asked.len().saturating_sub(QUESTIONS);
        for text in asked.iter().skip(skipped) {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let text: String = text.chars().take(QUESTION).collect();
            let _ = write!(out, "\n- {text}");
        }
    }
    out
}
