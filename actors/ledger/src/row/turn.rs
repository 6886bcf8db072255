//! Turns, their steps and their one commit.

use std::fmt;

use openclaw_protocol::key::{AccountKey, SessionKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{InboxRow, NewInbound, NewOutbound, OutboxKey, UsageRow};

/// Attempts after which a row is a poison message. Three survive any ordinary mishap, a fourth would
/// only repeat it.
pub const MAX_ATTEMPTS: u32 = 3;

/// Number of a turn within its session; equal to the `seq` of the inbox row that it answers.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TurnNo(pub u64);

impl fmt::Display for TurnNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A turn that this caller now runs.
#[derive(Debug, Clone)]
pub struct TurnStart {
    pub turn: TurnNo,
    /// 1 for the first try.
    pub attempt: u32,
    pub row: InboxRow,
    /// Rows that this turn answers besides its own, oldest first: taken with it, or joined to an earlier attempt.
    pub with: Vec<InboxRow>,
    /// What earlier attempts did, in order.
    pub steps: Vec<StepRow>,
    /// True past [`MAX_ATTEMPTS`]: end it as dead, do not run it.
    pub exhausted: bool,
}

/// A step about to be taken; on disk before its effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepIntent {
    /// "tool", "model", …
    pub kind: String,
    pub name: String,
    pub arguments: Value,
    /// True if taking it twice is the same as once.
    pub idempotent: bool,
}

/// A step of a turn; without a result its outcome is unknown.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRow {
    pub k: u32,
    pub intent: StepIntent,
    pub result: Option<Value>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StepBody {
    pub(crate) intent: StepIntent,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<Value>,
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TurnOutcome {
    Done,
    Failed {
        reason: String,
    },
    Aborted,
    /// A poison message: set aside, visible among the dead letters.
    Dead {
        reason: String,
        crash: Option<String>,
    },
}

/// Why a row did not end well; stored behind it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct EndNote {
    pub(crate) reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) crash: Option<String>,
}

/// Everything that becomes true when a turn ends; one transaction.
#[derive(Debug, Clone)]
pub struct TurnCommit {
    pub session: SessionKey,
    pub turn: TurnNo,
    /// Rows that end with the turn's own: those it was begun with, and those that joined it. Where it ends as dead,
    /// they wait again instead, each for a turn of its own.
    pub with: Vec<u64>,
    pub outcome: TurnOutcome,
    pub session_id: String,
    /// Lines to append to the transcript of `session_id`.
    pub entries: Vec<Value>,
    /// Keys to set in the session's entry of sessions.json (`null` removes one); the others stay.
    pub entry: Option<Value>,
    pub outbox: Vec<NewOutbound>,
    /// Of the calls whose usage is not written down yet.
    pub usage: Vec<UsageRow>,
    /// What other sessions are told of its end; each of it comes in once.
    pub tell: Vec<NewInbound>,
    /// Everything that was heard before the row of this number stands in `entries` and is forgotten.
    pub heard: Option<u64>,
}

/// What a turn's commit left for others to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// Accounts that have new mail in their outbox, each once.
    pub outbox_accounts: Vec<AccountKey>,
    /// Number of the first transcript line written.
    pub first_entry: u64,
}

/// What happens to a transcript when its session's entry is put.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum TranscriptEdit {
    #[default]
    Keep,
    /// Forget these rows (reset, delete; the JSONL file is archived by its owner).
    Drop { session_id: String },
    /// Put these lines in place of all (compaction, repair).
    Replace {
        session_id: String,
        entries: Vec<Value>,
    },
}

/// What recovery found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// How often this ledger has been opened for work.
    pub epoch: u64,
    /// Sessions with something to answer.
    pub sessions: Vec<SessionKey>,
    /// How many turns were running.
    pub interrupted: usize,
    /// Accounts with something to send.
    pub accounts: Vec<AccountKey>,
    /// Sends whose outcome nobody knows, kept as `unknown`.
    pub held: Vec<OutboxKey>,
    /// Sends whose outcome nobody knows, queued again by policy.
    pub resent: Vec<OutboxKey>,
}
