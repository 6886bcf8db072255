//! The latest stalls of a tree.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::directory::Directory;
use crate::directory::lock;
use crate::directory::sinks::Sinks;
use crate::incarnation::Leash;
use crate::incarnation::Ran;
use crate::stall;
use crate::stall::Stall;
use crate::vitals::Vitals;

/// How many stalls are kept in memory.
const KEPT: usize = 100;

pub(super) struct Stalls {
    limit_ns: AtomicU64,
    closely: AtomicBool,
    kept: Mutex<VecDeque<Stall>>,
    sinks: Sinks<Stall>,
}

impl Default for Stalls {
    fn default() -> Self {
        Self {
            limit_ns: AtomicU64::new(stall::LIMIT_NS),
            closely: AtomicBool::new(cfg!(feature = "chaos")),
            kept: Mutex::default(),
            sinks: Sinks::default(),
        }
    }
}

impl Directory {
    /// How long one handler, or one poll of a task, may keep its thread before that is reported. 50 ms unless told otherwise.
    pub fn stall_limit(&self, limit: Duration) {
        let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        self.inner.stalls.limit_ns.store(nanos, Relaxed);
    }

    /// Leaves out of each run's time what its thread spent waiting for a core, so that a busy machine makes no stalls. Costs a read from
    /// the kernel at each end of each run, hence for tests; on where fault points are compiled in.
    pub fn watch_closely(&self, closely: bool) {
        self.inner.stalls.closely.store(closely, Relaxed);
    }

    /// The latest stalls, oldest first.
    pub fn stalls(&self) -> Vec<Stall> {
        lock(&self.inner.stalls.kept).iter().cloned().collect()
    }

    /// Hands every further stall to a sink: a test's way to fail. It runs where the stall was and must not block.
    pub fn on_stall(&self, sink: Arc<dyn Fn(&Stall) + Send + Sync>) {
        self.inner.stalls.sinks.add(sink);
    }

    pub(crate) fn watches_closely(&self) -> bool {
        self.inner.stalls.closely.load(Relaxed)
    }

    /// A run is over: was it too long for a thread that others need?
    #[inline]
    pub(crate) fn note_run(&self, leash: &Leash, vitals: &Vitals, ran: Option<Ran>) {
        if let Some(ran) = ran
            && ran.took_ns > self.inner.stalls.limit_ns.load(Relaxed)
        {
            self.stalled(leash, vitals, &ran);
        }
    }

    #[cold]
    fn stalled(&self, leash: &Leash, vitals: &Vitals, ran: &Ran) {
        // What was given up has been reported as worse; what a fault point did was asked for.
        if crate::fault::excused() || leash.fenced.load(Relaxed) {
            return;
        }
        let stall = Stall::new(leash, ran);
        tracing::warn!(
            path = %stall.path,
            mail = stall.mail,
            generation = stall.generation,
            took = ?stall.took,
            waited = ?stall.waited,
            "{}", stall::LINE
        );
        vitals.stalled_once();
        self.inner.totals.stalls.fetch_add(1, Relaxed);
        let mut kept = lock(&self.inner.stalls.kept);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(stall.clone());
        drop(kept);
        self.inner.stalls.sinks.tell(&stall);
    }
}
