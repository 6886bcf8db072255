//! What an incarnation is doing, in atomics that anyone may read.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use crate::incarnation::clock::now_ns;
use crate::stall::waited_for_a_core;

pub(crate) struct Pulse {
    /// When the run at work began; 0 = idle.
    busy_since: AtomicU64,
    /// How long the thread had waited for a core by then, plus one; 0 = not asked.
    waited: AtomicU64,
    current: Mutex<&'static str>,
    pub(crate) max_ns: u64,
    /// Runs so far: tells a starved actor from a quick one.
    pub(crate) runs: AtomicU64,
    /// Parcels that wait, mail or not.
    pub(crate) pending: AtomicUsize,
    /// The run that was last reported, so that each is reported once.
    pub(crate) reported: AtomicU64,
}

/// A run that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran {
    /// Without `waited_ns`.
    pub(crate) took_ns: u64,
    /// How long its thread waited for a core meanwhile, if that was asked.
    pub(crate) waited_ns: Option<u64>,
}

impl Pulse {
    pub(crate) fn new(max: Duration) -> Self {
        Self {
            busy_since: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            current: Mutex::new(""),
            max_ns: u64::try_from(max.as_nanos()).unwrap_or(u64::MAX),
            runs: AtomicU64::new(0),
            pending: AtomicUsize::new(0),
            reported: AtomicU64::new(0),
        }
    }

    /// A run begins; `closely` = its waits for a core are to be told apart.
    pub(crate) fn enter(&self, kind: &'static str, closely: bool) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = kind;
        self.runs.fetch_add(1, Relaxed);
        if closely {
            let waited = waited_for_a_core().map_or(0, |waited| waited + 1);
            self.waited.store(waited, Relaxed);
        }
        self.busy_since.store(now_ns(), SeqCst);
    }

    /// The run is over. `None` = there was none.
    pub(crate) fn leave(&self) -> Option<Ran> {
        let since = self.since()?;
        self.busy_since.store(0, Relaxed);
        let took_ns = now_ns().saturating_sub(since);
        let waited_ns = match self.waited.load(Relaxed) {
            0 => None,
            before => {
                self.waited.store(0, Relaxed);
                waited_for_a_core().map(|now| (now + 1).saturating_sub(before))
            }
        };
        Some(Ran {
            took_ns: took_ns.saturating_sub(waited_ns.unwrap_or(0)),
            waited_ns,
        })
    }

    /// When the run at work began.
    pub(crate) fn since(&self) -> Option<u64> {
        Some(self.busy_since.load(Relaxed)).filter(|since| *since != 0)
    }

    pub(crate) fn busy(&self) -> Option<Duration> {
        self.since()
            .map(|since| Duration::from_nanos(now_ns().saturating_sub(since)))
    }

    /// The mail of the run at work, or of the last one.
    pub(crate) fn current(&self) -> &'static str {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
