//! One call of a model: a task that streams, and dies with its permit when it is killed.
//!
//! Deltas go from here straight to the sink, as cumulative text. They are put together while the
//! text grows: at most one event a microsecond for each byte of the text so far, which bounds the
//! copying at one megabyte a second however long the answer gets. Nothing is queued.

use std::sync::Arc;

use futures_util::StreamExt;
use openclaw_protocol::message::AssistantMessage;
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

use self::answer::Answer;
use crate::event::Feed;
use crate::models::Chosen;
use crate::models::Leased;
use crate::models::Models;
use crate::notice;
use crate::plan::CallFailure;

mod answer;

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
                let message = answer.end();
                let Err(error) = outcome else {
                    return Some(message);
                };
                self.last = Some(message);
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
                .unwrap_or_else(|| Answer::new(&self.chain, self.feed).end()),
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
            Some(Ok(event)) => answer.take(event)?,
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
