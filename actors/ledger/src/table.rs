//! The tables, and what `apply` needs of a store.

use crate::error::Stop;

/// One table. Keys and values are bytes; a value starts with its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TableId {
    /// magic, layout version, boot epoch
    Meta,
    /// (session, seq) → message, state, attempts
    Inbox,
    /// (session, seq) → state; the rows of `Inbox` that are not ended
    InboxOpen,
    /// (source, source id) → (time, session, seq)
    Seen,
    /// (session, n) → (time, number of the next row, message); what was said and not to the agent
    Heard,
    /// account → platform offset
    Cursor,
    /// (scope, client key) → (time, answer)
    Idem,
    /// (session, turn, k) → intent, result
    Step,
    /// (session id, n) → transcript line
    Transcript,
    /// session key → its entry of sessions.json
    Session,
    /// (account, seq) → message, state, attempts, times
    Outbox,
    /// (account, seq) → state, times, lane; the rows of `Outbox` that are not ended
    OutboxOpen,
    /// (kind, key) → nothing; rows that ended dead or unknown
    Dead,
    /// (time, session, turn, call) → tokens
    Usage,
    /// (session, turn, call) → what is kept back for a call that is being made
    Held,
    /// scope → (time, what it has spent); only of scopes that a budget binds
    Spent,
    /// n → crash record
    Crash,
    /// n → hash, what was done; each hash is made over the one before
    Audit,
}

impl TableId {
    pub(crate) const ALL: [Self; 18] = [
        Self::Meta,
        Self::Inbox,
        Self::InboxOpen,
        Self::Seen,
        Self::Heard,
        Self::Cursor,
        Self::Idem,
        Self::Step,
        Self::Transcript,
        Self::Session,
        Self::Outbox,
        Self::OutboxOpen,
        Self::Dead,
        Self::Usage,
        Self::Held,
        Self::Spent,
        Self::Crash,
        Self::Audit,
    ];

    pub(crate) const COUNT: usize = Self::ALL.len();

    pub(crate) fn index(self) -> usize {
        self as usize
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Inbox => "inbox",
            Self::InboxOpen => "inbox_open",
            Self::Seen => "inbox_seen",
            Self::Heard => "inbox_heard",
            Self::Cursor => "cursor",
            Self::Idem => "idem",
            Self::Step => "step",
            Self::Transcript => "transcript",
            Self::Session => "session",
            Self::Outbox => "outbox",
            Self::OutboxOpen => "outbox_open",
            Self::Dead => "dead",
            Self::Usage => "usage",
            Self::Held => "held",
            Self::Spent => "spent",
            Self::Crash => "crash",
            Self::Audit => "audit",
        }
    }
}

/// Called for each row of a scan; false ends it.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> bool;

/// A consistent state of the tables.
pub(crate) trait View {
    fn get(&mut self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, Stop>;

    /// Visits the rows of `[from, until)` in order.
    fn scan(
        &mut self,
        table: TableId,
        from: &[u8],
        until: &[u8],
        visit: Visit<'_>,
    ) -> Result<(), Stop>;

    /// The last key of `[from, until)`.
    fn last_key(
        &mut self,
        table: TableId,
        from: &[u8],
        until: &[u8],
    ) -> Result<Option<Vec<u8>>, Stop>;
}

/// A transaction in progress.
pub(crate) trait Tables: View {
    fn put(&mut self, table: TableId, key: &[u8], value: &[u8]) -> Result<(), Stop>;

    fn remove(&mut self, table: TableId, key: &[u8]) -> Result<(), Stop>;

    /// Counts that become true with the transaction.
    fn tally(&mut self) -> &mut crate::stats::Tally;
}
