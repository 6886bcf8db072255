//! A place for work that burns a core: few threads, of lower priority where the platform allows, apart from the async workers. Sockets,
//! timers and heartbeats go on while it lasts.
//!
//! [`run`] gives a future, to be run as a child task like any other wait: `ctx.task(Task::new("resize"), cpu::run(…), Mail::Resized)`. Work
//! that waits (files, name look-ups) belongs in `spawn_blocking`.

mod pool;

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::available_parallelism;

use tokio::sync::oneshot;

use crate::crash;
use crate::crash::CrashRecord;
use crate::incarnation::Current;
use crate::incarnation::entered;
use pool::Pool;

/// Jobs that may wait. At a second each, more would be waited for by nobody.
const QUEUE: usize = 64;

static POOL: LazyLock<Pool> =
    LazyLock::new(|| Pool::new(available_parallelism().map_or(1, usize::from), QUEUE));

/// Too many jobs wait already. Try again later, or say so to whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much work for the processor waits already")]
pub struct Busy;

/// Whether a job's result is still wanted. Work that can take seconds looks here now and then.
#[derive(Clone, Debug, Default)]
pub struct Wanted(Arc<AtomicBool>);

/// A panic on the pool, and what its hook noted.
struct Panic {
    payload: Box<dyn Any + Send>,
    record: Option<CrashRecord>,
}

/// How much is at work and waits, in the whole process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub running: usize,
    pub waiting: usize,
    pub refused: u64,
}

/// Runs a job on the pool. Dropped, it takes a waiting job out and tells a running one through [`Wanted`]. A panic of the job is the
/// caller's, with the place where it happened.
pub async fn run<T: Send + 'static>(
    job: impl FnOnce(&Wanted) -> T + Send + 'static,
) -> Result<T, Busy> {
    let unwanted = Arc::new(AtomicBool::new(false));
    let _drop = SetOnDrop(Arc::clone(&unwanted));
    let wanted = Wanted(unwanted);
    // It runs as whoever asked: crash records and traces name them.
    let current = Current::get();
    let (done, result) = oneshot::channel();
    let work = move || {
        if !wanted.is_wanted() {
            return;
        }
        let attempt = || catch_unwind(AssertUnwindSafe(|| job(&wanted)));
        let outcome = match current {
            Some(current) => entered(current, attempt),
            None => attempt(),
        };
        let outcome = outcome.map_err(|payload| Panic {
            payload,
            record: crash::take(),
        });
        // Whoever asked may have left.
        drop(done.send(outcome));
    };
    if !POOL.submit(Box::new(work)) {
        return Err(Busy);
    }
    match result.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Panic { payload, record })) => {
            if let Some(record) = record {
                crash::note(record);
            }
            resume_unwind(payload)
        }
        // A job is dropped unrun only when its thread could not be started.
        Err(_dropped) => Err(Busy),
    }
}

/// What the pool does right now.
pub fn load() -> Load {
    POOL.load()
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl Wanted {
    pub fn is_wanted(&self) -> bool {
        !self.0.load(Relaxed)
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panic")
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}
