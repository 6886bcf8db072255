//! The writes of the ledger, as a closed set of values.
//!
//! A verb encodes the rows it brings, so that the one journal thread only moves bytes.

use openclaw_protocol::key::{AccountKey, SessionKey};
use serde_json::Value;

use crate::row::{
    Appended, Committed, InboxState, OutboxKey, OutboxState, Recovery, Reservation, Reserved,
    UnknownAction, UnknownPolicy, UsageRow,
};
use crate::table::TableId;

/// Who may write a shard. On one machine the epoch is always 0; a cluster's lease raises it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fence {
    pub(crate) shard: u8,
    pub(crate) epoch: u64,
}

impl Fence {
    /// The fence of everything on one machine.
    pub(crate) fn constant(shard: u8) -> Self {
        Self { shard, epoch: 0 }
    }
}

/// A write and the right to make it.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) fence: Fence,
    pub(crate) op: Op,
}

#[derive(Debug)]
pub(crate) struct InboxInsert {
    pub(crate) session: SessionKey,
    pub(crate) source: String,
    pub(crate) source_id: String,
    pub(crate) at_ms: i64,
    pub(crate) body: Vec<u8>,
}

/// A message that becomes no turn by itself.
#[derive(Debug)]
pub(crate) struct HeardInsert {
    pub(crate) row: InboxInsert,
    /// How many rows of its batch came before it.
    pub(crate) after: usize,
    /// How many of its session are kept.
    pub(crate) keep: u64,
}

#[derive(Debug)]
pub(crate) struct OutboxInsert {
    pub(crate) account: AccountKey,
    pub(crate) lane: u64,
    pub(crate) at_ms: i64,
    pub(crate) expires_at: i64,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct NoticeInsert {
    pub(crate) source: String,
    pub(crate) source_id: String,
    pub(crate) at_ms: i64,
    pub(crate) row: OutboxInsert,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) scope: String,
    pub(crate) key: String,
    pub(crate) at_ms: i64,
    pub(crate) response: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct TurnEnd {
    pub(crate) session: SessionKey,
    pub(crate) turn: u64,
    /// Rows that end with it.
    pub(crate) with: Vec<u64>,
    pub(crate) state: InboxState,
    pub(crate) note: Vec<u8>,
    /// What the row's history says of it.
    pub(crate) why: String,
    pub(crate) session_id: String,
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) entry: Option<Value>,
    pub(crate) outbox: Vec<OutboxInsert>,
    pub(crate) usage: Vec<Call>,
    /// What other sessions are told of it.
    pub(crate) tell: Vec<InboxInsert>,
    /// What was heard before the row of this number is in the transcript now.
    pub(crate) heard: Option<u64>,
    pub(crate) now_ms: i64,
}

/// A call that is over, with its row as it is stored.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) row: UsageRow,
    pub(crate) body: Vec<u8>,
}

/// How a session's entry changes.
#[derive(Debug)]
pub(crate) enum EntryEdit {
    Keep,
    Put(Value),
    /// Top-level keys replace; `null` removes.
    Merge(Value),
    Remove,
}

#[derive(Debug)]
pub(crate) enum LinesEdit {
    Keep,
    Drop {
        session_id: String,
    },
    Replace {
        session_id: String,
        lines: Vec<Vec<u8>>,
    },
    Append {
        session_id: String,
        lines: Vec<Vec<u8>>,
    },
}

/// What becomes of a claimed outbox row.
#[derive(Debug)]
pub(crate) enum Mark {
    Sent,
    Retry {
        not_before: i64,
    },
    Dead,
    Unknown,
    /// Back to `prepared` as if it had not been claimed.
    Release,
    /// A person wants it sent again.
    Requeue,
    /// A person wants it gone from the dead letters, for good.
    Drop,
}

impl Mark {
    pub(crate) fn target(&self) -> OutboxState {
        match self {
            Self::Sent => OutboxState::Sent,
            Self::Retry { .. } | Self::Release | Self::Requeue => OutboxState::Prepared,
            Self::Dead => OutboxState::Dead,
            Self::Unknown => OutboxState::Unknown,
            Self::Drop => OutboxState::Dropped,
        }
    }
}

/// Keys of one table that a reader found to be over their time; each is checked again before it goes.
#[derive(Debug)]
pub(crate) struct Prune {
    pub(crate) table: TableId,
    pub(crate) keys: Vec<Vec<u8>>,
    pub(crate) before: i64,
    pub(crate) dead_before: i64,
}

#[derive(Debug)]
pub(crate) enum Op {
    AppendInbound {
        rows: Vec<InboxInsert>,
        heard: Vec<HeardInsert>,
        notices: Vec<NoticeInsert>,
        cursor: Option<(String, String)>,
    },
    Accept {
        row: InboxInsert,
        answer: Answer,
    },
    Remember(Answer),
    BeginTurn {
        session: SessionKey,
        /// Waiting rows that the same turn answers.
        with: Vec<u64>,
        now_ms: i64,
    },
    JoinTurn {
        session: SessionKey,
        turn: u64,
        k: u32,
        rows: Vec<u64>,
        /// The step as it is stored: what the turn took in.
        step: Vec<u8>,
        now_ms: i64,
    },
    ReleaseTurn {
        session: SessionKey,
        turn: u64,
        now_ms: i64,
    },
    StepIntent {
        session: SessionKey,
        turn: u64,
        k: u32,
        intent: Value,
        audit: Option<Vec<u8>>,
    },
    StepResult {
        session: SessionKey,
        turn: u64,
        k: u32,
        result: Value,
        audit: Option<Vec<u8>>,
    },
    CommitTurn(Box<TurnEnd>),
    Reserve(Box<Reservation>),
    Spend(Vec<Call>),
    RetryInbound {
        session: SessionKey,
        seq: u64,
        by: String,
        now_ms: i64,
    },
    DropInbound {
        session: SessionKey,
        seq: u64,
        by: String,
        now_ms: i64,
    },
    EditSession {
        session: SessionKey,
        entry: EntryEdit,
        lines: LinesEdit,
    },
    Enqueue(Vec<OutboxInsert>),
    ClaimOutbox {
        account: AccountKey,
        now_ms: i64,
        max: usize,
        busy: Vec<u64>,
    },
    Mark {
        key: OutboxKey,
        mark: Mark,
        note: Vec<u8>,
        why: String,
        now_ms: i64,
    },
    Recover {
        policy: UnknownPolicy,
        now_ms: i64,
    },
    RecoverSession {
        session: SessionKey,
        now_ms: i64,
    },
    RecoverAccount {
        account: AccountKey,
        action: UnknownAction,
        now_ms: i64,
    },
    PutCrash(Vec<u8>),
    Audit(Vec<u8>),
    Prune(Box<Prune>),
}

macro_rules! kinds {
    ($($pattern:pat => $kind:literal),* $(,)?) => {
        impl Op {
            /// Its name in statistics and in the fault points of the journal thread.
            pub(crate) fn kind(&self) -> &'static str {
                match self { $($pattern => $kind),* }
            }

            pub(crate) fn fault_before(&self) -> &'static str {
                match self { $($pattern => concat!("ledger.before_commit.", $kind)),* }
            }

            pub(crate) fn fault_after(&self) -> &'static str {
                match self { $($pattern => concat!("ledger.after_commit.", $kind)),* }
            }
        }
    };
}

kinds! {
    Self::AppendInbound { .. } => "append_inbound",
    Self::Accept { .. } => "accept",
    Self::Remember(_) => "remember",
    Self::BeginTurn { .. } => "begin_turn",
    Self::JoinTurn { .. } => "join_turn",
    Self::ReleaseTurn { .. } => "release_turn",
    Self::StepIntent { .. } => "step_intent",
    Self::StepResult { .. } => "step_result",
    Self::CommitTurn(_) => "commit_turn",
    Self::Reserve(_) => "reserve",
    Self::Spend(_) => "spend",
    Self::RetryInbound { .. } => "retry_inbound",
    Self::DropInbound { .. } => "drop_inbound",
    Self::EditSession { .. } => "edit_session",
    Self::Enqueue(_) => "enqueue",
    Self::ClaimOutbox { .. } => "claim_outbox",
    Self::Mark { mark: Mark::Sent, .. } => "mark_sent",
    Self::Mark { mark: Mark::Retry { .. }, .. } => "mark_retry",
    Self::Mark { mark: Mark::Dead, .. } => "mark_dead",
    Self::Mark { mark: Mark::Unknown, .. } => "mark_unknown",
    Self::Mark { mark: Mark::Release, .. } => "release",
    Self::Mark { mark: Mark::Requeue, .. } => "requeue",
    Self::Mark { mark: Mark::Drop, .. } => "drop_outbound",
    Self::Recover { .. } => "recover",
    Self::RecoverSession { .. } => "recover_session",
    Self::RecoverAccount { .. } => "recover_account",
    Self::PutCrash(_) => "put_crash",
    Self::Audit(_) => "audit",
    Self::Prune(_) => "prune",
}

impl Op {
    /// Whether it brings work that its sender still has, and can bring again.
    pub(crate) fn is_intake(&self) -> bool {
        match self {
            Self::AppendInbound {
                rows,
                heard,
                notices,
                ..
            } => !rows.is_empty() || !heard.is_empty() || !notices.is_empty(),
            Self::Accept { .. } => true,
            _ => false,
        }
    }

    /// Whether it can be left out while the disk is full.
    pub(crate) fn can_wait(&self) -> bool {
        match self {
            Self::Enqueue(_) | Self::PutCrash(_) => true,
            Self::EditSession { lines, .. } => matches!(lines, LinesEdit::Append { .. }),
            _ => self.is_intake(),
        }
    }

    /// The shard that the write belongs to; what belongs to no session is in shard 0.
    pub(crate) fn shard(&self) -> u8 {
        match self {
            Self::Accept { row, .. } => row.session.shard(),
            Self::CommitTurn(end) => end.session.shard(),
            Self::BeginTurn { session, .. }
            | Self::JoinTurn { session, .. }
            | Self::ReleaseTurn { session, .. }
            | Self::StepIntent { session, .. }
            | Self::StepResult { session, .. }
            | Self::RetryInbound { session, .. }
            | Self::DropInbound { session, .. }
            | Self::EditSession { session, .. }
            | Self::RecoverSession { session, .. } => session.shard(),
            Self::AppendInbound { .. }
            | Self::Remember(_)
            | Self::Enqueue(_)
            | Self::ClaimOutbox { .. }
            | Self::Mark { .. }
            | Self::Recover { .. }
            | Self::RecoverAccount { .. }
            | Self::PutCrash(_)
            | Self::Audit(_)
            | Self::Reserve(_)
            | Self::Spend(_)
            | Self::Prune(_) => 0,
        }
    }
}

/// A turn as the tables hold it; decoded by the verb.
#[derive(Debug)]
pub(crate) struct RawTurn {
    pub(crate) seq: u64,
    pub(crate) row: crate::codec::Record,
    /// The rows that it answers besides its own.
    pub(crate) with: Vec<(u64, crate::codec::Record)>,
    pub(crate) steps: Vec<(u32, Vec<u8>)>,
}

#[derive(Debug)]
pub(crate) struct RawOutbound {
    pub(crate) seq: u64,
    pub(crate) row: crate::codec::Record,
}

/// What a write brought about.
#[derive(Debug)]
pub(crate) enum Receipt {
    Done,
    Appended(Vec<Appended>),
    Fresh(u64),
    Repeat(Vec<u8>),
    Turn(Option<Box<RawTurn>>),
    Committed(Committed),
    Reserved(Reserved),
    Claimed(Vec<RawOutbound>),
    Recovered(Recovery),
    Number(u64),
}
