//! One provider as an actor: who may call it now, and how its calls went.
//!
//! - owns: the queue of those who wait for a permit, and what is known of the provider's health;
//! - started by: the supervisor `providers`, one for each provider that can be called;
//! - crashes: on a bug only; a failed call is a value;
//! - survives: the permits that are out and the counters live in [`Desk`], which restarts share. Who
//!   waited is told that there is no answer, and asks again.

mod desk;
mod lease;

use std::collections::VecDeque;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::ModelRef;
use openclaw_runtime::Actor;
use openclaw_runtime::ActorPath;
use openclaw_runtime::Address;
use openclaw_runtime::AskError;
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
use crate::catalogue::Catalogue;
use crate::catalogue::ProviderEntry;
use crate::endpoint::Endpoint;
use crate::error::ModelError;
use crate::error::ModelErrorKind;

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
    /// Asks for a permit to call a model; the answer comes when one is free.
    Lease {
        /// The model to call.
        model: ModelRef,
        /// Where the permit goes.
        reply: Reply<Lease>,
    },
}

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
    waiting: VecDeque<(ModelRef, Reply<Lease>)>,
    /// Failures in a row that speak against the provider.
    failures: u32,
}

impl ProviderActor {
    fn on_lease(&mut self, model: ModelRef, reply: Reply<Lease>) {
        self.waiting.push_back((model, reply));
    }

    fn on_reconfigure(&mut self, args: ProviderArgs) {
        // The permits that are out belong to this desk.
        let desk = Arc::clone(&self.args.desk);
        desk.resize(args.endpoint.concurrency);
        self.args = ProviderArgs { desk, ..args };
        self.failures = 0;
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
            if let Some((model, reply)) = self.waiting.pop_front() {
                let endpoint = Arc::clone(&self.args.endpoint);
                reply.send(Lease::new(endpoint, &model, permit, address.clone()));
            }
        }
    }

    /// Counts an outcome and says what it means for the provider's health.
    fn on_outcome(&mut self, outcome: &CallOutcome) -> (Health, String) {
        let counters = self.args.desk.count(outcome);
        let last = match outcome.error {
            None => {
                self.failures = 0;
                format!("last took {} ms", outcome.took.as_millis())
            }
            // These say something about a conversation, not about the provider.
            Some(
                kind @ (ModelErrorKind::ContextOverflow
                | ModelErrorKind::Refusal
                | ModelErrorKind::Format),
            ) => format!("last was not accepted: {}", kind.as_str()),
            Some(kind) => {
                self.failures += 1;
                format!("last {} failed: {}", self.failures, kind.as_str())
            }
        };
        let health = match self.failures {
            0 => Health::Ok,
            _ => Health::Degraded,
        };
        let all = counters.succeeded + counters.failed;
        (
            health,
            format!("{all} calls, {} failed; {last}", counters.failed),
        )
    }
}

impl Mail for ProviderMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Returned => "returned",
            Self::Outcome(_) => "outcome",
            Self::Reconfigure(_) => "reconfigure",
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
            failures: 0,
        })
    }

    fn handle(&mut self, mail: ProviderMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            ProviderMail::Returned => {}
            ProviderMail::Lease { model, reply } => self.on_lease(model, reply),
            ProviderMail::Reconfigure(args) => self.on_reconfigure(args),
            ProviderMail::Outcome(outcome) => {
                let (health, note) = self.on_outcome(&outcome);
                ctx.health(health);
                ctx.note(note);
            }
        }
        self.serve(&ctx.address());
        Ok(())
    }
}

/// The children of the supervisor `providers`: one for each provider that can be called.
pub fn specs(catalogue: &Catalogue) -> Vec<ChildSpec> {
    catalogue.usable().map(spec).collect()
}

fn spec(entry: &ProviderEntry) -> ChildSpec {
    let endpoint = &entry.endpoint;
    let args = ProviderArgs {
        desk: Arc::new(Desk::new(endpoint.concurrency)),
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
            bearer,
            headers,
            deadlines,
            concurrency,
            quirks,
            wire,
            models,
        } = self.0;
        (provider, base_url, access, bearer, headers).hash(state);
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

/// Asks for a permit to call a model, and waits for one.
pub async fn lease(
    directory: &Directory,
    catalogue: &Catalogue,
    model: &ModelRef,
    within: Duration,
) -> Result<Lease, ModelError> {
    catalogue.check(model)?;
    let address: Address<ProviderMail> = directory.address(&path(&model.provider));
    let question = |reply| ProviderMail::Lease {
        model: model.clone(),
        reply,
    };
    address.ask(within, question).await.map_err(|error| {
        let provider = &model.provider;
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
    })
}
