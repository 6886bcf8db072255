//! The outside handle of one incarnation.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::exit::Exit;
use crate::exit::KillReason;
use crate::incarnation::brood::Brood;
use crate::incarnation::pulse::Pulse;
use crate::mail::Gate;
use crate::path::ActorPath;

/// What holds an incarnation from outside.
pub(crate) struct Leash {
    pub(crate) path: ActorPath,
    pub(crate) kind: &'static str,
    /// Unique in its tree and rising: which of the incarnations of a path this is.
    pub(crate) generation: u64,
    pub(crate) pulse: Pulse,
    pub(crate) gate: Arc<Gate>,
    /// Its children, so that they can be ended when it cannot be.
    pub(crate) brood: Brood,
    pub(crate) parent: Option<Arc<dyn Parent>>,
    /// Given up: whatever it still does has no effect on the tree.
    pub(crate) fenced: AtomicBool,
    handle: OnceLock<Box<dyn Handle>>,
    killed: Mutex<Option<KillReason>>,
    exit: OnceLock<Exit>,
}

/// How an incarnation is reached.
pub(crate) trait Handle: Send + Sync {
    fn kill(&self);
    /// Asks it to stop. False = it cannot be asked.
    fn stop(&self) -> bool;
}

/// Who learns of an incarnation's life.
pub(crate) trait Parent: Send + Sync {
    fn tell(&self, note: ChildNote);
}

/// News of a child, by generation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ChildNote {
    Started(u64),
    Ended(u64),
    /// One run has been going on since `since` and is over its limit, or its mail is stuck.
    Hung {
        generation: u64,
        since: u64,
    },
    Kill {
        generation: u64,
        why: KillReason,
    },
}

impl Leash {
    pub(crate) fn new(
        path: ActorPath,
        kind: &'static str,
        generation: u64,
        max_run: Duration,
        gate: Arc<Gate>,
        parent: Option<Arc<dyn Parent>>,
    ) -> Self {
        Self {
            path,
            kind,
            generation,
            pulse: Pulse::new(max_run),
            gate,
            brood: Brood::new(),
            parent,
            fenced: AtomicBool::new(false),
            handle: OnceLock::new(),
            killed: Mutex::new(None),
            exit: OnceLock::new(),
        }
    }

    pub(crate) fn attach(&self, handle: Box<dyn Handle>) {
        if let Err(extra) = self.handle.set(handle) {
            drop(extra);
        }
    }

    /// Ends it at its next await. The first reason stays.
    pub(crate) fn kill(&self, why: KillReason) {
        self.killed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(why);
        if let Some(handle) = self.handle.get() {
            handle.kill();
        }
    }

    pub(crate) fn order_stop(&self) -> bool {
        self.handle.get().is_some_and(|handle| handle.stop())
    }

    /// States how it ended, from inside. The first statement stays.
    pub(crate) fn set_exit(&self, exit: Exit) {
        if let Err(later) = self.exit.set(exit) {
            drop(later);
        }
    }

    pub(crate) fn kill_reason(&self) -> Option<KillReason> {
        *self.killed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it ended. What it said itself comes first; an end nobody stated and nobody asked for is the runtime's.
    pub(crate) fn exit(&self) -> Exit {
        match (self.exit.get(), self.kill_reason()) {
            (Some(exit), _) => exit.clone(),
            (None, Some(why)) => Exit::Killed(why),
            (None, None) => Exit::Killed(KillReason::Shutdown),
        }
    }

    /// Gives it up: it may run on, but nothing it does counts, nobody waits for it, and its children end.
    pub(crate) fn abandon(&self) {
        self.fenced.store(true, Relaxed);
        self.gate.abandon();
        self.brood.end(KillReason::Shutdown);
    }
}

impl fmt::Debug for Leash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leash")
            .field("path", &self.path)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
