//! Tasks and timers, as handlers name them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::path::ChildId;

/// How a future is run as a child.
#[derive(Clone, Debug)]
pub struct Task {
    pub id: ChildId,
    pub kind: &'static str,
    /// When it is killed; `None` = its parent decides.
    pub deadline: Option<Duration>,
}

/// Mail that comes later.
#[derive(Clone)]
pub struct Timer {
    abort: AbortHandle,
    cancelled: Arc<AtomicBool>,
}

impl Task {
    pub fn new(id: impl Into<ChildId>) -> Self {
        Self {
            id: id.into(),
            kind: "task",
            deadline: None,
        }
    }

    #[must_use]
    pub fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }
}

impl Timer {
    pub(crate) fn new(abort: AbortHandle, cancelled: Arc<AtomicBool>) -> Self {
        Self { abort, cancelled }
    }

    /// The mail does not come, even if it already waits in the mailbox. Dropping a `Timer` does not cancel it.
    pub fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
        self.abort.abort();
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("cancelled", &self.cancelled)
            .finish_non_exhaustive()
    }
}
