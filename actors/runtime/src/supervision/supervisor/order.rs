//! What a supervisor can be told.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::actor::Mail;
use crate::exit::ExitError;
use crate::mail::Reply;
use crate::path::ChildId;
use crate::supervision::handle::Diff;
use crate::supervision::handle::OrderError;
use crate::supervision::handle::Started;
use crate::supervision::spec::ChildSpec;
use crate::supervision::supervisor::Ctx;
use crate::supervision::supervisor::Supervisor;

type Outcome = Result<(), OrderError>;

pub(crate) enum Order {
    Start(ChildSpec, Reply<Result<Started, OrderError>>),
    Ensure(ChildSpec),
    Stop(ChildId, Reply<Outcome>),
    Restart(ChildId, Reply<Outcome>),
    Park(ChildId, Reply<Outcome>),
    Unpark(ChildId, Reply<Outcome>),
    Reconcile(Arc<[ChildSpec]>, Arc<Collector>),
    Timer {
        id: ChildId,
        tick: u64,
    },
    /// End the tree with this error.
    GiveUp(ExitError),
}

impl Mail for Order {
    fn kind(&self) -> &'static str {
        match self {
            Order::Start(..) => "start",
            Order::Ensure(_) => "ensure",
            Order::Stop(..) => "stop",
            Order::Restart(..) => "restart",
            Order::Park(..) => "park",
            Order::Unpark(..) => "unpark",
            Order::Reconcile(..) => "reconcile",
            Order::Timer { .. } => "timer",
            Order::GiveUp(_) => "give_up",
        }
    }
}

/// Gathers a reconcile over nested supervisors; answers when the last of them is done with it.
pub(crate) struct Collector {
    diff: Mutex<Diff>,
    reply: Mutex<Option<Reply<Diff>>>,
}

impl Collector {
    pub(crate) fn new(reply: Reply<Diff>) -> Self {
        Self {
            diff: Mutex::new(Diff::default()),
            reply: Mutex::new(Some(reply)),
        }
    }

    pub(crate) fn note(&self, note: impl FnOnce(&mut Diff)) {
        note(&mut self.diff.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let diff = std::mem::take(self.diff.get_mut().unwrap_or_else(PoisonError::into_inner));
        if let Some(reply) = self
            .reply
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            reply.send(diff);
        }
    }
}

impl Supervisor {
    pub(super) fn obey(&mut self, order: Order, ctx: &mut Ctx) {
        match order {
            Order::Start(spec, reply) => reply.send(self.start_new(spec, ctx)),
            Order::Ensure(spec) => self.ensure(spec, ctx),
            Order::Stop(id, reply) => {
                let found = self.policy.stop(&id);
                reply.send(self.outcome(found, id, ctx));
            }
            Order::Restart(id, reply) => {
                let found = self.policy.restart(&id);
                ctx.directory().pardon(&ctx.path().join(&id));
                reply.send(self.outcome(found, id, ctx));
            }
            Order::Park(id, reply) => {
                let found = self.policy.park(&id);
                reply.send(self.outcome(found, id, ctx));
            }
            Order::Unpark(id, reply) => {
                let found = self.policy.unpark(&id);
                ctx.directory().pardon(&ctx.path().join(&id));
                reply.send(self.outcome(found, id, ctx));
            }
            Order::Reconcile(specs, collector) => self.reconcile(&specs, &collector, ctx),
            Order::Timer { id, tick } => self.policy.timer(&id, tick),
            Order::GiveUp(error) => self.give_up(error),
        }
    }

    fn outcome(&self, found: bool, id: ChildId, ctx: &Ctx) -> Outcome {
        let path = ctx.path().clone();
        if found {
            Ok(())
        } else if self.policy.is_closing() {
            Err(OrderError::Ending { path })
        } else {
            Err(OrderError::Unknown { path, id })
        }
    }

    fn start_new(&mut self, spec: ChildSpec, ctx: &Ctx) -> Result<Started, OrderError> {
        if self.policy.is_closing() {
            return Err(OrderError::Ending {
                path: ctx.path().clone(),
            });
        }
        match self
            .specs
            .get(&spec.id)
            .filter(|_| !self.policy.is_going(&spec.id))
        {
            Some(known) if known.fingerprint == spec.fingerprint => {
                self.ensure(spec, ctx);
                Ok(Started::Already)
            }
            Some(_) => Err(OrderError::Duplicate {
                path: ctx.path().join(&spec.id),
            }),
            None => {
                self.admit(spec, false, ctx);
                Ok(Started::New)
            }
        }
    }

    fn ensure(&mut self, spec: ChildSpec, ctx: &Ctx) {
        if self.policy.contains(&spec.id) && !self.policy.is_going(&spec.id) {
            // It may be leaving right now: then it comes back.
            if ctx.is_leaving(&spec.id) {
                self.policy.want_again(&spec.id);
            }
        } else {
            self.admit(spec, false, ctx);
        }
    }
}
