//! What a handler can do.

mod kids;
mod task;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::actor::Actor;
use crate::actor::BoxFuture;
use crate::context::kids::Kids;
use crate::directory::Directory;
use crate::exit::Exit;
use crate::exit::KillReason;
use crate::exit::StartError;
use crate::incarnation::Current;
use crate::incarnation::Parent;
use crate::incarnation::spawn_timer;
use crate::mail::Address;
use crate::mail::Inlet;
use crate::mail::Parcel;
use crate::mail::Slot;
use crate::path::ActorPath;
use crate::path::ChildId;
use crate::supervision::ChildSpec;
use crate::trace::TraceContext;
use crate::vitals::Health;
use crate::vitals::State;

pub use task::{Task, Timer};

/// The actor's side of the runtime, given to each handler.
pub struct Context<A: Actor> {
    inlet: Arc<Inlet<A::Mail>>,
    slot: Arc<Slot<A::Mail>>,
    directory: Directory,
    kids: Kids,
    timers: HashMap<u64, Armed>,
    next_timer: u64,
    trace: Option<TraceContext>,
    /// A stop was ordered.
    stopping: bool,
    ending: Option<Exit>,
    /// The task that finishes its work, while stopping.
    finishing: Option<u64>,
}

struct Armed {
    abort: AbortHandle,
    cancelled: Arc<AtomicBool>,
}

impl<A: Actor> Context<A> {
    pub(crate) fn new(
        inlet: Arc<Inlet<A::Mail>>,
        slot: Arc<Slot<A::Mail>>,
        directory: Directory,
    ) -> Self {
        Self {
            inlet,
            slot,
            directory,
            kids: Kids::default(),
            timers: HashMap::new(),
            next_timer: 0,
            trace: None,
            stopping: false,
            ending: None,
            finishing: None,
        }
    }

    pub fn path(&self) -> &ActorPath {
        &self.slot.path
    }

    pub fn address(&self) -> Address<A::Mail> {
        Address::new(Arc::clone(&self.slot))
    }

    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Tells this incarnation from others: unique in its tree, and rising.
    pub fn generation(&self) -> u64 {
        self.inlet.leash.generation
    }

    /// The trace of the mail at hand; a new one if it has none.
    pub fn trace(&self) -> TraceContext {
        self.trace
            .or_else(TraceContext::current)
            .unwrap_or_else(TraceContext::new_root)
    }

    /// Makes the work at hand, and the tasks it begins, part of a trace: the one that a row came in with.
    pub fn join(&mut self, trace: TraceContext) {
        self.trace = Some(trace);
        Current::join(trace);
    }

    /// Runs a future as a linked, visible child that can be killed. Its output comes back as mail, past the bound of the mailbox; a panic,
    /// a kill or the deadline come to [`Actor::child_exited`]. An id that is taken gets a number: use the returned one.
    pub fn task<T: Send + 'static>(
        &mut self,
        task: Task,
        future: impl Future<Output = T> + Send + 'static,
        done: impl FnOnce(T) -> A::Mail + Send + 'static,
    ) -> ChildId {
        self.start_task(task, future, done)
    }

    /// Starts a linked child actor that is not restarted. Its end comes to [`Actor::child_exited`].
    pub fn child<B: Actor>(&mut self, spec: ChildSpec) -> Result<Address<B::Mail>, StartError> {
        self.start_child(&spec)?;
        Ok(self.directory.address(&self.path().join(&spec.id)))
    }

    /// Kills a child at its next await. Its end comes to [`Actor::child_exited`], also when it cannot be killed where it stands.
    pub fn kill_child(&mut self, id: &ChildId, why: KillReason) {
        if let Some(generation) = self.kids.generation(id) {
            self.kill_generation(generation, why);
        }
    }

    /// Asks a child to stop; it is killed when its shutdown time is over. A task cannot be asked and is killed.
    pub fn stop_child(&mut self, id: &ChildId) {
        self.order_child_stop(id);
    }

    pub fn children(&self) -> Vec<ChildId> {
        self.kids.ids()
    }

    /// Sends this actor mail after a delay, past the bound of the mailbox. Dies with the actor.
    pub fn after(&mut self, delay: Duration, mail: A::Mail) -> Timer {
        let timer = self.next_timer;
        self.next_timer += 1;
        let inlet = Arc::clone(&self.inlet);
        let abort = spawn_timer(delay, move || {
            inlet.post_or_drop(Parcel::Timer { timer, mail });
        });
        // Cancelled timers leave their handles behind; they go when there are many.
        if self.timers.len() > 64 {
            self.timers
                .retain(|_, armed| !armed.cancelled.load(Relaxed));
        }
        let cancelled = Arc::new(AtomicBool::new(false));
        self.timers.insert(
            timer,
            Armed {
                abort: abort.clone(),
                cancelled: Arc::clone(&cancelled),
            },
        );
        Timer::new(abort, cancelled)
    }

    /// Ends this actor normally after this handler. Mail that still waits is dropped; a transient actor that dropped some is started
    /// again by its supervisor, so that no wake-up is lost.
    pub fn stop(&mut self) {
        self.end(Exit::Normal);
    }

    /// Says what it is doing, in one line of the tree.
    pub fn note(&self, text: impl Into<Arc<str>>) {
        if self
            .slot
            .vitals
            .set_note(self.generation(), Some(text.into()))
        {
            self.directory.changed();
        }
    }

    pub fn health(&self, health: Health) {
        if self.slot.vitals.set_health(self.generation(), health) {
            self.directory.changed();
        }
    }

    // === for the runtime ===

    pub(crate) fn parent_side(&self) -> Arc<dyn Parent> {
        Arc::clone(&self.inlet) as Arc<dyn Parent>
    }

    pub(crate) fn alert(&self) {
        self.directory.alert();
    }

    pub(crate) fn set_trace(&mut self, trace: Option<TraceContext>) {
        self.trace = trace;
    }

    pub(crate) fn is_fenced(&self) -> bool {
        self.inlet.leash.fenced.load(Relaxed)
    }

    pub(crate) fn end(&mut self, exit: Exit) {
        self.ending.get_or_insert(exit);
    }

    pub(crate) fn ending(&mut self) -> Option<Exit> {
        self.ending.take()
    }

    /// Whether a timer is still wanted; it is spent by this.
    pub(crate) fn timer_fired(&mut self, timer: u64) -> bool {
        self.timers
            .remove(&timer)
            .is_some_and(|armed| !armed.cancelled.load(Relaxed))
    }

    /// False = the stop was ordered before.
    pub(crate) fn begin_stop(&mut self) -> bool {
        if std::mem::replace(&mut self.stopping, true) {
            return false;
        }
        self.slot.vitals.set_state(State::Stopping, None);
        self.directory.changed();
        true
    }

    /// Ends now, or when the work the actor named is done.
    pub(crate) fn finish_stop(&mut self, finish: Option<BoxFuture<'static, ()>>) {
        match finish {
            None => self.end(Exit::Ordered),
            Some(finish) => self.run_finish(finish),
        }
    }
}

impl<A: Actor> Drop for Context<A> {
    fn drop(&mut self) {
        for armed in self.timers.values() {
            armed.abort.abort();
        }
        self.kids.disarm();
    }
}

impl<A: Actor> fmt::Debug for Context<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("path", self.path())
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}
