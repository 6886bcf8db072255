//! The frames that wait to be written to one socket: bounded, and nobody ever waits to add one.
//!
//! When the bound is reached, deltas go first (the next one carries the whole text again), then
//! what only matters when fresh (ticks, presence). When nothing is left to drop, the socket is a
//! slow consumer and is closed; what it missed can be read back from the history.
//!
//! Text is shared: an event is rendered once for all sockets. Of the deltas of a stream, which each carry the whole
//! text so far, a socket that is behind holds only the newest.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use openclaw_runtime::memory;
use tokio::sync::Notify;

pub use self::payload::Payload;
pub use self::payload::quoted;

use self::frame::Frame;
use self::frame::Pieces;
use super::websocket;
use super::websocket::close;

mod frame;
mod payload;
#[cfg(test)]
mod tests;

/// Frames that may wait: about two seconds of a fast model's tokens.
pub const FRAMES: usize = 256;

/// Beyond this many waiting frames no further request is read from the socket, so that a client
/// which sends many requests at once is slowed down and not thrown out.
pub const READ_PAUSE: usize = 96;

/// Frames encoded into one write.
const BATCH: usize = 64;

/// Text taken for one write; a longer frame is taken alone.
const BATCH_BYTES: usize = 256 * 1024;

/// Frames at leisure that may gather before they are written without being asked for.
const COMPANY: usize = 64;

/// A socket with more text waiting is behind: older deltas of a stream make room for the newest.
const BEHIND: usize = 256 * 1024;

/// May an event be left out for a socket that can't keep up?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// No: the socket is closed rather than left with a hole.
    Never,
    /// Yes, it is stale soon anyway.
    Stale,
    /// Yes, if the next delta of the stream then carries the whole text.
    Delta {
        /// The run.
        run: Arc<str>,
        /// What of it: its answer, its reasoning.
        stream: &'static str,
    },
}

/// An event ready to be written; the same value serves every socket of one protocol version.
#[derive(Debug)]
pub struct Event {
    /// The event's name.
    pub name: &'static str,
    /// The payload as JSON.
    pub payload: Payload,
    /// The payload for a socket that missed a delta, as JSON.
    pub whole: Option<Payload>,
    /// The counters of presence and health.
    pub state_version: Option<(u64, u64)>,
    /// What may happen when the socket is slow.
    pub loss: Loss,
}

impl Event {
    /// An event that must arrive.
    pub fn new(name: &'static str, payload: impl Into<Payload>) -> Self {
        Self {
            name,
            payload: payload.into(),
            whole: None,
            state_version: None,
            loss: Loss::Never,
        }
    }

    /// The payload as a socket gets it.
    fn shown(&self, is_whole: bool) -> &Payload {
        match &self.whole {
            Some(whole) if is_whole => whole,
            _ => &self.payload,
        }
    }
}

/// How the event is numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// Not at all.
    Unnumbered,
    /// With this number (protocol 3: one counter for all sockets).
    Global(u64),
    /// With the socket's own next number (protocol 4).
    Own,
}

/// How soon a frame is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Now.
    AtOnce,
    /// With others that come soon: when [`Outbound::flush`] is called, when a frame that can't wait comes, or when
    /// enough wait.
    AtLeisure,
}

/// Why and how the gateway closes a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goodbye {
    /// The close code; `None` ends the connection without a close reason (code 1000, empty).
    pub code: u16,
    /// The reason, cut at 123 bytes when written.
    pub reason: String,
}

impl Goodbye {
    /// A goodbye with a reason.
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { code, reason }
    }
}

/// The queue of one socket.
#[derive(Debug)]
pub struct Outbound {
    state: Mutex<State>,
    added: Notify,
    max_bytes: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Frame>,
    bytes: usize,
    seq: u64,
    /// Runs of which a delta was left out.
    lagging: Vec<Arc<str>>,
    goodbye: Option<Goodbye>,
    is_slow: bool,
    dropped: u64,
}

/// What the writer does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Write these bytes.
    Write(Vec<Bytes>),
    /// Write these bytes, which end with a close frame, and end.
    End(Vec<Bytes>),
}

impl Outbound {
    /// An empty queue that holds at most `max_bytes` of text.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            added: Notify::new(),
            max_bytes: AtomicUsize::new(max_bytes),
        }
    }

    /// Sets the bound on waiting text.
    pub fn set_max_bytes(&self, max_bytes: usize) {
        self.max_bytes.store(max_bytes, Ordering::Relaxed);
    }

    /// Queues a response, which is never dropped.
    pub fn respond(&self, text: impl Into<Payload>) {
        self.push(Frame::Response(text.into()), &Loss::Never);
    }

    /// Queues an event that is written now.
    pub fn event(&self, event: &Arc<Event>, numbering: Numbering) {
        self.event_at(event, numbering, Pace::AtOnce);
    }

    /// Queues an event.
    pub fn event_at(&self, event: &Arc<Event>, numbering: Numbering, pace: Pace) {
        let mut state = self.lock();
        let seq = match numbering {
            Numbering::Unnumbered => None,
            Numbering::Global(seq) => Some(seq),
            Numbering::Own => {
                // Counted even if the event is then dropped: the client sees the hole.
                state.seq += 1;
                Some(state.seq)
            }
        };
        if state.bytes > BEHIND {
            state.leave_out_older(event);
        }
        let mut is_whole = false;
        if let Loss::Delta { run, .. } = &event.loss
            && event.whole.is_some()
            && let Some(at) = state.lagging.iter().position(|lagging| lagging == run)
        {
            state.lagging.swap_remove(at);
            is_whole = true;
        }
        let event = Arc::clone(event);
        let loss = event.loss.clone();
        let frame = Frame::Event {
            event,
            seq,
            is_whole,
        };
        self.add(state, frame, &loss, pace);
    }

    /// Lets what waits at leisure be written.
    pub fn flush(&self) {
        if !self.is_empty() {
            self.added.notify_one();
        }
    }

    /// Leaves a delta out, for which there was no room in the house; the next one carries the whole text.
    pub fn miss(&self, run: &Arc<str>, numbering: Numbering) {
        let mut state = self.lock();
        if numbering == Numbering::Own {
            state.seq += 1;
        }
        state.dropped += 1;
        state.lag(run);
    }

    /// Queues a ping.
    pub fn ping(&self) {
        self.push(Frame::Ping, &Loss::Stale);
    }

    /// Queues the answer to a ping.
    pub fn pong(&self, payload: Bytes) {
        self.push(Frame::Pong(payload), &Loss::Stale);
    }

    /// Ends the socket once what is queued is written. The first goodbye counts.
    pub fn close(&self, goodbye: Goodbye) {
        let mut state = self.lock();
        state.goodbye.get_or_insert(goodbye);
        drop(state);
        self.added.notify_one();
    }

    /// The goodbye, once there is one.
    pub fn goodbye(&self) -> Option<Goodbye> {
        self.lock().goodbye.clone()
    }

    /// Tells whether the socket was thrown out for being slow.
    pub fn is_slow(&self) -> bool {
        self.lock().is_slow
    }

    /// Frames that wait.
    pub fn len(&self) -> usize {
        self.lock().frames.len()
    }

    /// Tells whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Events left out so far.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Waits for something to write. Cancel-safe: nothing is taken before it returns.
    pub async fn next(&self) -> Step {
        loop {
            // Registered before the look, so that nothing added in between is missed.
            let added = self.added.notified();
            if let Some(step) = self.take() {
                return step;
            }
            added.await;
        }
    }

    /// Takes what is there to write, if anything is.
    pub fn take(&self) -> Option<Step> {
        let mut state = self.lock();
        if state.is_slow {
            state.frames.clear();
        }
        let mut taken = 0;
        let mut out = Pieces::default();
        for _ in 0..BATCH {
            let Some(frame) = state.frames.front() else {
                break;
            };
            let size = frame.size();
            if taken > 0 && taken + size > BATCH_BYTES {
                break;
            }
            taken += size;
            if let Some(frame) = state.frames.pop_front() {
                frame.write(&mut out);
            }
        }
        state.bytes -= taken.min(state.bytes);
        let is_last = state.frames.is_empty();
        if is_last {
            // An idle socket holds no queue.
            state.frames = VecDeque::new();
        }
        let goodbye = state.goodbye.clone().filter(|_| is_last);
        drop(state);
        let Some(goodbye) = goodbye else {
            let pieces = out.finish();
            return (!pieces.is_empty()).then_some(Step::Write(pieces));
        };
        websocket::write_close(&mut out.open, goodbye.code, &goodbye.reason);
        Some(Step::End(out.finish()))
    }

    fn push(&self, frame: Frame, loss: &Loss) {
        let state = self.lock();
        self.add(state, frame, loss, Pace::AtOnce);
    }

    fn add(
        &self,
        mut state: std::sync::MutexGuard<'_, State>,
        frame: Frame,
        loss: &Loss,
        pace: Pace,
    ) {
        if state.goodbye.is_some() {
            return;
        }
        let size = frame.size();
        let max_bytes = self.max_bytes.load(Ordering::Relaxed);
        // A socket may always have its part of the memory, and more while there is more.
        let is_too_much = |waiting: usize| {
            waiting + size > max_bytes || (waiting > memory::PART && memory::HOUSE.is_full())
        };
        while state.frames.len() >= FRAMES || is_too_much(state.bytes) {
            if !state.drop_one() {
                if *loss == Loss::Never {
                    state.is_slow = true;
                    state.goodbye = Some(Goodbye::new(close::POLICY, "slow consumer"));
                } else {
                    state.leave_out(&frame);
                }
                drop(state);
                self.added.notify_one();
                return;
            }
        }
        state.bytes += size;
        state.frames.push_back(frame);
        let may_wait =
            pace == Pace::AtLeisure && state.frames.len() < COMPANY && state.bytes < BATCH_BYTES;
        drop(state);
        if !may_wait {
            self.added.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Leaves out the oldest delta, else the oldest stale event.
    fn drop_one(&mut self) -> bool {
        let is_delta = |frame: &Frame| matches!(frame.loss(), Loss::Delta { .. });
        let is_stale = |frame: &Frame| *frame.loss() == Loss::Stale;
        let at = self.frames.iter().position(is_delta);
        let at = at.or_else(|| self.frames.iter().position(is_stale));
        let Some(frame) = at.and_then(|at| self.frames.remove(at)) else {
            return false;
        };
        self.bytes -= frame.size().min(self.bytes);
        self.leave_out(&frame);
        true
    }

    fn leave_out(&mut self, frame: &Frame) {
        self.dropped += 1;
        if let Loss::Delta { run, .. } = frame.loss() {
            self.lag(run);
        }
    }

    fn lag(&mut self, run: &Arc<str>) {
        if !self.lagging.contains(run) {
            self.lagging.push(Arc::clone(run));
        }
    }

    /// Leaves out what waits of the same stream: this delta says all of it again.
    fn leave_out_older(&mut self, event: &Event) {
        let Loss::Delta { run, .. } = &event.loss else {
            return;
        };
        let (mut bytes, mut left_out) = (0, 0);
        self.frames.retain(|frame| {
            let is_older = matches!(frame, Frame::Event { event: older, .. }
                if older.name == event.name && older.loss == event.loss);
            if is_older {
                bytes += frame.size();
                left_out += 1;
            }
            !is_older
        });
        self.bytes -= bytes.min(self.bytes);
        self.dropped += left_out;
        if left_out > 0 && event.whole.is_some() {
            self.lag(run);
        }
    }
}
