//! The rows of the ledger as the rest of the house sees them.

mod audit;
mod budget;
mod crash;
mod inbox;
mod outbox;
mod story;
mod turn;
mod usage;

pub use audit::{AuditCheck, AuditEntry, AuditFilter, AuditProblem, AuditRow};
pub use budget::{Limit, Owner, Reservation, Reserved, Scope, Shortage, Spent, micro_usd};
pub use crash::CrashRow;
pub use inbox::{
    Accepted, Appended, InboundBatch, InboxFilter, InboxKey, InboxRow, InboxState, NewInbound,
    Notice, Overheard,
};
pub use outbox::{
    Lane, NewOutbound, OutboxFilter, OutboxKey, OutboxRow, OutboxState, UnknownAction,
    UnknownPolicy,
};
pub use story::{Move, RowId, Story, Trace};
pub use turn::{
    Committed, MAX_ATTEMPTS, Recovery, StepIntent, StepRow, TranscriptEdit, TurnCommit, TurnNo,
    TurnOutcome, TurnStart,
};
pub use usage::{Purpose, UsageRow, UsageSum, UsageSums};

pub(crate) use inbox::InboxBody;
pub(crate) use outbox::{OutboxBody, OutboxNote};
pub(crate) use turn::{EndNote, StepBody};
