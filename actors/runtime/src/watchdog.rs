//! The one who watches from outside: an OS thread that reads atomics. It reports runs over their limit to the parent of whoever runs,
//! notices mail that is stuck behind a blocked worker, keeps the runtime's timers turning, and ends the process when nothing else helps.
//!
//! While nothing runs it sleeps; the first run after that wakes it.

mod alert;
mod patrol;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::runtime::RuntimeFlavor;

use crate::directory::Directory;
use patrol::Patrol;

pub(crate) use alert::Alert;

/// The exit code after too many handlers never returned. Their threads come back with a new process only.
pub const EXIT_THREADS_LOST: i32 = 71;

/// How the watchdog acts.
#[derive(Clone)]
pub struct Watchdog {
    /// How often it looks while something runs.
    pub tick: Duration,
    /// How long it sleeps at most while nothing runs. Also the longest time between two calls of `on_alive`.
    pub rest: Duration,
    /// A runtime that answers nothing for this long is reported.
    pub stall_warn: Duration,
    /// A runtime that answers nothing for this long ends the process: its state is on disk, and nothing inside can help any more.
    pub stall_abort: Option<Duration>,
    /// How many threads may be lost to handlers that never return before the tree ends with [`EXIT_THREADS_LOST`]; `None` = half of the
    /// workers there are.
    pub lost_threads: Option<usize>,
    on_alive: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// Stops the watchdog when dropped.
pub(crate) struct Guard {
    stop: Arc<AtomicBool>,
    thread: Option<thread::Thread>,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(100),
            rest: Duration::from_secs(5),
            stall_warn: Duration::from_secs(5),
            stall_abort: Some(Duration::from_secs(60)),
            lost_threads: None,
            on_alive: None,
        }
    }
}

impl Watchdog {
    /// Calls `alive` at least every `rest` while the runtime answers: for systemd's `WATCHDOG=1`. Silence means trouble.
    #[must_use]
    pub fn on_alive(mut self, alive: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_alive = Some(Arc::new(alive));
        self
    }

    /// Sets after how long a stalled runtime ends the process; `None` = never.
    #[must_use]
    pub fn stall_abort(mut self, after: Option<Duration>) -> Self {
        self.stall_abort = after;
        self
    }

    /// Sets how many threads may be lost before the tree ends.
    #[must_use]
    pub fn lost_threads(mut self, bound: usize) -> Self {
        self.lost_threads = Some(bound);
        self
    }

    pub(crate) fn start(mut self, directory: Directory) -> Guard {
        let runtime = Handle::current();
        if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            // Only tests run on one thread, and they may hold it.
            self.stall_abort = None;
        }
        let workers = runtime.metrics().num_workers();
        self.lost_threads.get_or_insert((workers / 2).max(1));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let spawned = thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || {
                Patrol::new(self, directory, runtime).walk(&stopped);
            });
        let thread = match spawned {
            Ok(join) => Some(join.thread().clone()),
            Err(error) => {
                tracing::error!(%error, "watchdog thread could not be started: hung actors will not be noticed");
                None
            }
        };
        Guard { stop, thread }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("watchdog::Guard")
    }
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchdog")
            .field("tick", &self.tick)
            .field("rest", &self.rest)
            .field("stall_warn", &self.stall_warn)
            .field("stall_abort", &self.stall_abort)
            .field("lost_threads", &self.lost_threads)
            .finish_non_exhaustive()
    }
}

/// Builds the runtime the gateway runs on: threads with a name, and more of them than cores, because a handler that never returns keeps its
/// worker. Whatever that worker's next-task slot held stays there (tokio cannot steal it, and its `disable_lifo_slot` is unstable); the
/// watchdog recognises such an actor by its stuck mail and replaces it.
pub fn build_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let cores = thread::available_parallelism().map_or(2, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads((cores + 2).max(4))
        .thread_name("openclaw")
        // Files and name look-ups; more at once would only queue at the disk.
        .max_blocking_threads(32)
        .enable_all()
        .build()
}
