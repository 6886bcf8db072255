//! The model that needs nothing: `builtin/basic`.
//!
//! It understands a small set of requests by rules, says so, and is useful within them: what the
//! gateway knows, notes, and the way to a real model. What it does it does through tools, like any
//! other model, so it has no right that another model hasn't.

mod intent;
mod language;
mod reply;
mod result;

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream;
use openclaw_protocol::Message;
use openclaw_protocol::ModelRef;
use openclaw_protocol::StopReason;
use openclaw_protocol::Usage;

use crate::error::ModelError;
use crate::model::Model;
use crate::model::ModelEvent;
use crate::model::ModelRequest;
use crate::model::ModelStream;

#[cfg(test)]
mod tests;

/// The built-in model.
#[derive(Debug)]
pub struct Basic {
    reference: ModelRef,
}

impl Basic {
    /// Needs nothing.
    pub fn new(reference: ModelRef) -> Self {
        Self { reference }
    }
}

impl Model for Basic {
    fn reference(&self) -> &ModelRef {
        &self.reference
    }

    fn stream(&self, request: ModelRequest) -> ModelStream {
        let events = answer(&request).into_iter().map(Ok::<_, ModelError>);
        Box::pin(stream::unfold(events, |mut events| async {
            // One word at a time, and room for others between two words.
            tokio::task::yield_now().await;
            Some((events.next()?, events))
        }))
    }
}

/// The whole answer: what is said or which tool is asked for.
fn answer(request: &ModelRequest) -> VecDeque<ModelEvent> {
    let outcome = match results(&request.messages) {
        Some((intent, results)) => reply::to_results(&intent, &results),
        None => {
            let intent = intent::read(&last_words(&request.messages));
            reply::to_words(&intent, request)
        }
    };
    let mut events = VecDeque::new();
    let stop = match outcome {
        reply::Outcome::Say(text) => {
            events.extend(words(&text).map(ModelEvent::Text));
            StopReason::Stop
        }
        reply::Outcome::Call { name, arguments } => {
            events.push_back(ModelEvent::ToolCall {
                // One call an answer, so the place in the conversation is a name for it.
                id: format!("call_basic{}", request.messages.len()),
                name: name.to_owned(),
                arguments,
                signature: None,
            });
            StopReason::ToolUse
        }
    };
    events.push_back(ModelEvent::Done {
        usage: Usage::default(),
        stop,
    });
    events
}

/// The person's last words.
fn last_words(messages: &[Arc<Message>]) -> String {
    let mut turns = messages.iter().rev();
    turns
        .find(|message| matches!(***message, Message::User(_)))
        .map(|message| message.text())
        .unwrap_or_default()
}

/// The results that came since the person's last words, if any, with what had been asked.
fn results(messages: &[Arc<Message>]) -> Option<(intent::Heard, Vec<result::Found>)> {
    let words = messages
        .iter()
        .rposition(|message| matches!(**message, Message::User(_)))?;
    let since = messages.get(words + 1..)?;
    let found: Vec<result::Found> = since
        .iter()
        .filter_map(|message| match &**message {
            Message::ToolResult(result) => Some(result::Found::read(result)),
            _ => None,
        })
        .collect();
    (!found.is_empty()).then(|| (intent::read(&last_words(messages)), found))
}

/// Cuts a text into words, each with the blanks before it.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let start = rest
            .find(|c: char| !c.is_whitespace())
            .unwrap_or(rest.len());
        let after = rest.get(start..)?;
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        let (word, tail) = rest.split_at(start + end);
        rest = tail;
        Some(word.to_owned())
    })
}
