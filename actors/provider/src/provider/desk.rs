//! Permits and counters of one provider; restarts of its actor share them.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openclaw_protocol::Usage;

use super::standings::Standings;
use crate::error::ModelError;
use crate::history::History;

/// How a call ended.
#[derive(Debug, Clone)]
pub struct CallOutcome {
    /// The failure, if any.
    pub error: Option<ModelError>,
    /// From the request to the end.
    pub took: Duration,
    /// Tokens and money.
    pub usage: Usage,
    /// Who made it; the lease fills it in.
    pub account: String,
    /// The model at the provider; the lease fills it in.
    pub model: String,
}

impl CallOutcome {
    /// How a call went that took so long and came to so much.
    pub fn new(error: Option<ModelError>, took: Duration, usage: Usage) -> Self {
        Self {
            error,
            took,
            usage,
            account: String::new(),
            model: String::new(),
        }
    }

    /// A call that could not be made.
    pub fn failed(error: ModelError) -> Self {
        Self::new(Some(error), Duration::ZERO, Usage::default())
    }
}

/// Permits and counters.
#[derive(Debug)]
pub struct Desk {
    allowed: AtomicUsize,
    out: AtomicUsize,
    counters: Mutex<Counters>,
    standings: Mutex<Standings>,
}

/// What calls came to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counters {
    /// Calls that ended well.
    pub succeeded: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Tokens and money of all of them.
    pub usage: Usage,
}

/// The right to make one call; given back by drop.
#[derive(Debug)]
pub(super) struct Permit {
    desk: Arc<Desk>,
}

impl Desk {
    pub(super) fn new(allowed: usize, history: &History) -> Self {
        Self {
            allowed: AtomicUsize::new(allowed),
            out: AtomicUsize::new(0),
            counters: Mutex::default(),
            standings: Mutex::new(Standings::of(history)),
        }
    }

    /// Changes how many permits there are. Those that are out beyond it simply come back.
    pub(super) fn resize(&self, allowed: usize) {
        self.allowed.store(allowed, Ordering::Release);
    }

    pub(super) fn permit(self: &Arc<Self>) -> Option<Permit> {
        let allowed = self.allowed.load(Ordering::Acquire);
        let take = |out: usize| (out < allowed).then_some(out + 1);
        self.out
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, take)
            .ok()?;
        Some(Permit {
            desk: Arc::clone(self),
        })
    }

    pub(super) fn standings(&self) -> MutexGuard<'_, Standings> {
        self.standings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self, outcome: &CallOutcome) -> Counters {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        match &outcome.error {
            None => counters.succeeded += 1,
            Some(_) => counters.failed += 1,
        }
        counters.usage.add(&outcome.usage);
        *counters
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.desk.out.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_bounded_and_come_back() {
        let desk = Arc::new(Desk::new(2, &History::default()));
        let first = desk.permit().unwrap();
        let second = desk.permit().unwrap();
        assert!(desk.permit().is_none());
        drop(first);
        let third = desk.permit().unwrap();
        desk.resize(1);
        drop(second);
        assert!(desk.permit().is_none(), "one is still out");
        drop(third);
        assert!(desk.permit().is_some());
    }
}
