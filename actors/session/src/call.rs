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
use openclaw_provider::NoLease;
use openclaw_provider::Want;
use openclaw_provider::failover;
use openclaw_provider::failover::Left;
use openclaw_provider::failover::Next;
use openclaw_provider::failover::Passed;
use openclaw_runtime::fault;
use serde_json::json;
use tokio::time::Instant;
use tracing::Instrument;

use crate::event::Feed;
use crate::event::What;
use crate::event::now_ms;
use crate::models::Chosen;
use crate::models::Leased;
use crate::models::Models;
use crate::notice;
use crate::plan::CallFailure;
use crate::reply;

/// Calls the first model of a chain that answers, and follows its stream to the end. `requests` are
/// the same question to each model of the chain, in its order.
pub(crate) async fn run(
    models: Arc<dyn Models>,
    chosen: Arc<Chosen>,
    requests: Vec<ModelRequest>,
    feed: Arc<Feed>,
) -> Result<AssistantMessage, CallFailure> {
    let mut walk = Walk {
        models,
        feed,
        chain: chosen,
        requests,
        passed: Vec::new(),
        errors: Vec::new(),
        last: None,
    };
    if let Some(answer) = walk.pass(false).await {
        return Ok(walk.signed(answer));
    }
    // Nobody was called: all rest. Better to ask somebody all the same than to say so.
    if walk.last.is_none()
        && let Some(answer) = walk.pass(true).await
    {
        return Ok(walk.signed(answer));
    }
    Err(walk.failure())
}

/// The way along a chain of models.
struct Walk {
    models: Arc<dyn Models>,
    feed: Arc<Feed>,
    chain: Arc<Chosen>,
    requests: Vec<ModelRequest>,
    /// Who did not answer, and why.
    passed: Vec<Passed>,
    errors: Vec<ModelError>,
    /// What had arrived of the last call that was made.
    last: Option<AssistantMessage>,
}

impl Walk {
    async fn pass(&mut self, probe: bool) -> Option<AssistantMessage> {
        // What rested in the first pass is asked in the second.
        self.passed.clear();
        self.errors.clear();
        let chain = Arc::clone(&self.chain);
        let requests = self.requests.clone();
        let length = requests.len();
        for (at, (candidate, request)) in chain.chain().zip(requests).enumerate() {
            let mut want = Want {
                account: candidate.account.clone(),
                probe,
                ..Want::new(candidate.model.clone(), request.session.clone())
            };
            loop {
                let leased = match self.models.lease(want.clone()).await {
                    Ok(leased) => leased,
                    Err(NoLease::Spent) => break,
                    Err(NoLease::Resting { error, .. } | NoLease::Failed(error)) => {
                        self.passed_over(candidate, None, error);
                        break;
                    }
                };
                let account = leased.account.clone();
                let mut answer = Answer::new(candidate, Arc::clone(&self.feed));
                let outcome = attempt(leased, candidate, request.clone(), &mut answer).await;
                answer.flush();
                let Err(error) = outcome else {
                    return Some(answer.message);
                };
                self.last = Some(answer.message);
                let left = Left {
                    accounts: candidate.account.is_none(),
                    models: at + 1 < length,
                };
                let next = failover::after(error.kind, left);
                self.passed_over(candidate, Some(account.clone()), error);
                match next {
                    Next::Account => want.tried.push(account),
                    Next::Model => break,
                    Next::Stop => return None,
                }
            }
        }
        None
    }

    fn passed_over(&mut self, candidate: &Chosen, account: Option<String>, error: ModelError) {
        tracing::warn!(
            model = %candidate.model, reason = error.kind.as_str(), %error, "a model did not answer"
        );
        self.passed.push(Passed {
            model: candidate.model.to_string(),
            account: account.filter(|account| account != "none"),
            reason: error.kind.as_str(),
            message: error.message.clone(),
        });
        self.errors.push(error);
    }

    /// Names in the answer whom it stands in for.
    fn signed(self, mut answer: AssistantMessage) -> AssistantMessage {
        if !self.passed.is_empty() {
            let facts = json!({ "instead": self.chain.model, "passed": self.passed });
            answer.extra.insert("failover".to_owned(), facts);
        }
        answer
    }

    fn failure(self) -> CallFailure {
        let worth = self.errors.iter().filter(|error| error.retryable());
        // Whoever is back first decides when it is worth to ask again.
        let retry_after = worth.clone().filter_map(|error| error.retry_after).min();
        let notice = match self.errors.as_slice() {
            [] => notice::no_account(&self.chain.model),
            [error] => notice::model_error(&self.chain.model, error),
            _ => failover::exhausted(&self.passed),
        };
        CallFailure {
            retryable: worth.count() > 0,
            retry_after,
            notice,
            message: self
                .last
                .unwrap_or_else(|| Answer::new(&self.chain, self.feed).message),
        }
    }
}

async fn attempt(
    leased: Leased,
    candidate: &Chosen,
    request: ModelRequest,
    answer: &mut Answer,
) -> Result<(), ModelError> {
    let span = tracing::info_span!(
        "gen_ai.chat",
        gen_ai.provider.name = %candidate.model.provider,
        gen_ai.request.model = %candidate.model.model,
        gen_ai.usage.input_tokens = tracing::field::Empty,
        gen_ai.usage.output_tokens = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
    );
    let outcome = call(leased, request, answer).instrument(span.clone()).await;
    span.record("gen_ai.usage.input_tokens", answer.message.usage.input);
    span.record("gen_ai.usage.output_tokens", answer.message.usage.output);
    if let Err(error) = &outcome {
        span.record("error.type", error.kind.as_str());
    }
    outcome
}

async fn call(
    leased: Leased,
    request: ModelRequest,
    answer: &mut Answer,
) -> Result<(), ModelError> {
    fault::point_async!("turn.before_call")
        .await
        .map_err(injected)?;
    // The permit lives in this future: dropping the future gives it back.
    let begun = Instant::now();
    let outcome = follow(leased.client.stream(request), answer).await;
    let error = outcome.as_ref().err().cloned();
    let usage = answer.message.usage;
    (leased.report)(CallOutcome::new(error, begun.elapsed(), usage));
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
