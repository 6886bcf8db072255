//! What came in and has to be answered.

use std::fmt;

use openclaw_protocol::key::{RunId, SessionKey};
use openclaw_protocol::message::{Inbound, Route};
use serde::{Deserialize, Serialize};

use super::NewOutbound;

/// A message that is about to enter the ledger.
#[derive(Debug, Clone)]
pub struct NewInbound {
    pub session: SessionKey,
    /// Scope of the dedupe key: "telegram/home", "cron", "cli".
    pub source: String,
    /// The source's own id of this message; a second one with the same id is dropped.
    pub source_id: String,
    pub run_id: RunId,
    pub body: Inbound,
    /// Where the answer goes; none for callers that read it from the event stream.
    pub reply: Option<Route>,
    pub received_at_ms: i64,
    pub traceparent: Option<String>,
}

/// What became of one row of `append_inbound`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    pub session: SessionKey,
    pub seq: u64,
    /// False for a twin of a row that is already here.
    pub fresh: bool,
    /// A dead letter at once: the session has as many messages waiting as it may.
    pub crowded: bool,
}

/// A message to a person that belongs to an inbound event which becomes no turn (a pairing code).
#[derive(Debug, Clone)]
pub struct Notice {
    pub source: String,
    pub source_id: String,
    pub at_ms: i64,
    pub outbound: NewOutbound,
}

/// A message that was not for the agent: it becomes no turn, and the next turn of its session may see it.
#[derive(Debug, Clone)]
pub struct Overheard {
    pub row: NewInbound,
    /// How many rows of its batch came before it.
    pub after: usize,
    /// How many of its session are kept, at least 1.
    pub keep: u64,
}

/// Everything one poll brought: written, with the cursor, in one transaction.
#[derive(Debug, Clone, Default)]
pub struct InboundBatch {
    pub rows: Vec<NewInbound>,
    pub heard: Vec<Overheard>,
    pub notices: Vec<Notice>,
    /// Account and the platform's offset that acknowledges all of the above.
    pub cursor: Option<(String, String)>,
}

/// The answer of `accept`.
#[derive(Debug, Clone, PartialEq)]
pub enum Accepted {
    Fresh(u64),
    /// The same key was accepted before; this is what was answered then.
    Repeat(serde_json::Value),
}

/// The life of an inbox row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InboxState {
    Pending,
    Running,
    /// Was running when its process or actor ended; the next `begin_turn` resumes it.
    Interrupted,
    Done,
    Failed,
    Aborted,
    Dead,
    /// Was dead until a person put it away; the end.
    Dropped,
}

impl InboxState {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Dead => "dead",
            Self::Dropped => "dropped",
        }
    }

    /// True while the row still has to be answered.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Running | Self::Interrupted)
    }

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Running => 1,
            Self::Interrupted => 2,
            Self::Done => 3,
            Self::Failed => 4,
            Self::Aborted => 5,
            Self::Dead => 6,
            Self::Dropped => 7,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Pending,
            1 => Self::Running,
            2 => Self::Interrupted,
            3 => Self::Done,
            4 => Self::Failed,
            5 => Self::Aborted,
            6 => Self::Dead,
            7 => Self::Dropped,
            _ => return None,
        })
    }
}

/// Names one row of the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InboxKey {
    pub session: SessionKey,
    pub seq: u64,
}

impl InboxKey {
    #[must_use]
    pub fn new(session: &SessionKey, seq: u64) -> Self {
        let session = session.clone();
        Self { session, seq }
    }
}

impl fmt::Display for InboxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.session, self.seq)
    }
}

/// A stored inbox row.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InboxRow {
    pub session: SessionKey,
    pub seq: u64,
    pub state: InboxState,
    /// How often a turn was begun for it.
    pub attempts: u32,
    pub changed_at_ms: i64,
    pub source: String,
    pub source_id: String,
    pub run_id: RunId,
    pub body: Inbound,
    pub reply: Option<Route>,
    pub received_at_ms: i64,
    pub traceparent: Option<String>,
    /// Why it failed or died.
    pub reason: Option<String>,
    pub crash: Option<String>,
}

/// The part of an inbox row that never changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct InboxBody {
    pub(crate) source: String,
    pub(crate) source_id: String,
    pub(crate) run_id: RunId,
    pub(crate) body: Inbound,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reply: Option<Route>,
    pub(crate) received_at_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) traceparent: Option<String>,
}

/// Which inbox rows to list.
#[derive(Debug, Clone, Default)]
pub struct InboxFilter {
    pub session: Option<SessionKey>,
    pub state: Option<InboxState>,
    /// Only rows that still have to be answered: reads the index, not the table.
    pub open_only: bool,
    /// At most this many (0 = 1000).
    pub limit: usize,
}
