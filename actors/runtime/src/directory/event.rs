//! What happens in the tree, for those who watch it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::crash::CrashId;
use crate::directory::Directory;
use crate::exit::Exit;
use crate::incarnation::now_ms;
use crate::path::ActorPath;

/// Something happened in the tree.
#[derive(Clone, Debug)]
pub struct SupervisionEvent {
    pub path: ActorPath,
    pub what: Change,
    pub at_ms: i64,
    pub generation: u64,
    pub crash: Option<CrashId>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Change {
    Started,
    Exited(Exit),
    Restarting {
        after: Duration,
    },
    Parked(Arc<Parking>),
    Unparked,
    /// Stopped on purpose.
    Stopped,
}

/// A child was set aside. One of these is made each time that happens, no more and no less.
#[derive(Clone, Debug)]
pub struct Parking {
    pub path: ActorPath,
    pub kind: &'static str,
    /// The incarnation that failed last.
    pub generation: u64,
    /// How it ended last; `None` = it never did.
    pub exit: Option<Exit>,
    /// Where it panicked, as `file:line:column`, if it did.
    pub location: Option<Arc<str>>,
    /// When it is tried by itself; `None` = only by hand.
    pub retry_at_ms: Option<i64>,
    /// Somebody asked for it.
    pub by_hand: bool,
    /// It was tried out of parking and failed before it had been well for long: whoever was told need not be told again.
    pub again: bool,
}

impl Parking {
    /// The record of the panic that parked it.
    pub fn crash(&self) -> Option<&CrashId> {
        self.exit.as_ref().and_then(Exit::crash)
    }

    /// How it ended in one word: `panicked`, `failed`, `killed`; `ended` when nothing was wrong with it.
    pub fn class(&self) -> &'static str {
        self.exit.as_ref().map_or("ended", Exit::class)
    }
}

impl Directory {
    /// What happens from now on. A slow reader misses events and is told how many.
    pub fn watch(&self) -> broadcast::Receiver<SupervisionEvent> {
        self.inner.events.subscribe()
    }

    /// What is parked and un-parked from now on: whoever needs no more is not woken by every child that comes and goes.
    pub fn watch_parking(&self) -> broadcast::Receiver<SupervisionEvent> {
        self.inner.parking_events.subscribe()
    }

    /// Hands every further parking to a sink, which misses none. It runs in the supervisor and must not block.
    pub fn on_park(&self, sink: Arc<dyn Fn(&Parking) + Send + Sync>) {
        self.inner.parkings.add(sink);
    }

    pub(crate) fn publish(&self, path: &ActorPath, generation: u64, what: Change) {
        let totals = &self.inner.totals;
        let mut crash = None;
        match &what {
            Change::Exited(exit) => crash = exit.crash().cloned(),
            Change::Restarting { .. } => {
                totals.restarts.fetch_add(1, Relaxed);
            }
            Change::Parked(parking) => {
                totals.parked.fetch_add(1, Relaxed);
                crash = parking.crash().cloned();
                self.inner.parkings.tell(parking);
            }
            Change::Started | Change::Unparked | Change::Stopped => {}
        }
        let event = SupervisionEvent {
            path: path.clone(),
            what,
            at_ms: now_ms(),
            generation,
            crash,
        };
        // Nobody watching is fine.
        if matches!(event.what, Change::Parked(_) | Change::Unparked) {
            drop(self.inner.parking_events.send(event.clone()));
        }
        drop(self.inner.events.send(event));
        self.changed();
    }
}
