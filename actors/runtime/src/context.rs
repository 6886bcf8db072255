//! What a handler can do.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::Actor;
use crate::directory::Directory;
use crate::exit::KillReason;
use crate::exit::StartError;
use crate::mail::Address;
use crate::path::ActorPath;
use crate::path::ChildId;
use crate::supervision::ChildSpec;
use crate::trace::TraceContext;
use crate::vitals::Health;

/// The actor's side of the runtime, given to each handler.
pub struct Context<A: Actor> {
    _actor: PhantomData<fn(A)>,
}

/// How a future is run as a child.
#[derive(Clone, Debug)]
pub struct Task {
    pub id: ChildId,
    pub kind: &'static str,
    /// When it is killed; `None` = its parent decides.
    pub deadline: Option<Duration>,
}

/// Mail that comes later.
#[derive(Debug)]
pub struct Timer {}

impl Task {
    pub fn new(id: impl Into<ChildId>) -> Self {
        Self {
            id: id.into(),
            kind: "task",
            deadline: None,
        }
    }

    #[must_use]
    pub fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }
}

impl Timer {
    /// The mail does not come. Dropping a `Timer` does not cancel it.
    pub fn cancel(&self) {
        todo!()
    }
}

impl<A: Actor> Context<A> {
    pub fn path(&self) -> &ActorPath {
        todo!()
    }

    pub fn address(&self) -> Address<A::Mail> {
        todo!()
    }

    pub fn directory(&self) -> &Directory {
        todo!()
    }

    /// Tells this incarnation from earlier ones of the same child.
    pub fn generation(&self) -> u64 {
        todo!()
    }

    /// The trace of the mail at hand.
    pub fn trace(&self) -> TraceContext {
        todo!()
    }

    /// Runs a future as a linked, visible child that can be killed. Its output comes back as mail, past the bound of the mailbox; a panic,
    /// a kill or the deadline come to [`Actor::child_exited`]. An id that is taken gets a number: use the returned one.
    pub fn task<T: Send + 'static>(
        &mut self,
        task: Task,
        future: impl Future<Output = T> + Send + 'static,
        done: impl FnOnce(T) -> A::Mail + Send + 'static,
    ) -> ChildId {
        let _ = (task, future, done);
        todo!()
    }

    /// Starts a linked child actor that is not restarted. Its end comes to [`Actor::child_exited`].
    pub fn child<B: Actor>(&mut self, spec: ChildSpec) -> Result<Address<B::Mail>, StartError> {
        let _ = spec;
        todo!()
    }

    pub fn kill_child(&mut self, id: &ChildId, why: KillReason) {
        let _ = (id, why);
        todo!()
    }

    /// Asks a child to stop; it is killed when its shutdown time is over.
    pub fn stop_child(&mut self, id: &ChildId) {
        let _ = id;
        todo!()
    }

    pub fn children(&self) -> Vec<ChildId> {
        todo!()
    }

    /// Sends this actor mail after a delay, past the bound of the mailbox.
    pub fn after(&mut self, delay: Duration, mail: A::Mail) -> Timer {
        let _ = (delay, mail);
        todo!()
    }

    /// Ends this actor normally after this handler.
    pub fn stop(&mut self) {
        todo!()
    }

    /// Says what it is doing, in one line of the tree.
    pub fn note(&self, text: impl Into<Arc<str>>) {
        let _ = text.into();
        todo!()
    }

    pub fn health(&self, health: Health) {
        let _ = health;
        todo!()
    }
}

impl<A: Actor> fmt::Debug for Context<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Context")
    }
}
