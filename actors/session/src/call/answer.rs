//! An answer while it grows: what has come, what of it was shown, and the memory it takes.

use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::Content;
use openclaw_protocol::StopReason;
use openclaw_protocol::message::AssistantMessage;
use openclaw_protocol::message::Extra;
use openclaw_provider::ModelError;
use openclaw_provider::ModelErrorKind;
use openclaw_provider::ModelEvent;
use openclaw_runtime::memory;
use openclaw_runtime::memory::Share;
use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use crate::event::Feed;
use crate::event::What;
use crate::event::now_ms;
use crate::models::Chosen;
use crate::reply;

/// How often the bytes of an answer are in memory at the worst moment: as it grows, as it is shown, as the frames that
/// show it, as the row and the lines it is written as. Measured from outside by a test on half a gigabyte.
const COPIES: usize = 8;

/// An answer while it grows.
pub(super) struct Answer {
    pub(super) message: AssistantMessage,
    feed: Arc<Feed>,
    text: Growing,
    thinking: Growing,
    /// When what was held back has to be shown.
    pub(super) due: Option<Instant>,
    /// How many bytes have arrived.
    arrived: usize,
    memory: Share,
}

#[derive(Default)]
struct Growing {
    /// All of it, for the cumulative event.
    all: String,
    /// How much of it has been shown.
    shown: usize,
    last: Option<Instant>,
}

impl Answer {
    pub(super) fn new(chosen: &Chosen, feed: Arc<Feed>) -> Self {
        feed.new_message();
        Self {
            message: AssistantMessage {
                api: chosen.api.clone(),
                provider: chosen.model.provider.clone(),
                model: chosen.model.model.clone(),
                stop_reason: StopReason::Error,
                timestamp: now_ms(),
                ..AssistantMessage::default()
            },
            feed,
            text: Growing::default(),
            thinking: Growing::default(),
            due: None,
            arrived: 0,
            memory: memory::HOUSE.share(),
        }
    }

    /// The answer, whose memory is from now on the run's.
    pub(super) fn end(self) -> AssistantMessage {
        self.feed.keep(self.memory);
        self.message
    }

    pub(super) fn take(&mut self, event: ModelEvent) -> Result<(), ModelError> {
        if !self.memory.take(COPIES * size(&event)) {
            return Err(self.give_up());
        }
        self.arrived += written(&event);
        match event {
            ModelEvent::Text(delta) => {
                self.text.all.push_str(&delta);
                match self.message.content.last_mut() {
                    Some(Content::Text { text, .. }) => text.push_str(&delta),
                    _ => self.message.content.push(Content::text(delta)),
                }
                self.show();
            }
            ModelEvent::Thinking(delta) => {
                self.thinking.all.push_str(&delta);
                match self.message.content.last_mut() {
                    Some(Content::Thinking { thinking, .. }) => thinking.push_str(&delta),
                    _ => self.message.content.push(Content::thinking(delta)),
                }
                self.show();
            }
            ModelEvent::ThinkingSignature(signature) => self.sign(signature),
            ModelEvent::ToolCall {
                id,
                name,
                arguments,
                signature,
            } => {
                let mut part = Content::tool_call(id, name, arguments);
                if let (Some(signature), Content::ToolCall { extra, .. }) = (signature, &mut part) {
                    extra.insert("thoughtSignature".to_owned(), json!(signature));
                }
                self.message.content.push(part);
            }
            // Kinds that a later version of the provider adds say nothing to people.
            _ => {}
        }
        Ok(())
    }

    /// Lets go of all that came, at once: others need the room.
    fn give_up(&mut self) -> ModelError {
        let message = format!(
            "the answer of {} is too long for the memory that is left: it was given up after {} kB",
            self.message.provider,
            self.text.all.len().saturating_add(self.thinking.all.len()) / 1000
        );
        self.message.content = Vec::new();
        self.arrived = 0;
        (self.text, self.thinking) = (Growing::default(), Growing::default());
        self.due = None;
        self.feed.new_message();
        self.memory = memory::HOUSE.share();
        ModelError::new(ModelErrorKind::Format, message)
    }

    /// How many bytes have arrived.
    pub(super) fn bytes(&self) -> usize {
        self.arrived
    }

    /// Whether anything of it was shown.
    pub(super) fn has_shown(&self) -> bool {
        self.text.shown + self.thinking.shown > 0
    }

    fn sign(&mut self, signature: String) {
        if let Some(Content::Thinking { extra, .. }) = self.message.content.last_mut() {
            extra.insert("thinkingSignature".to_owned(), json!(signature));
        } else {
            self.message.content.push(Content::Thinking {
                thinking: String::new(),
                extra: Extra::from_iter([("thinkingSignature".to_owned(), json!(signature))]),
            });
        }
    }

    fn show(&mut self) {
        let now = Instant::now();
        let due = [&self.text, &self.thinking]
            .into_iter()
            .filter_map(|growing| growing.due(now))
            .min();
        match due {
            Some(due) if due <= now => self.flush(),
            due => self.due = due,
        }
    }

    pub(super) fn flush(&mut self) {
        self.due = None;
        let now = Instant::now();
        if let Some((text, delta)) = self.thinking.take(now) {
            self.feed.publish(What::Thinking { text, delta });
        }
        if reply::may_be_silent(&self.text.all) {
            return; // shown as soon as it turns out to be more than the silence token
        }
        if let Some((text, delta)) = self.text.take(now) {
            self.feed.publish(What::Assistant { text, delta });
        }
    }
}

/// The bytes that a model wrote for a piece of an answer.
fn written(event: &ModelEvent) -> usize {
    match event {
        ModelEvent::Text(text) | ModelEvent::Thinking(text) => text.len(),
        ModelEvent::ToolCall { arguments, .. } => arguments.to_string().len(),
        _ => 0,
    }
}

/// The bytes of a piece of an answer.
fn size(event: &ModelEvent) -> usize {
    match event {
        ModelEvent::Text(text) | ModelEvent::Thinking(text) => text.len(),
        ModelEvent::ThinkingSignature(signature) => signature.len(),
        ModelEvent::ToolCall {
            name, arguments, ..
        } => name.len() + weight(arguments),
        _ => 0,
    }
}

/// About what a value takes.
fn weight(value: &Value) -> usize {
    let own = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => fields.iter().map(|(k, v)| k.len() + weight(v)).sum(),
        _ => 0,
    };
    own + std::mem::size_of::<Value>()
}

impl Growing {
    /// When the next event may go out, the first at once; none when there is nothing new.
    fn due(&self, now: Instant) -> Option<Instant> {
        if self.shown == self.all.len() {
            return None;
        }
        let pause = Duration::from_micros(self.all.len() as u64);
        Some(self.last.map_or(now, |last| last + pause))
    }

    fn take(&mut self, now: Instant) -> Option<(Arc<str>, Arc<str>)> {
        let delta: Arc<str> = self.all.get(self.shown..).filter(|d| !d.is_empty())?.into();
        self.shown = self.all.len();
        self.last = Some(now);
        Some((self.all.as_str().into(), delta))
    }
}
