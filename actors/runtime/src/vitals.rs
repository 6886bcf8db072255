//! What can be known of an actor without asking it: atomics, written by the runtime, read by anyone.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::crash::CrashId;
use crate::exit::Exit;
use crate::incarnation::Leash;
use crate::poison::Poison;
use crate::poison::Suspects;

/// Where an actor is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// It has an address but does not exist: not yet, or no more.
    Absent,
    Starting,
    Running,
    /// It was asked to stop and is finishing.
    Stopping,
    /// It ended badly and starts again after a pause.
    Backoff,
    /// It failed too often; it is tried again rarely, or by hand.
    Parked,
    /// It was stopped on purpose, or is done.
    Stopped,
}

/// What an actor says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Health {
    #[default]
    Ok,
    Connecting,
    Degraded,
}

/// The counters of one path, shared by its incarnations and everyone who looks.
#[derive(Debug)]
pub struct Vitals {
    state: AtomicU8,
    health: AtomicU8,
    generation: AtomicU64,
    restarts: AtomicU32,
    handled: AtomicU64,
    stalls: AtomicU32,
    refused: AtomicU64,
    pub(crate) suspects: Suspects,
    started_at_ms: AtomicI64,
    until_ms: AtomicI64,
    note: Mutex<Option<Arc<str>>>,
    last_exit: Mutex<Option<LastExit>>,
    live: ArcSwapOption<Leash>,
}

#[derive(Debug, Clone)]
struct LastExit {
    text: Arc<str>,
    crash: Option<CrashId>,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Absent => "absent",
            State::Starting => "starting",
            State::Running => "running",
            State::Stopping => "stopping",
            State::Backoff => "backoff",
            State::Parked => "parked",
            State::Stopped => "stopped",
        }
    }

    fn from_u8(value: u8) -> Self {
        match value {
            1 => State::Starting,
            2 => State::Running,
            3 => State::Stopping,
            4 => State::Backoff,
            5 => State::Parked,
            6 => State::Stopped,
            _ => State::Absent,
        }
    }
}

impl Health {
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Ok => "ok",
            Health::Connecting => "connecting",
            Health::Degraded => "degraded",
        }
    }
}

impl Vitals {
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU8::new(State::Absent as u8),
            health: AtomicU8::new(Health::Ok as u8),
            generation: AtomicU64::new(0),
            restarts: AtomicU32::new(0),
            handled: AtomicU64::new(0),
            stalls: AtomicU32::new(0),
            refused: AtomicU64::new(0),
            suspects: Suspects::default(),
            started_at_ms: AtomicI64::new(0),
            until_ms: AtomicI64::new(0),
            note: Mutex::new(None),
            last_exit: Mutex::new(None),
            live: ArcSwapOption::empty(),
        }
    }

    pub fn state(&self) -> State {
        State::from_u8(self.state.load(Relaxed))
    }

    pub fn health(&self) -> Health {
        match self.health.load(Relaxed) {
            1 => Health::Connecting,
            2 => Health::Degraded,
            _ => Health::Ok,
        }
    }

    /// Which incarnation is the latest.
    pub fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    pub fn restarts(&self) -> u32 {
        self.restarts.load(Relaxed)
    }

    /// How much mail was handled, over all incarnations.
    pub fn handled(&self) -> u64 {
        self.handled.load(Relaxed)
    }

    /// How often a run of it kept its thread too long.
    pub fn stalls(&self) -> u32 {
        self.stalls.load(Relaxed)
    }

    /// How much mail was refused because its mailbox was full.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// The mail that crashed it, by kind, until mail of that kind is handled.
    pub fn poison(&self) -> Vec<Poison> {
        self.suspects.seen()
    }

    /// How much mail waits.
    pub fn queued(&self) -> usize {
        self.live
            .load()
            .as_ref()
            .map_or(0, |leash| leash.gate.queued())
    }

    pub fn capacity(&self) -> usize {
        self.live
            .load()
            .as_ref()
            .map_or(0, |leash| leash.gate.capacity())
    }

    /// How long the handler at work has been running.
    pub fn busy(&self) -> Option<Duration> {
        self.live
            .load()
            .as_ref()
            .and_then(|leash| leash.pulse.busy())
    }

    /// The mail at work.
    pub fn current(&self) -> Option<&'static str> {
        let live = self.live.load();
        let pulse = &live.as_ref()?.pulse;
        pulse.busy().map(|_| pulse.current())
    }

    pub fn started_at_ms(&self) -> Option<i64> {
        Some(self.started_at_ms.load(Relaxed)).filter(|at| *at != 0)
    }

    /// When a parked or pausing actor is tried again.
    pub fn until_ms(&self) -> Option<i64> {
        Some(self.until_ms.load(Relaxed)).filter(|at| *at != 0)
    }

    pub fn note(&self) -> Option<Arc<str>> {
        self.note
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub fn last_exit(&self) -> Option<Arc<str>> {
        let last = self
            .last_exit
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|exit| Arc::clone(&exit.text))
    }

    /// The crash record of the last exit.
    pub fn crash(&self) -> Option<CrashId> {
        let last = self
            .last_exit
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        last.as_ref().and_then(|exit| exit.crash.clone())
    }

    // What follows is for the runtime. A writer names its generation: an abandoned incarnation no longer speaks for the path.

    pub(crate) fn begin(&self, leash: &Arc<Leash>, now_ms: i64) {
        if self.generation.swap(leash.generation, Relaxed) != 0 {
            self.restarts.fetch_add(1, Relaxed);
        }
        self.health.store(Health::Ok as u8, Relaxed);
        self.until_ms.store(0, Relaxed);
        self.started_at_ms.store(now_ms, Relaxed);
        self.live.store(Some(Arc::clone(leash)));
        self.set_note(leash.generation, None);
        self.state.store(State::Starting as u8, Relaxed);
    }

    /// The incarnation is over; its counters go with it.
    pub(crate) fn end(&self, generation: u64) {
        if self.generation() == generation {
            self.live.store(None);
        }
    }

    pub(crate) fn handled_one(&self) {
        self.handled.fetch_add(1, Relaxed);
    }

    pub(crate) fn stalled_once(&self) {
        self.stalls.fetch_add(1, Relaxed);
    }

    pub(crate) fn refused_one(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Forgets the restarts: the next incarnation is a first one.
    pub(crate) fn renew(&self) {
        self.generation.store(0, Relaxed);
        self.restarts.store(0, Relaxed);
        self.suspects.pardon();
        self.live.store(None);
        self.set_state(State::Absent, None);
    }

    pub(crate) fn set_state(&self, state: State, until_ms: Option<i64>) {
        self.until_ms.store(until_ms.unwrap_or(0), Relaxed);
        self.state.store(state as u8, Relaxed);
    }

    pub(crate) fn set_health(&self, generation: u64, health: Health) -> bool {
        self.generation() == generation && self.health.swap(health as u8, Relaxed) != health as u8
    }

    pub(crate) fn set_note(&self, generation: u64, note: Option<Arc<str>>) -> bool {
        if self.generation() != generation {
            return false;
        }
        let mut current = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = *current != note;
        *current = note;
        changed
    }

    pub(crate) fn set_last_exit(&self, exit: &Exit) {
        let last = LastExit {
            text: exit.to_string().into(),
            crash: exit.crash().cloned(),
        };
        *self
            .last_exit
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(last);
    }
}
