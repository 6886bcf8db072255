//! Runs whose readers have left: over HTTP nobody can come back for the rest, so it is not made.
//!
//! A reader that goes puts its run on its connection's list; the connection's own task, which outlives
//! the requests on it, ends what is there when the connection is done.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use openclaw_protocol::RunId;
use tokio::time::Instant;

use crate::services::Services;

/// Why such a run ended, as clients are told.
const REASON: &str = "left";
/// How long to try: the run's message may still be on its way to the disk.
const TRIES: Duration = Duration::from_secs(5);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// The runs that a connection leaves behind. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Left(Arc<Mutex<Vec<RunId>>>);

/// One who waits for a run's answer. Dropped before the run is over, it has left.
#[derive(Debug)]
pub(super) struct Reader {
    run: RunId,
    left: Left,
    is_done: bool,
}

impl Left {
    /// Ends the runs on the list.
    pub(super) async fn end(self, services: &Services) {
        let runs = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for run in runs {
            end(services, &run).await;
        }
    }
}

async fn end(services: &Services, run: &RunId) {
    let until = Instant::now() + TRIES;
    loop {
        let view = services.hub.run(run);
        if view.as_ref().is_some_and(|view| view.end.is_some()) {
            return;
        }
        let Some(session) = view.and_then(|view| view.session) else {
            return services.hub.forget_run(run);
        };
        let ended = services
            .intake
            .abort_because(&session, Some(run.clone()), REASON)
            .await;
        if !ended.is_empty() {
            tracing::info!(%run, %session, "a client left before its answer was there");
            return;
        }
        if Instant::now() >= until {
            tracing::warn!(%run, %session, "a run whose client left could not be ended");
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Reader {
    pub(super) fn new(run: RunId, left: Left) -> Self {
        Self {
            run,
            left,
            is_done: false,
        }
    }

    /// The run is over: there is nothing to leave.
    pub(super) fn done(&mut self) {
        self.is_done = true;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if !self.is_done {
            let mut runs = self.left.0.lock().unwrap_or_else(PoisonError::into_inner);
            runs.push(self.run.clone());
        }
    }
}
