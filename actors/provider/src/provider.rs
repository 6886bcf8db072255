//! One provider as an actor: who may call it now, and how its calls went.
//!
//! - owns: the queue of those who wait for a permit, and what is known of the provider's health;
//! - started by: the supervisor `providers`, one for each provider that can be called;
//! - crashes: on a bug only; a failed call is a value;
//! - survives: the permits that are out, the counters, the breaker and the rests live in [`Desk`],
//!   which restarts share; the breaker and the rests are also written down for the next process. Who waited is told that there is no answer, and asks again.

mod desk;
mod lease;
mod remember;
mod rotation;
mod standings;

use std::collections::VecDeque;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::ModelRef;
use openclaw_protocol::SessionKey;
use openclaw_runtime::Actor;
use openclaw_runtime::ActorPath;
use openclaw_runtime::Address;
use openclaw_runtime::AskError;
use openclaw_runtime::BoxFuture;
use openclaw_runtime::ChildExit;
use openclaw_runtime::ChildId;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Context;
use openclaw_runtime::Directory;
use openclaw_runtime::ExitError;
use openclaw_runtime::Health;
use openclaw_runtime::Mail;
use openclaw_runtime::Reply;
use openclaw_runtime::Shutdown;

pub use self::desk::CallOutcome;
pub use self::desk::Counters;
pub use self::desk::Desk;
pub use self::lease::Lease;
use self::remember::Notes;
use crate::catalogue::Catalogue;
use crate::catalogue::ProviderEntry;
use crate::endpoint::Endpoint;
use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::keeper;

#[cfg(test)]
mod tests;

/// A provider that keeps failing is set aside for this long before it is started again.
const PARK: Duration = Duration::from_secs(30);

/// Mail to a provider.
#[derive(Debug)]
pub enum ProviderMail {
    /// A permit was given back.
    Returned,
    /// A call ended.
    Outcome(CallOutcome),
    /// The configuration changed.
    Reconfigure(ProviderArgs),
    /// What there was to remember is in its file, or not.
    Remembered(Result<(), String>),
    /// Asks for a permit to call a model; the answer comes when one is free, or when nobody may be
    /// asked.
    Lease {
        /// What to call, and for whom.
        want: Box<Want>,
        /// Where the permit goes.
        reply: LeaseReply,
    },
}

/// What somebody wants to call.
#[derive(Debug, Clone)]
pub struct Want {
    /// The model.
    pub model: ModelRef,
    /// For which conversation: it stays with its account.
    pub session: SessionKey,
    /// With which account, when a person chose one.
    pub account: Option<String>,
    /// The accounts that failed in this call.
    pub tried: Vec<String>,
    /// Ask also those that rest by guess: nobody else is there.
    pub probe: bool,
}

impl Want {
    /// A call like any other.
    pub fn new(model: ModelRef, session: SessionKey) -> Self {
        Self {
            model,
            session,
            account: None,
            tried: Vec::new(),
            probe: false,
        }
    }
}

/// Why there is no permit.
#[derive(Debug, Clone)]
pub enum NoLease {
    /// All accounts were tried.
    Spent,
    /// All that are left rest, or the provider does.
    Resting {
        /// What they rest from, and until when.
        error: ModelError,
        /// Whether to ask all the same is no use.
        firm: bool,
    },
    /// It can't be called.
    Failed(ModelError),
}

impl From<ModelError> for NoLease {
    fn from(error: ModelError) -> Self {
        Self::Failed(error)
    }
}

type LeaseReply = Reply<Result<Lease, NoLease>>;

/// What a provider is started with.
#[derive(Debug, Clone)]
pub struct ProviderArgs {
    endpoint: Arc<Endpoint>,
    desk: Arc<Desk>,
}

/// A provider.
#[derive(Debug)]
pub struct ProviderActor {
    args: ProviderArgs,
    waiting: VecDeque<(Box<Want>, LeaseReply)>,
    notes: Notes,
}

impl ProviderActor {
    fn on_lease(&mut self, want: Box<Want>, reply: LeaseReply) {
        self.waiting.push_back((want, reply));
    }

    fn on_reconfigure(&mut self, args: ProviderArgs) {
        // The permits that are out belong to this desk.
        let desk = Arc::clone(&self.args.desk);
        desk.resize(args.endpoint.concurrency);
        // Somebody may have mended what they rest from.
        desk.standings().forget();
        self.args = ProviderArgs { desk, ..args };
    }

    /// Hands out what is free, to those who still wait, in the order they came.
    fn serve(&mut self, address: &Address<ProviderMail>) {
        while let Some((_, reply)) = self.waiting.front() {
            if reply.expired() {
                self.waiting.pop_front();
                continue;
            }
            let Some(permit) = self.args.desk.permit() else {
                return;
            };
            if let Some((want, reply)) = self.waiting.pop_front() {
                let (endpoint, now_ms) = (&self.args.endpoint, now_ms());
                let chosen = self.args.desk.standings().admit(endpoint, &want, now_ms);
                reply.send(chosen.map(|account| {
                    let endpoint = Arc::clone(endpoint);
                    Lease::new(endpoint, &want.model, account, permit, address.clone())
                }));
            }
        }
    }

    /// Counts an outcome and says what it means for the provider's health.
    fn on_outcome(&mut self, outcome: &CallOutcome) -> (Health, String) {
        let counters = self.args.desk.count(outcome);
        let endpoint = &self.args.endpoint;
        let mut standings = self.args.desk.standings();
        standings.ended(outcome, &endpoint.rests, now_ms(), chance());
        let (breaker, health) = (standings.breaker(), standings.health());
        let last = match &outcome.error {
            None => format!("last took {} ms", outcome.took.as_millis()),
            Some(error) => format!("last failed: {}", error.kind.as_str()),
        };
        let all = counters.succeeded + counters.failed;
        (
            health,
            format!(
                "breaker {}; {all} calls, {} failed; {last}",
                breaker.word(),
                counters.failed
            ),
        )
    }
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Between nought and one.
fn chance() -> f64 {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

impl Mail for ProviderMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Returned => "returned",
            Self::Outcome(_) => "outcome",
            Self::Reconfigure(_) => "reconfigure",
            Self::Remembered(_) => "remembered",
            Self::Lease { .. } => "lease",
        }
    }
}

impl Actor for ProviderActor {
    const KIND: &'static str = "provider";
    type Mail = ProviderMail;
    type Args = ProviderArgs;

    fn init(args: ProviderArgs, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        Ok(Self {
            args,
            waiting: VecDeque::new(),
            notes: Notes::default(),
        })
    }

    fn handle(&mut self, mail: ProviderMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            ProviderMail::Returned => {}
            ProviderMail::Lease { want, reply } => self.on_lease(want, reply),
            ProviderMail::Reconfigure(args) => {
                self.on_reconfigure(args);
                self.remember(ctx);
            }
            ProviderMail::Outcome(outcome) => {
                let (health, note) = self.on_outcome(&outcome);
                ctx.health(health);
                ctx.note(note);
                self.remember(ctx);
            }
            ProviderMail::Remembered(outcome) => self.on_remembered(outcome, ctx),
        }
        self.serve(&ctx.address());
        Ok(())
    }

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        if !exit.exit.is_clean() {
            self.on_remembered(Err("the disk took too long".to_owned()), ctx);
        }
        Ok(())
    }

    fn stopping(&mut self, _ctx: &mut Context<Self>) -> Option<BoxFuture<'static, ()>> {
        self.last_words()
    }
}

/// The children of the supervisor `providers`: one for each provider that can be called, and one for
/// each credential that has to be renewed.
pub fn specs(catalogue: &Catalogue) -> Vec<ChildSpec> {
    let mut specs: Vec<ChildSpec> = catalogue.usable().map(spec).collect();
    specs.extend(keeper::specs(catalogue));
    specs
}

fn spec(entry: &ProviderEntry) -> ChildSpec {
    let endpoint = &entry.endpoint;
    let args = ProviderArgs {
        desk: Arc::new(Desk::new(endpoint.concurrency, &entry.history)),
        endpoint: Arc::clone(endpoint),
    };
    let id = endpoint.provider.as_str();
    ChildSpec::live_actor::<ProviderActor>(id, args, ProviderMail::Reconfigure)
        .fingerprint_of(&Facts(endpoint))
        .backoff(
            Duration::from_millis(500),
            Duration::from_secs(60),
            Duration::from_secs(120),
        )
        .shutdown(Shutdown::Within(Duration::from_secs(3)))
        .park(PARK)
}

/// What a provider is built from; a change of it is a change of the provider.
struct Facts<'a>(&'a Endpoint);

impl Hash for Facts<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let Endpoint {
            provider,
            base_url,
            access,
            accounts,
            ordered,
            rests,
            bearer,
            headers,
            deadlines,
            concurrency,
            quirks,
            wire,
            models,
        } = self.0;
        (provider, base_url, access, bearer, headers).hash(state);
        (accounts, ordered, rests).hash(state);
        (deadlines, concurrency, quirks, wire).hash(state);
        for info in models {
            (&info.reference, &info.name, info.wire, info.context_window).hash(state);
            (info.max_tokens, info.reasoning, info.images, info.quirks).hash(state);
            info.headers.hash(state);
            let cost = info.cost;
            for price in [cost.input, cost.output, cost.cache_read, cost.cache_write] {
                price.to_bits().hash(state);
            }
        }
    }
}

/// Where a provider is addressed.
pub fn path(provider: &str) -> ActorPath {
    ActorPath::new("providers").join(&ChildId::from(provider))
}

/// Asks for a permit to call a model, and waits for one; renews the account's token if it must be.
pub async fn lease(
    directory: &Directory,
    catalogue: &Catalogue,
    want: Want,
    within: Duration,
) -> Result<Lease, NoLease> {
    catalogue.check(&want.model)?;
    let provider = want.model.provider.clone();
    let address: Address<ProviderMail> = directory.address(&path(&provider));
    let question = |reply| ProviderMail::Lease {
        want: Box::new(want),
        reply,
    };
    let leased = address.ask(within, question).await.map_err(|error| {
        let (kind, text) = match error {
            AskError::Timeout | AskError::Full => (
                ModelErrorKind::RateLimit,
                format!("all calls to {provider} are taken; raise models.providers.{provider}.maxConcurrent"),
            ),
            AskError::Down | AskError::Dropped => (
                ModelErrorKind::Overload,
                format!("the client of {provider} is being restarted; `openclaw supervisor tree` shows why"),
            ),
        };
        ModelError::new(kind, text)
    })?;
    let mut lease = leased?;
    if let Some(id) = lease.kept() {
        match keeper::access(directory, id).await {
            Ok(access) => lease.prove(access, directory),
            Err(error) => {
                lease.report(CallOutcome::failed(error.clone()));
                return Err(NoLease::Failed(error));
            }
        }
    }
    Ok(lease)
}
