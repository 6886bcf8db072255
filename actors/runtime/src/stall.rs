//! Runs that kept an async worker too long for the others: sockets, timers and heartbeats wait behind them.

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::time::Duration;

use crate::incarnation::Leash;
use crate::incarnation::Ran;
use crate::incarnation::now_ms;
use crate::path::ActorPath;

/// How long one run may take. A tenth of what people notice; a hundred times what a handler needs.
pub(crate) const LIMIT_NS: u64 = 50_000_000;

/// What the log says of a stall.
pub const LINE: &str = "blocked a worker";

/// One run that took too long.
#[derive(Clone, Debug)]
pub struct Stall {
    pub path: ActorPath,
    pub kind: &'static str,
    pub generation: u64,
    /// The mail that was handled, `"init"`, or the task's kind.
    pub mail: &'static str,
    /// What it took, without `waited`.
    pub took: Duration,
    /// How long the thread waited for a core meanwhile; known where the tree is watched closely.
    pub waited: Option<Duration>,
    pub at_ms: i64,
}

impl Stall {
    pub(crate) fn new(leash: &Leash, ran: &Ran) -> Self {
        Self {
            path: leash.path.clone(),
            kind: leash.kind,
            generation: leash.generation,
            mail: leash.pulse.current(),
            took: Duration::from_nanos(ran.took_ns),
            waited: ran.waited_ns.map(Duration::from_nanos),
            at_ms: now_ms(),
        }
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} in {} {} for {:.1?}",
            self.path, self.mail, LINE, self.took
        )
    }
}

thread_local! {
    static SCHEDULE: RefCell<Option<File>> = const { RefCell::new(None) };
}

/// How long this thread has waited for a core since it began. `None` = the platform doesn't say.
#[cfg(target_os = "linux")]
pub(crate) fn waited_for_a_core() -> Option<u64> {
    use std::os::unix::fs::FileExt;
    SCHEDULE
        .try_with(|file| {
            let mut file = file.borrow_mut();
            if file.is_none() {
                *file = File::open("/proc/thread-self/schedstat").ok();
            }
            let mut text = [0; 80];
            let read = file.as_ref()?.read_at(&mut text, 0).ok()?;
            // Three numbers: on a core, waiting for one, and how often.
            let text = std::str::from_utf8(text.get(..read)?).ok()?;
            text.split_ascii_whitespace().nth(1)?.parse().ok()
        })
        .ok()?
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn waited_for_a_core() -> Option<u64> {
    None
}
