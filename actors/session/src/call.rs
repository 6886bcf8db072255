//! One call of a model: a task that streams, and dies with its permit when it is killed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use openclaw_ledger::Purpose;
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
use openclaw_runtime::TraceContext;
use openclaw_runtime::fault;
use openclaw_runtime::trace;
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
use crate::tab::Open;
use crate::tab::Refused;
use crate::tab::Tab;

mod answer;

/// When a call is tried again that the reservations of others leave no room for.
const OTHERS: Duration = Duration::from_secs(2);

/// What is asked, and on whose account.
pub(crate) struct Question {
    pub(crate) chain: Arc<Chosen>,
    /// The same question to each model of the chain, in its order.
    pub(crate) requests: Vec<ModelRequest>,
    pub(crate) tab: Tab,
    pub(crate) purpose: Purpose,
    /// How many tokens it has, by estimate.
    pub(crate) input: u64,
}

/// Calls the first model of a chain that answers, and follows its stream to the end.
pub(crate) async fn run(
    models: Arc<dyn Models>,
    question: Question,
    feed: Arc<Feed>,
) -> Result<AssistantMessage, CallFailure> {
    let mut walk = Walk {
        models,
        feed,
        question,
        budget: None,
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
    question: Question,
    /// What the last budget said that refused, and whether that may pass.
    budget: Option<(String, bool)>,
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
        self.budget = None;
        let chain = Arc::clone(&self.question.chain);
        let requests = self.question.requests.clone();
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
                let Some(open) = self.open(candidate, &account).await else {
                    break; // the next of the chain may cost less
                };
                let mut request = request.clone();
                request.max_tokens = open.max_tokens.or(request.max_tokens);
                let mut answer = Answer::new(candidate, Arc::clone(&self.feed));
                let outcome = attempt(leased, candidate, request, open, &mut answer).await;
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

    /// Asks the budgets; none when one of them refuses.
    async fn open(&mut self, candidate: &Chosen, account: &str) -> Option<Open> {
        let (purpose, input) = (self.question.purpose, self.question.input);
        let opened = self.question.tab.open(candidate, account, purpose, input);
        let (notice, may_pass) = match opened.await {
            Ok(open) => return Some(open),
            Err(Refused::Budget { notice, may_pass }) => (notice, may_pass),
            Err(Refused::Ledger(error)) => (
                format!("What a call may cost could not be written down: {error}."),
                true,
            ),
        };
        tracing::info!(model = %candidate.model, notice, "a budget refused a call");
        self.passed.push(Passed {
            model: candidate.model.to_string(),
            account: None,
            reason: "budget",
            message: notice.clone(),
        });
        self.budget = Some((notice, may_pass));
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
            let facts = json!({ "instead": self.question.chain.model, "passed": self.passed });
            answer.extra.insert("failover".to_owned(), facts);
        }
        answer
    }

    fn failure(self) -> CallFailure {
        let worth = self.errors.iter().filter(|error| error.retryable());
        // Whoever is back first decides when it is worth to ask again.
        let mut retry_after = worth.clone().filter_map(|error| error.retry_after).min();
        let mut retryable = worth.count() > 0;
        let chain = &self.question.chain;
        let notice = match (self.errors.as_slice(), &self.budget) {
            ([], None) => notice::no_account(&chain.model),
            (_, Some((refusal, may_pass))) => {
                if *may_pass && !retryable {
                    (retryable, retry_after) = (true, Some(OTHERS));
                }
                match self.errors.as_slice() {
                    [] => refusal.clone(),
                    _ => failover::exhausted(&self.passed),
                }
            }
            ([error], None) => notice::model_error(&chain.model, error),
            _ => failover::exhausted(&self.passed),
        };
        let is_too_long = |error: &ModelError| error.kind == ModelErrorKind::ContextOverflow;
        CallFailure {
            retryable,
            retry_after,
            is_too_long: self.errors.last().is_some_and(is_too_long),
            notice,
            message: self
                .last
                .unwrap_or_else(|| Answer::new(&self.question.chain, self.feed).end()),
        }
    }
}

async fn attempt(
    leased: Leased,
    candidate: &Chosen,
    request: ModelRequest,
    open: Open,
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
    if let Some(turn) = TraceContext::current() {
        trace::attach(&span, turn);
    }
    let outcome = call(leased, request, open, answer)
        .instrument(span.clone())
        .await;
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
    mut open: Open,
    answer: &mut Answer,
) -> Result<(), ModelError> {
    fault::point_async!("turn.before_call")
        .await
        .map_err(injected)?;
    // The permit lives in this future: dropping the future gives it back.
    let begun = Instant::now();
    let outcome = follow(leased.client.stream(request), &mut open, answer).await;
    let error = outcome.as_ref().err().cloned();
    let usage = answer.message.usage;
    open.end(&usage);
    (leased.report)(CallOutcome::new(error, begun.elapsed(), usage));
    outcome?;
    fault::point_async!("turn.after_call")
        .await
        .map_err(injected)
}

async fn follow(
    mut events: ModelStream,
    open: &mut Open,
    answer: &mut Answer,
) -> Result<(), ModelError> {
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
            Some(Ok(event)) => {
                let was_silent = !answer.has_shown();
                answer.take(event)?;
                open.saw(answer.bytes());
                if was_silent && answer.has_shown() {
                    // The first words go out first: the writers of sockets wait behind this task on the same thread.
                    tokio::task::yield_now().await;
                }
            }
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
