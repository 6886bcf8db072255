//! A line of a transcript, as far as the context needs it.
//!
//! Lines are read one by one: as JSON values all at once they would take several times the memory of what comes of them.

use std::borrow::Cow;
use std::sync::Arc;

use openclaw_protocol::Message;
use openclaw_protocol::ModelRef;
use serde::Deserialize;
use serde_json::Value;

use super::stored::Stored;

/// One line.
#[derive(Debug)]
pub(crate) struct Line {
    pub(super) id: Option<String>,
    pub(super) parent: Option<String>,
    pub(super) kind: Kind,
}

/// What it says.
#[derive(Debug)]
pub(super) enum Kind {
    /// The head of the file, which is in no chain.
    Header,
    /// None for a change that doesn't say which.
    Model(Option<ModelRef>),
    Compaction {
        summary: String,
        first_kept: Option<String>,
        /// Where words from outside in what it stands for come from.
        outside: Option<String>,
    },
    Message {
        /// None when no model could be shown it.
        message: Option<Arc<Message>>,
        is_answer: bool,
    },
    Other,
}

impl Line {
    /// Reads a line as it is stored.
    ///
    /// # Errors
    /// When it isn't JSON.
    pub(crate) fn of_text(line: &str) -> serde_json::Result<Self> {
        let stored = Stored::read(line)?;
        let (Some("message"), Some(said)) = (stored.kind.as_deref(), stored.message) else {
            return Ok(Self::read(&serde_json::from_str(line)?));
        };
        let message = Message::from_json(said.get())?;
        let is_answer = message.role() == "assistant";
        Ok(Self {
            id: stored.id.map(Cow::into_owned),
            parent: stored.parent.map(Cow::into_owned),
            kind: Kind::Message {
                message: for_models(message).map(Arc::new),
                is_answer,
            },
        })
    }

    /// Reads a line; what is missing or odd in it is left out.
    pub(crate) fn read(line: &Value) -> Self {
        let said = |message: Option<Message>| Kind::Message {
            message: message.map(Arc::new),
            is_answer: false,
        };
        let kind = match text(line, "type") {
            Some("session") => Kind::Header,
            Some("model_change") => Kind::Model(model(line)),
            Some("compaction") => Kind::Compaction {
                summary: text(line, "summary").unwrap_or_default().to_owned(),
                first_kept: owned(line, "firstKeptEntryId"),
                outside: line
                    .get("details")
                    .and_then(|details| owned(details, "outside")),
            },
            Some("message") => Kind::Message {
                message: line
                    .get("message")
                    .and_then(|said| Message::deserialize(said).ok())
                    .and_then(for_models)
                    .map(Arc::new),
                is_answer: line.pointer("/message/role").and_then(Value::as_str)
                    == Some("assistant"),
            },
            Some("custom_message") => said(line.get("content").and_then(|content| {
                let wrapped =
                    serde_json::json!({"role": "user", "content": content, "timestamp": 0});
                serde_json::from_value(wrapped).ok()
            })),
            Some("branch_summary") => said(Some(Message::user(
                format!(
                    "[Summary of another branch]\n{}",
                    text(line, "summary").unwrap_or_default()
                ),
                0,
            ))),
            _ => Kind::Other,
        };
        Self {
            id: owned(line, "id"),
            parent: owned(line, "parentId"),
            kind,
        }
    }
}

/// A message as models get it; none if they can't be shown it.
fn for_models(mut message: Message) -> Option<Message> {
    if let Message::ToolResult(result) = &mut message {
        result.details = None; // facts for people, never for the model
    }
    (!matches!(message, Message::Other(_))).then_some(message)
}

fn model(line: &Value) -> Option<ModelRef> {
    Some(ModelRef::new(
        text(line, "provider")?,
        text(line, "modelId")?,
    ))
}

fn owned(line: &Value, name: &str) -> Option<String> {
    text(line, name).map(str::to_owned)
}

pub(super) fn text<'a>(line: &'a Value, name: &str) -> Option<&'a str> {
    line.get(name).and_then(Value::as_str)
}
