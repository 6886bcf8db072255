//! How a child is started, restarted and stopped. A value: compared, printed, kept.

use std::fmt;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::Actor;
use crate::directory::Directory;
use crate::incarnation::LaunchPad;
use crate::incarnation::Leash;
use crate::incarnation::launch;
use crate::path::ActorPath;
use crate::path::ChildId;
use crate::supervision::supervisor::SUPERVISOR;
use crate::supervision::supervisor::Supervisor;
use crate::supervision::supervisor::SupervisorArgs;

/// When a child that ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// When it did not end cleanly.
    Transient,
    /// Never.
    Temporary,
}

/// How long a child may take to stop when ordered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// No time at all.
    Kill,
    Within(Duration),
    /// As long as it takes; the budget of the whole shutdown still holds.
    Infinity,
}

/// What follows when a child failed more often than its intensity allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// The supervisor fails: for the core.
    Escalate,
    /// The child alone is set aside, tried again after `retry` and by hand: for edges.
    Park { retry: Duration },
}

/// Whom a child's end takes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    OneForOne,
    /// Everything that was started after it is stopped and started again, in order.
    RestForOne,
}

/// The pause before a restart: doubles from `base` to `cap`, with full jitter, forgotten after `stable` time up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub base: Duration,
    pub cap: Duration,
    pub stable: Duration,
}

/// How many restarts within how long are still normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    pub restarts: u32,
    pub period: Duration,
}

/// Everything a supervisor knows about a child.
#[derive(Clone)]
pub struct ChildSpec {
    pub id: ChildId,
    pub kind: &'static str,
    /// Tells whether the child was built from the same facts: reconcile leaves equal ones alone.
    pub fingerprint: u64,
    pub restart: Restart,
    pub shutdown: Shutdown,
    pub backoff: Backoff,
    pub intensity: Intensity,
    pub past: Past,
    /// How long one handler may run.
    pub max_handle: Duration,
    /// How much mail may wait.
    pub capacity: usize,
    pub(crate) start: Arc<dyn Start>,
}

/// What a spec starts.
pub(crate) trait Start: Send + Sync {
    fn launch(&self, pad: LaunchPad) -> Arc<Leash>;

    /// Hands a running incarnation its new arguments. False = it must be restarted.
    fn reconfigure(&self, directory: &Directory, path: &ActorPath) -> bool {
        let _ = (directory, path);
        false
    }

    /// The children, if it is a supervisor.
    fn children(&self) -> Option<Arc<[ChildSpec]>> {
        None
    }
}

struct StartActor<A: Actor> {
    args: Arc<A::Args>,
    reconfigure: Option<fn(A::Args) -> A::Mail>,
}

impl<A: Actor> Start for StartActor<A> {
    fn launch(&self, pad: LaunchPad) -> Arc<Leash> {
        launch::<A>(pad, Arc::clone(&self.args))
    }

    fn reconfigure(&self, directory: &Directory, path: &ActorPath) -> bool {
        let Some(reconfigure) = self.reconfigure else {
            return false;
        };
        let mail = reconfigure(A::Args::clone(&self.args));
        directory.address::<A::Mail>(path).try_send(mail).is_ok()
    }
}

struct StartSupervisor {
    strategy: Strategy,
    children: Arc<[ChildSpec]>,
}

impl Start for StartSupervisor {
    fn launch(&self, pad: LaunchPad) -> Arc<Leash> {
        let args = SupervisorArgs {
            strategy: self.strategy,
            children: Arc::clone(&self.children),
        };
        launch::<Supervisor>(pad, Arc::new(args))
    }

    fn children(&self) -> Option<Arc<[ChildSpec]>> {
        Some(Arc::clone(&self.children))
    }
}

impl ChildSpec {
    /// An actor. Permanent, 5 restarts a minute, then escalate; 256 mails; 5 s to stop; 5 s a handler.
    pub fn actor<A: Actor>(id: impl Into<ChildId>, args: A::Args) -> Self {
        let start = StartActor::<A> {
            args: Arc::new(args),
            reconfigure: None,
        };
        Self::base(id.into(), A::KIND, Arc::new(start))
    }

    /// An actor that takes new arguments while it runs: a reconcile that changes its fingerprint sends it the mail instead of restarting it.
    pub fn live_actor<A: Actor>(
        id: impl Into<ChildId>,
        args: A::Args,
        reconfigure: fn(A::Args) -> A::Mail,
    ) -> Self {
        let start = StartActor::<A> {
            args: Arc::new(args),
            reconfigure: Some(reconfigure),
        };
        Self::base(id.into(), A::KIND, Arc::new(start))
    }

    /// A supervisor with its first children. It stops when they have; each of them has its own time for that.
    pub fn supervisor(
        id: impl Into<ChildId>,
        strategy: Strategy,
        children: Vec<ChildSpec>,
    ) -> Self {
        let start = StartSupervisor {
            strategy,
            children: children.into(),
        };
        Self::base(id.into(), SUPERVISOR, Arc::new(start))
            .shutdown(Shutdown::Infinity)
            .capacity(1024)
    }

    fn base(id: ChildId, kind: &'static str, start: Arc<dyn Start>) -> Self {
        Self {
            id,
            kind,
            fingerprint: 0,
            restart: Restart::Permanent,
            shutdown: Shutdown::Within(Duration::from_secs(5)),
            backoff: Backoff::default(),
            intensity: Intensity::default(),
            past: Past::Escalate,
            max_handle: Duration::from_secs(5),
            capacity: 256,
            start,
        }
    }

    #[must_use]
    pub fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    #[must_use]
    pub fn fingerprint(mut self, fingerprint: u64) -> Self {
        self.fingerprint = fingerprint;
        self
    }

    /// Takes the fingerprint of the facts the child is built from.
    #[must_use]
    pub fn fingerprint_of(mut self, facts: &(impl Hash + ?Sized)) -> Self {
        let mut hasher = DefaultHasher::new();
        facts.hash(&mut hasher);
        self.fingerprint = hasher.finish();
        self
    }

    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    #[must_use]
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    #[must_use]
    pub fn backoff(mut self, base: Duration, cap: Duration, stable: Duration) -> Self {
        self.backoff = Backoff { base, cap, stable };
        self
    }

    #[must_use]
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        self.intensity = Intensity { restarts, period };
        self
    }

    #[must_use]
    pub fn past(mut self, past: Past) -> Self {
        self.past = past;
        self
    }

    /// Parks instead of escalating.
    #[must_use]
    pub fn park(self, retry: Duration) -> Self {
        self.past(Past::Park { retry })
    }

    #[must_use]
    pub fn max_handle(mut self, max_handle: Duration) -> Self {
        self.max_handle = max_handle;
        self
    }

    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// The children of a supervisor's spec; empty for an actor.
    pub fn children(&self) -> Arc<[ChildSpec]> {
        self.start.children().unwrap_or_default()
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::ZERO,
            cap: Duration::from_secs(30),
            stable: Duration::from_secs(60),
        }
    }
}

impl Default for Intensity {
    fn default() -> Self {
        Self {
            restarts: 5,
            period: Duration::from_secs(60),
        }
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("fingerprint", &self.fingerprint)
            .field("restart", &self.restart)
            .field("shutdown", &self.shutdown)
            .field("backoff", &self.backoff)
            .field("intensity", &self.intensity)
            .field("past", &self.past)
            .field("max_handle", &self.max_handle)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
