//! Wakes the watchdog when something runs. One relaxed load per run while it is awake.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::Thread;

#[derive(Debug, Default)]
pub(crate) struct Alert {
    asleep: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Alert {
    /// Something runs now. The pulse was written before, so either this sees the watchdog asleep or the watchdog sees the pulse.
    pub(crate) fn raise(&self) {
        if self.asleep.load(SeqCst) && self.asleep.swap(false, SeqCst) {
            let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(thread) = &*thread {
                thread.unpark();
            }
        }
    }

    pub(super) fn register(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        *thread = Some(std::thread::current());
    }

    pub(super) fn fall_asleep(&self) {
        self.asleep.store(true, SeqCst);
    }

    /// True = something ran meanwhile.
    pub(super) fn wake_up(&self) -> bool {
        !self.asleep.swap(false, SeqCst)
    }
}
