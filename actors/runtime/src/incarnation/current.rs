//! Who runs on this thread right now: for crash records, traces and the fence around abandoned handlers.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::incarnation::leash::Leash;
use crate::trace::TraceContext;

/// What runs.
#[derive(Clone)]
pub(crate) struct Current {
    pub(crate) leash: Option<Arc<Leash>>,
    pub(crate) mail: &'static str,
    pub(crate) trace: Option<TraceContext>,
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// Puts the previous one back, also when unwinding.
struct Restore(Option<Current>);

impl Drop for Restore {
    fn drop(&mut self) {
        let previous = self.0.take();
        CURRENT.with_borrow_mut(|current| *current = previous);
    }
}

/// Runs `work` as `current`.
pub(crate) fn entered<R>(current: Current, work: impl FnOnce() -> R) -> R {
    let _restore = Restore(CURRENT.with_borrow_mut(|slot| slot.replace(current)));
    work()
}

impl Current {
    /// Reads what runs. During a panic inside the runtime itself it may be out of reach.
    pub(crate) fn get() -> Option<Current> {
        CURRENT
            .try_with(|current| {
                current
                    .try_borrow()
                    .ok()
                    .and_then(|current| current.clone())
            })
            .ok()?
    }

    /// Makes what runs part of a trace.
    pub(crate) fn join(trace: TraceContext) {
        CURRENT.with_borrow_mut(|current| {
            if let Some(current) = current {
                current.trace = Some(trace);
            }
        });
    }

    pub(crate) fn trace() -> Option<TraceContext> {
        CURRENT.with_borrow(|current| current.as_ref().and_then(|current| current.trace))
    }

    /// Whether the code at work belongs to an incarnation that was given up.
    pub(crate) fn is_fenced() -> bool {
        CURRENT.with_borrow(|current| {
            current
                .as_ref()
                .and_then(|current| current.leash.as_ref())
                .is_some_and(|leash| leash.fenced.load(Relaxed))
        })
    }
}
