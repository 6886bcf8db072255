//! Where a conversation is cut when it is summed up: what goes into the summary and what stays as it is.
//!
//! Pure. The cut lies before a person's message where one is near, else before an answer; never between a call and its
//! result.

use openclaw_protocol::Message;
use serde_json::Value;

use super::fit::groups;
use super::size;

/// A conversation cut in two.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cut {
    /// The first entry that stays; none when nothing does.
    pub(crate) first_kept: Option<String>,
    /// What is summed up, oldest first. An earlier summary is the first of it.
    pub(crate) dropped: Vec<Message>,
    /// Estimated tokens of what stays.
    pub(crate) kept_tokens: u64,
}

/// Cuts a transcript so that about `keep` tokens of its end stay; none when there is nothing to sum up.
pub(crate) fn cut(lines: &[Value], keep: u64) -> Option<Cut> {
    let entries = super::entries(lines);
    let messages: Vec<&Message> = entries.iter().map(|(_, message)| &**message).collect();
    let mut starts = groups_of(&messages);
    starts.push(messages.len());
    let tokens = |from: usize, until: usize| {
        let part = messages.get(from..until).unwrap_or_default();
        size::messages(part.iter().copied())
    };
    // Backwards, as long as whole groups fit.
    let mut at = starts.len() - 1;
    let mut kept = 0;
    while let Some(before) = at.checked_sub(1) {
        let (Some(from), Some(until)) = (starts.get(before), starts.get(at)) else {
            break;
        };
        let more = tokens(*from, *until);
        if kept + more > keep {
            break;
        }
        kept += more;
        at = before;
    }
    // Forward to a person's message, so that an answer keeps its question.
    let is_asked = |group: &usize| {
        let message = starts.get(*group).and_then(|start| messages.get(*start));
        matches!(message, Some(Message::User(_)))
    };
    let group = (at..starts.len() - 1).find(is_asked).unwrap_or(at);
    let from = starts.get(group).copied().unwrap_or(messages.len());
    let has_news = entries.iter().take(from).any(|(id, _)| id.is_some());
    if from == 0 || !has_news {
        return None;
    }
    Some(Cut {
        first_kept: entries.get(from).and_then(|(id, _)| id.clone()),
        kept_tokens: tokens(from, messages.len()),
        dropped: messages.iter().take(from).map(|m| (*m).clone()).collect(),
    })
}

fn groups_of(messages: &[&Message]) -> Vec<usize> {
    let owned: Vec<Message> = messages.iter().map(|message| (*message).clone()).collect();
    groups(&owned)
}
