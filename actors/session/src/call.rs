//! One call of a model: a task that streams, and dies with its permit when it is killed.
//!
//! Deltas go from here straight to the sink, as cumulative text. They are put together while the
//! text grows: at most one event a microsecond for each byte of the text so far, which bounds the
//! copying at one megabyte a second however long the answer gets. Nothing is queued.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use openclaw_protocol::Content;
use openclaw_protocol::StopReason;
use openclaw_protocol::message::AssistantMessage;
use openclaw_protocol::message::Extra;
use openclaw_provider::CallOutcome;
use openclaw_provider::ModelError;
use openclaw_provider::ModelErrorKind;
use openclaw_provider::ModelEvent;
use openclaw_provider::ModelRequest;
use openclaw_provider::ModelStream;
use openclaw_runtime::fault;
use serde_json::json;
use tokio::time::Instant;
use tracing::Instrument;

use crate::event::Feed;
use crate::event::What;
use crate::event::now_ms;
use crate::models::Chosen;
use crate::models::Models;
use crate::notice;
use crate::plan::CallFailure;
use crate::reply;

/// Calls the model and follows its stream to the end.
pub(crate) async fn run(
    models: Arc<dyn Models>,
    chosen: Arc<Chosen>,
    request: ModelRequest,
    feed: Arc<Feed>,
) -> Result<AssistantMessage, CallFailure> {
    let span = tracing::info_span!(
        "gen_ai.chat",
        gen_ai.provider.name = %chosen.model.provider,
        gen_ai.request.model = %chosen.model.model,
        gen_ai.usage.input_tokens = tracing::field::Empty,
        gen_ai.usage.output_tokens = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
    );
    let mut answer = Answer::new(&chosen, feed);
    let asking = attempt(&*models, &chosen, request, &mut answer);
    let outcome = asking.instrument(span.clone()).await;
    span.record("gen_ai.usage.input_tokens", answer.message.usage.input);
    span.record("gen_ai.usage.output_tokens", answer.message.usage.output);
    if let Err(error) = &outcome {
        span.record("error.type", error.kind.as_str());
    }
    answer.flush();
    match outcome {
        Ok(()) => Ok(answer.message),
        Err(error) => Err(CallFailure {
            retryable: error.retryable(),
            retry_after: error.retry_after,
            notice: notice::model_error(&chosen.model, &error),
            message: answer.message,
        }),
    }
}

async fn attempt(
    models: &dyn Models,
    chosen: &Chosen,
    request: ModelRequest,
    answer: &mut Answer,
) -> Result<(), ModelError> {
    fault::point_async!("turn.before_call")
        .await
        .map_err(injected)?;
    // The permit lives in this future: dropping the future gives it back.
    let leased = models.lease(&chosen.model).await?;
    let begun = Instant::now();
    let outcome = follow(leased.client.stream(request), answer).await;
    (leased.report)(CallOutcome {
        error: outcome.as_ref().err().map(|error| error.kind),
        took: begun.elapsed(),
        usage: answer.message.usage,
    });
    outcome?;
    fault::point_async!("turn.after_call")
        .await
        .map_err(injected)
}

async fn follow(mut events: ModelStream, answer: &mut Answer) -> Result<(), ModelError> {
    loop {
        let event = match answer.due {
            Some(due) => match tokio::time::timeout_at(due, events.next()).await {
                Ok(event) => event,
                Err(_) => {
                    answer.flush();
                    continue;
                }
            },
            None => events.next().await,
        };
        match event {
            Some(Ok(ModelEvent::Done { usage, stop })) => {
                answer.message.usage = usage;
                answer.message.stop_reason = stop;
                return Ok(());
            }
            Some(Ok(event)) => answer.take(event),
            Some(Err(error)) => return Err(error),
            None => {
                return Err(ModelError::new(
                    ModelErrorKind::Network,
                    "the answer broke off before its end",
                ));
            }
        }
    }
}

fn injected(error: fault::Injected) -> ModelError {
    ModelError::new(ModelErrorKind::Network, error.to_string())
}

/// An answer while it grows.
struct Answer {
    message: AssistantMessage,
    feed: Arc<Feed>,
    text: Growing,
    thinking: Growing,
    /// When what was held back has to be shown.
    due: Option<Instant>,
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
    fn new(chosen: &Chosen, feed: Arc<Feed>) -> Self {
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
        }
    }

    fn take(&mut self, event: ModelEvent) {
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
            .filter_map(Growing::due)
            .min();
        match due {
            Some(due) if due <= now => self.flush(),
            due => self.due = due,
        }
    }

    fn flush(&mut self) {
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

impl Growing {
    /// When the next event may go out; none when there is nothing new.
    fn due(&self) -> Option<Instant> {
        if self.shown == self.all.len() {
            return None;
        }
        let pause = Duration::from_micros(self.all.len() as u64);
        Some(self.last.map_or_else(Instant::now, |last| last + pause))
    }

    fn take(&mut self, now: Instant) -> Option<(Arc<str>, Arc<str>)> {
        let delta: Arc<str> = self.all.get(self.shown..).filter(|d| !d.is_empty())?.into();
        self.shown = self.all.len();
        self.last = Some(now);
        Some((self.all.as_str().into(), delta))
    }
}
