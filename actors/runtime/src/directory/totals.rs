//! Counters of the whole tree.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::exit::Exit;

/// Totals since the start of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub mail: u64,
    /// Actors and tasks started.
    pub started: u64,
    pub restarts: u64,
    pub panics: u64,
    pub errors: u64,
    pub kills: u64,
    pub parked: u64,
    pub abandoned: u64,
    /// Runs that kept a worker too long.
    pub stalls: u64,
    /// Mail refused because a mailbox was full.
    pub refused: u64,
    /// Mail dropped because its kind had crashed its reader again and again.
    pub quarantined: u64,
}

#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) mail: AtomicU64,
    pub(crate) started: AtomicU64,
    pub(crate) restarts: AtomicU64,
    pub(crate) parked: AtomicU64,
    pub(crate) abandoned: AtomicU64,
    pub(crate) stalls: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) quarantined: AtomicU64,
    panics: AtomicU64,
    errors: AtomicU64,
    kills: AtomicU64,
}

impl Totals {
    pub(crate) fn count(&self, exit: &Exit) {
        match exit {
            Exit::Normal | Exit::Ordered => return,
            Exit::Killed(_) => &self.kills,
            Exit::Failed(_) => &self.errors,
            Exit::Panicked(_) => &self.panics,
        }
        .fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self) -> Counters {
        Counters {
            mail: self.mail.load(Relaxed),
            started: self.started.load(Relaxed),
            restarts: self.restarts.load(Relaxed),
            panics: self.panics.load(Relaxed),
            errors: self.errors.load(Relaxed),
            kills: self.kills.load(Relaxed),
            parked: self.parked.load(Relaxed),
            abandoned: self.abandoned.load(Relaxed),
            stalls: self.stalls.load(Relaxed),
            refused: self.refused.load(Relaxed),
            quarantined: self.quarantined.load(Relaxed),
        }
    }
}
