//! Owns the children of one place in the tree. Started by its parent supervisor or the root. Ends badly when a child's failure escalates;
//! a restart starts the children of its specs again, what was added at run time comes back when it is ensured again.

mod order;
mod reconcile;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor::BoxFuture;
use crate::context::Context;
use crate::directory::Change;
use crate::directory::Parking;
use crate::exit::ChildExit;
use crate::exit::Exit;
use crate::exit::ExitError;
use crate::incarnation::now_ns;
use crate::path::ActorPath;
use crate::path::ChildId;
use crate::supervision::policy::Action;
use crate::supervision::policy::Ended;
use crate::supervision::policy::Policy;
use crate::supervision::policy::Rules;
use crate::supervision::spec::ChildSpec;
use crate::supervision::spec::Strategy;
use crate::trace;
use crate::vitals::State;

pub(crate) use order::{Collector, Order};

/// What the tree calls supervisors.
pub(crate) const SUPERVISOR: &str = "supervisor";

#[derive(Clone)]
pub(crate) struct SupervisorArgs {
    pub(crate) strategy: Strategy,
    pub(crate) children: Arc<[ChildSpec]>,
}

pub(crate) struct Supervisor {
    policy: Policy,
    specs: HashMap<ChildId, ChildSpec>,
    born: Instant,
    /// Why it gives up, once it does.
    failure: Option<ExitError>,
    last_exits: HashMap<ChildId, Exit>,
    closed: Option<oneshot::Sender<()>>,
}

type Ctx = Context<Supervisor>;

impl Actor for Supervisor {
    const KIND: &'static str = SUPERVISOR;
    const KEEPS_CHILDREN: bool = true;
    type Mail = Order;
    type Args = SupervisorArgs;

    fn init(args: SupervisorArgs, ctx: &mut Ctx) -> Result<Self, ExitError> {
        let mut this = Self {
            policy: Policy::new(args.strategy, trace::random()),
            specs: HashMap::new(),
            born: Instant::now(),
            failure: None,
            last_exits: HashMap::new(),
            closed: None,
        };
        for spec in args.children.iter() {
            if this.policy.contains(&spec.id) {
                return Err(ExitError::fatal(
                    70,
                    format!("two children of {} are named {}", ctx.path(), spec.id),
                ));
            }
            this.admit(spec.clone(), true, ctx);
        }
        Ok(this)
    }

    fn started(&mut self, ctx: &mut Ctx) -> Result<(), ExitError> {
        self.act(ctx)
    }

    fn handle(&mut self, order: Order, ctx: &mut Ctx) -> Result<(), ExitError> {
        self.obey(order, ctx);
        self.act(ctx)
    }

    fn child_started(&mut self, id: &ChildId, ctx: &mut Ctx) -> Result<(), ExitError> {
        self.policy.started(id, self.born.elapsed());
        self.act(ctx)
    }

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Ctx) -> Result<(), ExitError> {
        let ChildExit { id, exit } = exit;
        let missed = ctx.directory().missed(&ctx.path().join(&id));
        let ended = match &exit {
            Exit::Normal if missed => Ended::CleanButMissed,
            Exit::Normal | Exit::Ordered => Ended::Clean,
            Exit::Failed(error) if error.code().is_some() => Ended::Fatally,
            Exit::Killed(_) | Exit::Failed(_) | Exit::Panicked(_) => Ended::Badly,
        };
        self.last_exits.insert(id.clone(), exit);
        let storm = ctx.directory().storm().delay(now_ns());
        self.policy.exited(&id, ended, self.born.elapsed(), storm);
        self.act(ctx)
    }

    fn stopping(&mut self, ctx: &mut Ctx) -> Option<BoxFuture<'static, ()>> {
        let (done, closed) = oneshot::channel();
        self.closed = Some(done);
        self.policy.close();
        // An escalation that is complete by now ends it through the next parcel; nothing else can fail here.
        if let Err(failure) = self.act(ctx) {
            self.failure = Some(failure);
        }
        Some(Box::pin(async move {
            // A dropped sender means the same: there is nothing left to wait for.
            drop(closed.await);
        }))
    }
}

impl Supervisor {
    /// Takes a child in; `act` starts it.
    fn admit(&mut self, spec: ChildSpec, fixed: bool, ctx: &Ctx) -> bool {
        let (id, kind) = (spec.id.clone(), spec.kind);
        let rules = Rules::of(&spec, fixed);
        if self.policy.is_closing() {
            return false;
        }
        if self.policy.is_going(&id) {
            self.specs.insert(id.clone(), spec);
            self.policy.replace(&id, rules);
            return true;
        }
        if self.policy.contains(&id) {
            return false;
        }
        let path = ctx.path().join(&id);
        ctx.directory()
            .place(&path, (ctx.path(), ctx.generation()), &id, kind);
        self.specs.insert(id.clone(), spec);
        self.policy.add(id, rules)
    }

    /// Carries out what the policy decided.
    fn act(&mut self, ctx: &mut Ctx) -> Result<(), ExitError> {
        loop {
            let actions = self.policy.take_actions();
            if actions.is_empty() {
                return Ok(());
            }
            for action in actions {
                self.perform(action, ctx)?;
            }
        }
    }

    fn perform(&mut self, action: Action, ctx: &mut Ctx) -> Result<(), ExitError> {
        match action {
            Action::Start(id) => self.start(&id, ctx),
            Action::Stop(id) => {
                ctx.directory()
                    .show(&ctx.path().join(&id), State::Stopping, None);
                ctx.stop_child(&id);
            }
            Action::Timer { id, tick, after } => {
                ctx.after(after, Order::Timer { id, tick });
            }
            Action::Pausing { id, pause } => {
                ctx.directory().storm().take(now_ns());
                let change = Change::Restarting { after: pause };
                self.show(&id, State::Backoff, Some(pause), Some(change), ctx);
            }
            Action::Parked { id, retry, again } => {
                let parking = self.parking(&id, retry, again, ctx);
                tracing::warn!(
                    path = %parking.path,
                    how = parking.class(),
                    location = parking.location.as_deref(),
                    ?retry,
                    again,
                    "parked"
                );
                let change = Change::Parked(Arc::new(parking));
                self.show(&id, State::Parked, retry, Some(change), ctx);
            }
            Action::Unparked(id) => {
                self.show(&id, State::Starting, None, Some(Change::Unparked), ctx);
            }
            Action::Stopped(id) => self.show(&id, State::Stopped, None, Some(Change::Stopped), ctx),
            Action::Forget(id) => {
                self.specs.remove(&id);
                self.last_exits.remove(&id);
                ctx.directory().remove(&ctx.path().join(&id));
            }
            Action::Escalate(id) => self.fail(&id, ctx.path()),
            Action::Closed => return self.finish(),
        }
        Ok(())
    }

    fn start(&mut self, id: &ChildId, ctx: &mut Ctx) {
        let Some(spec) = self.specs.get(id) else {
            return;
        };
        if let Err(error) = ctx.start_child(spec) {
            // The policy starts only what is down, so this is a defect; it must not pass in silence.
            tracing::error!(%error, "supervisor could not start a child");
            let now = self.born.elapsed();
            self.policy.exited(id, Ended::Badly, now, Duration::ZERO);
        }
    }

    fn show(
        &self,
        id: &ChildId,
        state: State,
        pause: Option<Duration>,
        change: Option<Change>,
        ctx: &Ctx,
    ) {
        let path = ctx.path().join(id);
        let generation = ctx
            .directory()
            .vitals(&path)
            .map_or(0, |vitals| vitals.generation());
        ctx.directory().show(&path, state, pause);
        if let Some(change) = change {
            ctx.directory().publish(&path, generation, change);
        }
    }

    /// Everything there is to say of a child that is set aside now.
    fn parking(&self, id: &ChildId, retry: Option<Duration>, again: bool, ctx: &Ctx) -> Parking {
        let (directory, path) = (ctx.directory(), ctx.path().join(id));
        let exit = self.last_exits.get(id).cloned();
        let crash = exit.as_ref().and_then(Exit::crash);
        let crash = crash.and_then(|crash| directory.crash(crash));
        Parking {
            kind: self.specs.get(id).map_or("", |spec| spec.kind),
            generation: directory.vitals(&path).map_or(0, |it| it.generation()),
            path,
            exit,
            location: crash.map(|record| record.location),
            retry_at_ms: retry.map(crate::directory::until),
            by_hand: retry.is_none(),
            again,
        }
    }

    /// Ends with this error when all children are down.
    fn give_up(&mut self, error: ExitError) {
        tracing::error!(reason = error.reason(), "ending the tree");
        self.failure.get_or_insert(error);
        self.policy.close();
    }

    fn fail(&mut self, id: &ChildId, path: &ActorPath) {
        let child = path.join(id);
        let (exit, code) = match self.last_exits.get(id) {
            Some(exit @ Exit::Failed(error)) => (exit.to_string(), error.code()),
            Some(exit) => (exit.to_string(), None),
            None => ("unknown".to_owned(), None),
        };
        let failure = match code {
            Some(code) => ExitError::fatal(code, format!("{child} {exit}")),
            None => ExitError::new(format!("{child} failed too often, the last time: {exit}")),
        };
        tracing::error!(path = %path, reason = failure.reason(), "supervisor gives up");
        self.failure = Some(failure);
    }

    /// All children are down.
    fn finish(&mut self) -> Result<(), ExitError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if let Some(closed) = self.closed.take() {
            // The stop may have been given up meanwhile.
            let _gone = closed.send(());
        }
        Ok(())
    }
}
