//! What the world hears of a run while it runs.
//!
//! Publishing is a plain call that never waits: whoever listens keeps its own bounded queue. A
//! [`Feed`] numbers the events of one run and closes with its terminal event, so nothing can follow
//! an end, whichever task still had something to say.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use openclaw_protocol::AgentId;
use openclaw_protocol::Message;
use openclaw_protocol::RunId;
use openclaw_protocol::SessionKey;
use openclaw_protocol::StopReason;
use openclaw_protocol::Usage;
use openclaw_runtime::memory::Share;
use serde_json::Value;

/// Takes the events of all sessions. Must not block and must not fail.
pub trait Events: Send + Sync {
    /// Hands over one event.
    fn publish(&self, event: SessionEvent);
}

/// One event of one run.
#[derive(Debug, Clone)]
pub struct SessionEvent {
    /// The session.
    pub session: SessionKey,
    /// The session's current id.
    pub session_id: Option<Arc<str>>,
    /// The run.
    pub run_id: RunId,
    /// The agent that answers.
    pub agent: AgentId,
    /// From 1, without gaps, over all events of the run.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum What {
    /// The run began, ended or broke.
    Lifecycle(Phase),
    /// The answer grew.
    Assistant {
        /// The current message so far; begins anew with each message of the run.
        text: Arc<str>,
        /// What is new since the last event.
        delta: Arc<str>,
    },
    /// The reasoning grew.
    Thinking {
        /// The reasoning so far.
        text: Arc<str>,
        /// What is new since the last event.
        delta: Arc<str>,
    },
    /// A tool began or ended.
    Tool(ToolEvent),
    /// Terminal: the run is answered, and the answer is on disk.
    Final {
        /// None for a silent answer.
        message: Option<Message>,
        /// Of all calls of the run.
        usage: Option<Usage>,
        /// Why the last answer ended.
        stop_reason: StopReason,
        /// Which model answered, as `provider/model`.
        model: String,
    },
    /// Terminal: the run failed; the text is for people.
    Failed {
        /// What failed, why, and what mends it.
        message: String,
    },
    /// Terminal: somebody ended the run.
    Aborted {
        /// `rpc`, `stop`, `timeout`, …
        reason: &'static str,
        /// What had been said.
        partial: Option<Message>,
    },
}

/// A run's beginning and end.
#[derive(Debug, Clone)]
pub enum Phase {
    /// It began.
    Start {
        /// When, in milliseconds since 1970.
        started_at_ms: i64,
    },
    /// It ended.
    End {
        /// Whether somebody ended it.
        aborted: bool,
    },
    /// It broke.
    Error(String),
}

/// A tool at work.
#[derive(Debug, Clone)]
pub enum ToolEvent {
    /// It begins.
    Start {
        /// The call's id.
        id: String,
        /// The tool.
        name: String,
        /// Its arguments.
        args: Value,
    },
    /// It ended.
    Result {
        /// The call's id.
        id: String,
        /// The tool.
        name: String,
        /// What came out.
        result: Value,
        /// Whether it failed.
        is_error: bool,
    },
}

impl What {
    /// Whether the run is over with it.
    pub fn is_terminal(&self) -> bool {
        matches!(
            self,
            Self::Final { .. } | Self::Failed { .. } | Self::Aborted { .. }
        )
    }
}

/// Numbers and publishes the events of one run.
pub struct Feed {
    sink: Arc<dyn Events>,
    session: SessionKey,
    agent: AgentId,
    run_id: RunId,
    state: Mutex<FeedState>,
}

#[derive(Default)]
struct FeedState {
    seq: u64,
    begun: bool,
    closed: bool,
    session_id: Option<Arc<str>>,
    text: Arc<str>,
    /// The memory of the answers of this run, until it is over.
    kept: Vec<Share>,
}

impl Feed {
    /// The feed of a run that has said nothing yet.
    pub fn new(sink: Arc<dyn Events>, session: SessionKey, run_id: RunId) -> Self {
        Self {
            sink,
            agent: session.agent(),
            session,
            run_id,
            state: Mutex::new(FeedState::default()),
        }
    }

    /// The run.
    pub fn run_id(&self) -> &RunId {
        &self.run_id
    }

    /// Publishes the start, once over all attempts of the run.
    pub fn begin(&self, session_id: &str) {
        {
            let mut state = self.lock();
            state.session_id = Some(session_id.into());
            if std::mem::replace(&mut state.begun, true) {
                return;
            }
        }
        self.publish(What::Lifecycle(Phase::Start {
            started_at_ms: now_ms(),
        }));
    }

    /// The answer so far; kept for an abort.
    pub fn text(&self) -> Arc<str> {
        self.lock().text.clone()
    }

    /// Forgets the answer so far: a new message begins.
    pub fn new_message(&self) {
        self.lock().text = Arc::from("");
    }

    /// Counts the memory of an answer until the run is over.
    pub(crate) fn keep(&self, mut share: Share) {
        share.settle();
        let mut state = self.lock();
        if !state.closed {
            state.kept.push(share);
        }
    }

    /// Publishes one event; drops it when the run is over.
    pub fn publish(&self, what: What) {
        // The lock is held over the call so that numbers and order agree; the sink never blocks.
        let mut state = self.lock();
        if state.closed {
            return;
        }
        if let What::Assistant { text, .. } = &what {
            state.text = text.clone();
        }
        state.closed = what.is_terminal();
        state.seq += 1;
        self.sink.publish(SessionEvent {
            session: self.session.clone(),
            session_id: state.session_id.clone(),
            run_id: self.run_id.clone(),
            agent: self.agent.clone(),
            seq: state.seq,
            at_ms: now_ms(),
            what,
        });
        if state.closed {
            state.text = Arc::from("");
            state.kept = Vec::new();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, FeedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed")
            .field("session", &self.session)
            .field("run_id", &self.run_id)
            .finish_non_exhaustive()
    }
}

/// The wall clock, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0))
}
