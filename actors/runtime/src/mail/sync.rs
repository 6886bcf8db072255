//! What mail synchronises with; under loom, what tries every order.

#[cfg(openclaw_loom)]
pub(crate) use loom::sync::Mutex;
#[cfg(openclaw_loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize};
#[cfg(not(openclaw_loom))]
pub(crate) use std::sync::Mutex;
#[cfg(not(openclaw_loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize};

/// Stands before each access to what is not loom's own (the semaphore, the swapped pointer), so that loom tries its orders too. Nothing
/// at all otherwise.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    #[cfg(openclaw_loom)]
    taken: AtomicUsize,
}

impl Turn {
    #[inline(always)]
    pub(crate) fn take(&self) {
        #[cfg(openclaw_loom)]
        self.taken.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
    }
}
