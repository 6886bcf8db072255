//! An actor on ractor: one loop that unpacks parcels, runs the handlers inside a catch, and tells the parent how it ended.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ractor::ActorProcessingErr;
use ractor::ActorRef;
use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor::Mail;
use crate::context::Context;
use crate::crash;
use crate::directory::Directory;
use crate::exit::Exit;
use crate::exit::ExitError;
use crate::incarnation::clock::now_ns;
use crate::incarnation::current::Current;
use crate::incarnation::current::entered;
use crate::incarnation::leash::ChildNote;
use crate::incarnation::leash::Leash;
use crate::incarnation::leash::Parent;
use crate::mail::AnySlot;
use crate::mail::Envelope;
use crate::mail::Gate;
use crate::mail::Inlet;
use crate::mail::Letter;
use crate::mail::Parcel;
use crate::mail::Reins;
use crate::mail::Slot;
use crate::path::ActorPath;
use crate::trace;
use crate::trace::TraceContext;

/// After this much work in its handlers an actor lets others have the worker.
const FAIR_NS: u64 = 5_000_000;

/// Where and how an incarnation starts.
pub(crate) struct LaunchPad {
    pub(crate) directory: Directory,
    pub(crate) parent: Option<Arc<dyn Parent>>,
    /// The incarnation it belongs to; 0 for the root.
    pub(crate) owner: u64,
    pub(crate) above: Option<ActorPath>,
    pub(crate) path: ActorPath,
    pub(crate) name: Arc<str>,
    pub(crate) kind: &'static str,
    pub(crate) max_handle: Duration,
    pub(crate) capacity: usize,
}

/// Starts an incarnation. Runs none of the actor's code: that begins in the actor's own task, after its address leads there.
pub(crate) fn launch<A: Actor>(pad: LaunchPad, args: Arc<A::Args>) -> Arc<Leash> {
    let slot = pad.directory.slot::<A::Mail>(&pad.path);
    let leash = Arc::new(Leash::new(
        pad.path.clone(),
        pad.kind,
        pad.directory.next_generation(),
        pad.max_handle,
        Arc::new(Gate::new(pad.capacity)),
        pad.parent.clone(),
    ));
    let inlet = Arc::new(Inlet::new(Arc::clone(&leash)));
    let kept = Arc::clone(&slot) as Arc<dyn AnySlot>;
    pad.directory.began(&leash, &slot.vitals, Some(kept), &pad);
    let guard = ExitGuard {
        leash: Arc::clone(&leash),
        inlet: Arc::clone(&inlet),
        slot: Arc::clone(&slot),
        directory: pad.directory.clone(),
    };
    let life = Box::new(Life::<A> {
        actor: None,
        args: Some(args),
        ran_ns: 0,
        ctx: Context::new(Arc::clone(&inlet), Arc::clone(&slot), pad.directory),
        guard,
    });
    match ractor::ActorRuntime::spawn_instant(None, Shim, life as Box<dyn Living>) {
        Ok((to, _detached)) => {
            inlet.attach(to.clone());
            leash.attach(Box::new(Reins::<A::Mail>::new(to)));
            slot.publish(Arc::clone(&inlet));
            inlet.post_or_drop(Parcel::Begin);
        }
        // Only a taken name can fail here, and it has none. The guard tells the parent.
        Err(error) => {
            tracing::error!(path = %leash.path, %error, "actor could not be spawned");
        }
    }
    leash
}

/// The one actor that ractor knows. What kind it is stands in its state, so that the loop exists once in the program and not
/// once for each kind.
struct Shim;

/// A life as the loop sees it, whichever kind it is.
trait Living: Send {
    /// What its handlers share with the outside.
    fn leash(&self) -> &Arc<Leash>;

    fn has_begun(&self) -> bool;

    /// Opens a letter and runs the handler it is for.
    fn receive(&mut self, letter: Letter) -> Result<(), ExitError>;

    /// It gave the thread back.
    fn leave(&mut self);

    /// How it ends, once it does; its address leads nowhere from here on.
    fn ends(&mut self) -> Option<Exit>;

    /// Whether it kept the worker for long enough that others come first now.
    fn yields(&mut self) -> bool;

    /// Records what a handler panicked with; gives the message.
    fn panicked(&mut self, payload: &(dyn Any + Send)) -> Arc<str>;
}

/// The state of the loop. Drops in this order: the actor's state, its context, and last the guard that reports the end.
pub(crate) struct Life<A: Actor> {
    actor: Option<A>,
    args: Option<Arc<A::Args>>,
    /// For how long its handlers have run since others last had the worker.
    ran_ns: u64,
    ctx: Context<A>,
    guard: ExitGuard<A::Mail>,
}

/// Reports the end of an incarnation, however it comes.
struct ExitGuard<M: Mail> {
    leash: Arc<Leash>,
    inlet: Arc<Inlet<M>>,
    slot: Arc<Slot<M>>,
    directory: Directory,
}

impl ractor::Actor for Shim {
    type Msg = Letter;
    type State = Box<dyn Living>;
    type Arguments = Box<dyn Living>;

    async fn pre_start(
        &self,
        _myself: ActorRef<Letter>,
        life: Box<dyn Living>,
    ) -> Result<Box<dyn Living>, ActorProcessingErr> {
        Ok(life)
    }

    async fn handle(
        &self,
        myself: ActorRef<Letter>,
        letter: Letter,
        life: &mut Box<dyn Living>,
    ) -> Result<(), ActorProcessingErr> {
        let leash = Arc::clone(life.leash());
        leash.pulse.pending.fetch_sub(1, Relaxed);
        if leash.fenced.load(Relaxed) {
            return Err("abandoned".into());
        }
        let begins = !life.has_begun();
        let outcome = catch_unwind(AssertUnwindSafe(|| life.receive(letter)));
        life.leave();
        if begins {
            // The parent was just told, which makes it this worker's next task, where no other worker can take it up. It goes first: the
            // mail behind may block this thread, and then the parent is who must act.
            tokio::task::yield_now().await;
        }
        match outcome {
            Ok(Ok(())) => {
                if let Some(exit) = life.ends() {
                    leash.set_exit(exit);
                    myself.stop(None);
                } else if life.yields() {
                    // Its queue may be long: ractor goes on with the next mail in the same poll.
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
            Ok(Err(error)) => {
                leash.set_exit(Exit::Failed(error.clone()));
                Err(error.reason().into())
            }
            Err(payload) => Err(life.panicked(&*payload).to_string().into()),
        }
    }
}

/// What the panic hook noted, or what the payload says when another hook is in place.
pub(crate) fn record_panic(leash: &Arc<Leash>, payload: &(dyn Any + Send)) -> crash::CrashRecord {
    crash::take().unwrap_or_else(|| crash::from_payload(leash, payload))
}

impl<A: Actor> Living for Life<A> {
    fn leash(&self) -> &Arc<Leash> {
        &self.guard.leash
    }

    fn has_begun(&self) -> bool {
        self.actor.is_some()
    }

    fn receive(&mut self, letter: Letter) -> Result<(), ExitError> {
        if self.actor.is_none() {
            self.begin()?;
        }
        match letter.open() {
            Some(parcel) => self.unpack(parcel),
            // Only its own inlet writes to it.
            None => Err(ExitError::new("a letter for another kind of actor")),
        }
    }

    fn leave(&mut self) {
        let guard = &self.guard;
        let ran = guard.leash.pulse.leave();
        guard
            .directory
            .note_run(&guard.leash, &guard.slot.vitals, ran);
        self.ran_ns += ran.map_or(0, |ran| ran.took_ns);
    }

    fn ends(&mut self) -> Option<Exit> {
        let exit = self.ctx.ending()?;
        self.guard.slot.retire(&self.guard.inlet);
        Some(exit)
    }

    fn yields(&mut self) -> bool {
        let yields = self.ran_ns > FAIR_NS;
        if yields {
            self.ran_ns = 0;
        }
        yields
    }

    fn panicked(&mut self, payload: &(dyn Any + Send)) -> Arc<str> {
        let leash = &self.guard.leash;
        let mut record = record_panic(leash, payload);
        let suspects = &self.guard.slot.vitals.suspects;
        record.in_a_row = suspects.crashed(record.mail, Instant::now());
        leash.set_exit(Exit::Panicked(record.id.clone()));
        let message = Arc::clone(&record.message);
        self.guard.directory.record_crash(record);
        message
    }
}

impl<A: Actor> Life<A> {
    fn unpack(&mut self, parcel: Parcel<A::Mail>) -> Result<(), ExitError> {
        match parcel {
            Parcel::Begin => Ok(()),
            Parcel::Mail(envelope) => self.open(envelope),
            Parcel::TaskDone {
                generation,
                mail,
                trace,
            } => {
                if self.ctx.task_done(generation) {
                    return self.handle(mail, trace, None);
                }
                self.child_ended(generation)
            }
            Parcel::Timer { timer, mail } => {
                if self.ctx.timer_fired(timer) {
                    return self.handle(mail, None, None);
                }
                Ok(())
            }
            Parcel::Child(ChildNote::Started(generation)) => {
                let Some(id) = self.ctx.child_id(generation) else {
                    return Ok(());
                };
                self.run("child_started", None, |actor, ctx| {
                    actor.child_started(&id, ctx)
                })
            }
            Parcel::Child(ChildNote::Ended(generation)) => self.child_ended(generation),
            Parcel::Child(ChildNote::Hung { generation, since }) => {
                self.ctx.child_hung(generation, since);
                Ok(())
            }
            Parcel::Child(ChildNote::Kill { generation, why }) => {
                self.ctx.kill_generation(generation, why);
                Ok(())
            }
            Parcel::Clock { generation, alarm } => {
                if self.ctx.alarm(generation, alarm) {
                    return self.child_ended(generation);
                }
                Ok(())
            }
            Parcel::Stop => {
                if !self.ctx.begin_stop() {
                    return Ok(());
                }
                let mut finish = None;
                self.run("stopping", None, |actor, ctx| {
                    finish = actor.stopping(ctx);
                    Ok(())
                })?;
                self.ctx.finish_stop(finish);
                Ok(())
            }
            Parcel::StopDone => {
                self.ctx.end(Exit::Ordered);
                Ok(())
            }
        }
    }

    fn begin(&mut self) -> Result<(), ExitError> {
        let Some(args) = self.args.take() else {
            return Err(ExitError::new("began twice"));
        };
        self.enter("init");
        let leash = &self.guard.leash;
        let current = Current {
            leash: Some(Arc::clone(leash)),
            mail: "init",
            trace: None,
        };
        let ctx = &mut self.ctx;
        let actor = entered(current, || A::init(A::Args::clone(&args), ctx))?;
        self.actor = Some(actor);
        self.run("started", None, A::started)?;
        let leash = &self.guard.leash;
        self.guard.directory.started(leash, &self.guard.slot.vitals);
        if let Some(parent) = &leash.parent {
            parent.tell(ChildNote::Started(leash.generation));
        }
        Ok(())
    }

    fn open(&mut self, envelope: Envelope<A::Mail>) -> Result<(), ExitError> {
        let Envelope {
            mail,
            seat,
            trace,
            sent_ns,
            nudge,
        } = envelope;
        if let Some(nudge) = nudge {
            self.guard.inlet.end_nudge(nudge);
        }
        drop(seat);
        // A nudge has no content: what it makes the actor read has attempts of its own.
        if nudge.is_none() && !self.guard.slot.vitals.suspects.admits(mail.kind()) {
            self.drop_unread(mail.kind());
            return Ok(());
        }
        self.handle(mail, trace, Some(sent_ns))
    }

    #[cold]
    fn drop_unread(&self, kind: &'static str) {
        self.guard
            .directory
            .totals()
            .quarantined
            .fetch_add(1, Relaxed);
        tracing::warn!(path = %self.guard.leash.path, mail = kind, "dropped unread: its kind crashed this actor again and again");
    }

    fn handle(
        &mut self,
        mail: A::Mail,
        trace: Option<TraceContext>,
        sent_ns: Option<u64>,
    ) -> Result<(), ExitError> {
        let kind = mail.kind();
        let span = trace::mail_span(
            &self.guard.leash,
            kind,
            sent_ns.map(|sent| now_ns() - sent),
            trace,
        );
        let entered = span.enter();
        let result = self.run(kind, trace, |actor, ctx| {
            // Any handler can be made to misbehave: `handle.<path of the actor>`.
            #[cfg(feature = "chaos")]
            crate::fault::point(&format!("handle.{}", ctx.path()))?;
            actor.handle(mail, ctx)
        });
        drop(entered);
        self.guard.slot.vitals.handled_one();
        self.guard.directory.totals().mail.fetch_add(1, Relaxed);
        result
    }

    fn child_ended(&mut self, generation: u64) -> Result<(), ExitError> {
        let Some(exit) = self.ctx.child_ended(generation) else {
            return Ok(());
        };
        self.run("child_exited", None, |actor, ctx| {
            actor.child_exited(exit, ctx)
        })
    }

    /// Runs the actor's code as itself, on the watchdog's clock.
    fn run(
        &mut self,
        kind: &'static str,
        trace: Option<TraceContext>,
        work: impl FnOnce(&mut A, &mut Context<A>) -> Result<(), ExitError>,
    ) -> Result<(), ExitError> {
        self.enter(kind);
        let Self {
            actor: Some(actor),
            ctx,
            guard,
            ..
        } = self
        else {
            return Ok(());
        };
        ctx.set_trace(trace);
        let current = Current {
            leash: Some(Arc::clone(&guard.leash)),
            mail: kind,
            trace,
        };
        let result = entered(current, || work(actor, ctx));
        if result.is_ok() {
            guard.slot.vitals.suspects.handled(kind);
        }
        result
    }

    /// The actor's code begins to run.
    fn enter(&mut self, kind: &'static str) {
        self.leave();
        let guard = &self.guard;
        let closely = guard.directory.watches_closely();
        guard.leash.pulse.enter(kind, closely);
        self.ctx.alert();
    }
}

impl<M: Mail> Drop for ExitGuard<M> {
    fn drop(&mut self) {
        self.slot.retire(&self.inlet);
        self.leash.brood.end(crate::exit::KillReason::Shutdown);
        self.directory.ended(&self.leash, &self.slot.vitals);
        if let Some(parent) = &self.leash.parent {
            parent.tell(ChildNote::Ended(self.leash.generation));
        }
    }
}
