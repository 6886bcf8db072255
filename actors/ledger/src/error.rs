//! What a ledger can refuse, and what it can fail at.

use std::path::PathBuf;

use crate::room::DISK_FULL;
use crate::row::{InboxState, OutboxState};

/// A write that was refused; the batch it rode in is unharmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reject {
    /// Another owner has this shard.
    #[error("the fence of shard {shard} is stale")]
    Fenced { shard: u8 },
    #[error("session {session} has no inbox row {turn}")]
    NoSuchTurn { session: String, turn: u64 },
    /// Somebody else ended the turn first; nothing of this commit was kept.
    #[error("turn {turn} of {session} is {}, not running", .state.as_str())]
    TurnNotRunning {
        session: String,
        turn: u64,
        state: InboxState,
    },
    #[error("turn {turn} of {session} has no step {k}")]
    NoSuchStep { session: String, turn: u64, k: u32 },
    #[error("step {k} of turn {turn} of {session} already has another intent")]
    StepConflict { session: String, turn: u64, k: u32 },
    #[error("{key} is {}: only a dead letter can be retried or dropped", .state.as_str())]
    WrongInboundState { key: String, state: InboxState },
    #[error("{waiting} messages already wait in {session}: send it again when some are answered")]
    SessionFull { session: String, waiting: u64 },
    #[error("outbox row {key} does not exist")]
    NoSuchOutbound { key: String },
    #[error("outbox row {key} is {}, so it cannot become {wanted}", .state.as_str())]
    WrongOutboundState {
        key: String,
        state: OutboxState,
        wanted: &'static str,
    },
    /// One stored value cannot be read; the others are unharmed.
    #[error("a row of table {table} cannot be read: {detail}")]
    Corrupt { table: &'static str, detail: String },
}

/// Why a verb of the ledger did not do what it says.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    #[error(transparent)]
    Rejected(#[from] Reject),
    #[error("the row cannot be encoded: {0}")]
    Encode(String),
    /// The journal thread has been closed in order (shutdown).
    #[error("the ledger is closed")]
    Closed,
    /// Little is free on the disk, so what brings new work is refused: nothing was stored, send it again later.
    #[error("{DISK_FULL}: nothing new is taken in until there is room; free some space (`df -h`)")]
    DiskFull,
    /// So much waits that no more is taken in for now.
    #[error(
        "{waiting} messages already wait for an answer: nothing new is taken in until there are fewer"
    )]
    Crowded { waiting: u64 },
    /// The first I/O error latches: nothing is written after it, and the process ends.
    #[error(
        "the ledger has stopped after an error: {reason}; check the disk (`df -h`, `dmesg`) and start the gateway again"
    )]
    Failed { reason: String },
    #[error("another gateway{} uses {}: see `openclaw gateway status`, end it with `openclaw gateway stop`", .pid.map(|p| format!(" (process {p})")).unwrap_or_default(), .path.display())]
    AlreadyOpen { path: PathBuf, pid: Option<u32> },
    #[error("{} is not a ledger of openclaw ({detail}); it was left untouched: move it away with `mv {} {}.foreign`", .path.display(), .path.display(), .path.display())]
    Foreign { path: PathBuf, detail: String },
    #[error("{} was written by a newer openclaw (layout {found}, this one reads up to {known}): start the newer binary, or another state folder with OPENCLAW_STATE_DIR", .path.display())]
    Newer {
        path: PathBuf,
        found: u32,
        known: u32,
    },
    #[error("the ledger {} cannot be opened: {detail}; check its owner and the free space (`ls -l {}`, `df -h {}`)", .path.display(), .path.display(), .path.display())]
    Open { path: PathBuf, detail: String },
    /// A receipt of another kind came back: a bug of this crate.
    #[error("the ledger answered {verb} with the receipt of another verb")]
    Mismatched { verb: &'static str },
}

impl LedgerError {
    /// True when a later try can succeed without anybody's help.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(self, Self::DiskFull | Self::Crowded { .. })
    }

    /// True when room on the disk is all that is missing.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::DiskFull => true,
            Self::Failed { reason } => reason.starts_with(DISK_FULL),
            Self::Open { detail, .. } => detail.starts_with(DISK_FULL),
            _ => false,
        }
    }

    /// The refusal inside, if it is one.
    #[must_use]
    pub fn reject(&self) -> Option<&Reject> {
        match self {
            Self::Rejected(reject) => Some(reject),
            _ => None,
        }
    }
}

/// Ends `apply`: a refusal concerns one write, a fault the whole store.
#[derive(Debug)]
pub(crate) enum Stop {
    Reject(Reject),
    Fault(String),
}

impl From<Reject> for Stop {
    fn from(reject: Reject) -> Self {
        Self::Reject(reject)
    }
}
