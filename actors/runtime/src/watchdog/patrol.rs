//! The watchdog's round.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::directory::Directory;
use crate::exit::ExitError;
use crate::incarnation::ChildNote;
use crate::incarnation::Leash;
use crate::incarnation::now_ns;
use crate::path::ActorPath;
use crate::supervision::Order;
use crate::watchdog::EXIT_THREADS_LOST;
use crate::watchdog::Watchdog;

/// A run this long is worth a knock on the runtime: its worker may have been the one that turned the timers.
const LONG_RUN: Duration = Duration::from_millis(50);

/// Behind a blocked worker, mail that nobody took up for this long, while the runtime answered this many knocks, is stuck: a busy machine
/// is slow with both, an actor that can run takes its mail up in microseconds.
const STUCK_AFTER: Duration = Duration::from_secs(1);
const STUCK_ANSWERS: u64 = 5;

/// The service manager needs to hear of us every few seconds, not every round.
const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// Rounds without anything to see before it lies down.
const QUIET_ROUNDS: u32 = 10;

pub(super) struct Patrol {
    options: Watchdog,
    directory: Directory,
    runtime: Handle,
    /// When the runtime last answered a knock, and when the open knock was made; 0 = none is open.
    answered_ns: Arc<AtomicU64>,
    knocked_ns: u64,
    knocks: u64,
    /// When `on_alive` was last called.
    alive_ns: u64,
    /// The actors that had mail waiting and did not run, as they were first seen so.
    idle: HashMap<u64, Idle>,
    warned: bool,
    given_up: bool,
}

#[derive(Clone, Copy)]
struct Idle {
    runs: u64,
    since_ns: u64,
    knocks: u64,
}

impl Patrol {
    pub(super) fn new(options: Watchdog, directory: Directory, runtime: Handle) -> Self {
        Self {
            options,
            directory,
            runtime,
            answered_ns: Arc::new(AtomicU64::new(0)),
            knocked_ns: 0,
            knocks: 0,
            alive_ns: 0,
            idle: HashMap::new(),
            warned: false,
            given_up: false,
        }
    }

    pub(super) fn walk(mut self, stop: &AtomicBool) {
        self.directory.watchdog_alert().register();
        let mut quiet = 0;
        while !stop.load(SeqCst) {
            let busy = self.look();
            self.check_runtime();
            quiet = if busy { 0 } else { quiet + 1 };
            if quiet < QUIET_ROUNDS || self.is_stalled() {
                thread::park_timeout(self.options.tick);
                continue;
            }
            self.directory.watchdog_alert().fall_asleep();
            // Whoever began to run before the line above was not heard.
            if !self.anyone_busy() {
                thread::park_timeout(self.options.rest);
            }
            if self.directory.watchdog_alert().wake_up() {
                quiet = 0;
            }
        }
    }

    /// Looks at everyone once. True = someone runs.
    fn look(&mut self) -> bool {
        let now = now_ns();
        let live = self.directory.live();
        let mut busy = false;
        let mut blocked = false;
        for leash in &live {
            let Some(since) = leash.pulse.since() else {
                continue;
            };
            busy = true;
            let for_ns = now.saturating_sub(since);
            blocked |= for_ns > nanos(LONG_RUN);
            if for_ns > leash.pulse.max_ns {
                report(leash, since, "over its limit");
                self.end_if_root(leash, for_ns);
            }
        }
        if blocked {
            self.count_lost(&live);
            self.knock(now);
            self.look_for_stuck(&live, now);
        } else {
            self.idle.clear();
        }
        busy
    }

    /// Threads lost to handlers that never return are lost until the process ends. A few are borne; then it is better to end in order and
    /// start anew than to go on with ever fewer.
    fn count_lost(&mut self, live: &[Arc<Leash>]) {
        let is_lost =
            |leash: &&Arc<Leash>| leash.fenced.load(Relaxed) && leash.pulse.since().is_some();
        let lost = live.iter().filter(is_lost).count();
        let bound = self.options.lost_threads.unwrap_or(usize::MAX);
        if lost <= bound || self.given_up {
            return;
        }
        let reason = format!(
            "{lost} handlers never returned and keep their threads, more than the {bound} that can be spared"
        );
        tracing::error!(busiest = %self.busiest(), "{reason}");
        let root = self.directory.address::<Order>(&ActorPath::root());
        let order = Order::GiveUp(ExitError::fatal(EXIT_THREADS_LOST, reason));
        // A root that can't take it now is told in the next round.
        self.given_up = root.try_send(order).is_ok();
    }

    /// While a worker is blocked: finds actors whose mail lies in that worker's next-task slot, where no one else can take it up.
    fn look_for_stuck(&mut self, live: &[Arc<Leash>], now: u64) {
        let mut seen = HashMap::new();
        for leash in live {
            let pulse = &leash.pulse;
            let waiting = pulse.pending.load(Relaxed) > 0 && pulse.since().is_none();
            if !waiting || leash.fenced.load(Relaxed) {
                continue;
            }
            let fresh = Idle {
                runs: pulse.runs.load(Relaxed),
                since_ns: now,
                knocks: self.knocks,
            };
            let first = self.idle.get(&leash.generation).copied();
            let first = first
                .filter(|first| first.runs == fresh.runs)
                .unwrap_or(fresh);
            seen.insert(leash.generation, first);
            let still_ns = now.saturating_sub(first.since_ns);
            if still_ns > nanos(STUCK_AFTER) && self.knocks - first.knocks >= STUCK_ANSWERS {
                report(leash, 0, "its mail is stuck behind a blocked thread");
                self.end_if_root(leash, still_ns);
            }
        }
        self.idle = seen;
    }

    /// Asks the runtime for a sign of life, unless an answer is outstanding. The task also wakes a worker that sleeps, which then turns
    /// the timers and sockets if the blocked one was to do that.
    #[allow(clippy::disallowed_methods)]
    fn knock(&mut self, now: u64) {
        if self.knocked_ns > self.answered_ns.load(SeqCst) {
            return;
        }
        self.knocked_ns = now;
        self.knocks += 1;
        let answered = Arc::clone(&self.answered_ns);
        drop(
            self.runtime
                .spawn(async move { answered.store(now_ns(), SeqCst) }),
        );
    }

    fn is_stalled(&self) -> bool {
        self.knocked_ns > self.answered_ns.load(SeqCst)
    }

    fn check_runtime(&mut self) {
        let now = now_ns();
        if !self.is_stalled() {
            if self.warned {
                tracing::warn!("the runtime answers again");
                self.warned = false;
            }
            let is_due = now.saturating_sub(self.alive_ns) > nanos(ALIVE_EVERY);
            if self.knocked_ns != 0
                && is_due
                && let Some(alive) = &self.options.on_alive
            {
                self.alive_ns = now;
                alive();
            }
            self.knock(now);
            return;
        }
        let silent = Duration::from_nanos(now.saturating_sub(self.knocked_ns));
        if silent > self.options.stall_warn && !self.warned {
            self.warned = true;
            tracing::error!(?silent, busiest = %self.busiest(), "the runtime does not answer: every worker is blocked");
        }
        if self.options.stall_abort.is_some_and(|limit| silent > limit) {
            tracing::error!(?silent, busiest = %self.busiest(), "the runtime is lost: ending the process, its state is on disk");
            std::process::abort();
        }
    }

    /// The root has nobody who could replace it: a tree without one supervises nothing.
    fn end_if_root(&self, leash: &Leash, still_ns: u64) {
        let limit = self.options.stall_abort.map(nanos);
        if leash.path.is_root() && limit.is_some_and(|limit| still_ns > limit) {
            tracing::error!(
                "the root supervisor is lost: ending the process, its state is on disk"
            );
            std::process::abort();
        }
    }

    fn anyone_busy(&self) -> bool {
        self.directory
            .live()
            .iter()
            .any(|leash| leash.pulse.since().is_some())
    }

    fn busiest(&self) -> String {
        let mut busy: Vec<_> = self
            .directory
            .live()
            .into_iter()
            .filter_map(|leash| Some((leash.pulse.busy()?, leash)))
            .collect();
        busy.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
        let lines = busy.iter().take(5).map(|(time, leash)| {
            format!("{} in {} for {time:.1?}", leash.path, leash.pulse.current())
        });
        lines.collect::<Vec<_>>().join("; ")
    }
}

/// Tells the parent, once per run.
fn report(leash: &Leash, since: u64, what: &'static str) {
    // A stuck actor has no run; its number of runs names the standstill. (The highest bit keeps the two apart.)
    let mark = if since == 0 {
        leash.pulse.runs.load(Relaxed) | 1 << 63
    } else {
        since
    };
    if leash.fenced.load(Relaxed) || leash.pulse.reported.swap(mark, Relaxed) == mark {
        return;
    }
    tracing::error!(
        path = %leash.path,
        generation = leash.generation,
        mail = leash.pulse.current(),
        busy = ?leash.pulse.busy(),
        "{what}"
    );
    if let Some(parent) = &leash.parent {
        parent.tell(ChildNote::Hung {
            generation: leash.generation,
            since,
        });
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
