//! The bound of one incarnation's mailbox.

use std::sync::Arc;
use std::sync::atomic::Ordering::AcqRel;
use std::sync::atomic::Ordering::Acquire;

use tokio::sync::AcquireError;
use tokio::sync::Semaphore;
use tokio::sync::SemaphorePermit;
use tokio::sync::TryAcquireError;
use tokio::sync::watch;

use crate::mail::sync::AtomicUsize;
use crate::mail::sync::Turn;

const CLOSED: usize = 1 << (usize::BITS - 1);

/// Counts what waits, limits what may wait, and says when nothing may any more. One atomic holds count and closedness, so that an actor
/// that ends knows exactly whether mail came in before.
#[derive(Debug)]
pub(crate) struct Gate {
    count: AtomicUsize,
    capacity: usize,
    permits: Semaphore,
    turn: Turn,
    abandoned: watch::Sender<bool>,
}

/// A place in the mailbox: travels with the mail and is given back by drop, wherever the mail ends.
#[derive(Debug)]
pub(crate) struct Seat {
    gate: Arc<Gate>,
    permit: bool,
}

impl Gate {
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            count: AtomicUsize::new(0),
            capacity,
            permits: Semaphore::new(capacity),
            turn: Turn::default(),
            abandoned: watch::Sender::new(false),
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn queued(&self) -> usize {
        self.count.load(Acquire) & !CLOSED
    }

    /// Takes a permit for a place if there is one now. It is not given back by itself: `enter` comes next.
    pub(crate) fn try_permit(&self) -> Result<(), TryAcquireError> {
        self.turn.take();
        self.permits.try_acquire().map(SemaphorePermit::forget)
    }

    /// Waits for a permit.
    pub(crate) async fn permit(&self) -> Result<(), AcquireError> {
        self.turn.take();
        self.permits.acquire().await.map(SemaphorePermit::forget)
    }

    /// Takes a place; `permit` = a permit was taken for it, which goes back with it. `None` = closed.
    pub(crate) fn enter(self: &Arc<Self>, permit: bool) -> Option<Seat> {
        let seat = Seat {
            gate: Arc::clone(self),
            permit,
        };
        let before = self.count.fetch_add(1, AcqRel);
        (before & CLOSED == 0).then_some(seat)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.count.load(Acquire) & CLOSED != 0
    }

    /// Lets nothing in any more and says how much is inside.
    pub(crate) fn close(&self) -> usize {
        let before = self.count.fetch_or(CLOSED, AcqRel);
        self.turn.take();
        self.permits.close();
        before & !CLOSED
    }

    /// Tells askers that the mail inside will never be answered.
    pub(crate) fn abandon(&self) {
        self.close();
        self.abandoned.send_replace(true);
    }

    pub(crate) fn on_abandon(&self) -> watch::Receiver<bool> {
        self.abandoned.subscribe()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gate.count.fetch_sub(1, AcqRel);
        if self.permit {
            self.gate.turn.take();
            self.gate.permits.add_permits(1);
        }
    }
}
