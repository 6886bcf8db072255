//! The verbs: what the house asks of the ledger. Each resolves when it is durable.

mod audit;
mod inbox;
mod outbox;
pub(crate) mod prune;
mod session;
mod spend;
mod turn;

pub use self::audit::audit_hash;

use std::time::{SystemTime, UNIX_EPOCH};

use crate::Ledger;
use crate::codec::{self, NEVER};
use crate::error::LedgerError;
use crate::op::{Fence, Op, OutboxInsert, Receipt, Write};
use crate::room::Room;
use crate::row::{CrashRow, Lane, NewOutbound, OutboxBody, Recovery, UnknownPolicy};

/// Messages of all sessions that may wait for an answer. Above it the senders keep what they have: a platform
/// repeats it, a client is told. Far above what a household writes in a day without answers.
const MOST_WAITING: u64 = 100_000;

/// Wall-clock time of a row; for people and for time limits, never for order.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(NEVER)
}

fn mismatched(verb: &'static str) -> LedgerError {
    LedgerError::Mismatched { verb }
}

fn outbox_insert(row: NewOutbound, at_ms: i64) -> Result<OutboxInsert, LedgerError> {
    let NewOutbound {
        account,
        route,
        payload,
        session,
        turn,
        idem_key,
        expires_at_ms,
        notice,
    } = row;
    let lane = Lane::of(&route).0;
    let created_at_ms = at_ms;
    let body = OutboxBody {
        route,
        payload,
        session,
        turn,
        idem_key,
        notice,
        created_at_ms,
    };
    let expires_at = expires_at_ms.unwrap_or(NEVER);
    Ok(OutboxInsert {
        account,
        lane,
        at_ms,
        expires_at,
        body: codec::body(&body)?,
    })
}

impl Ledger {
    pub(crate) async fn submit(&self, op: Op) -> Result<Receipt, LedgerError> {
        if self.store.room().is_some_and(Room::is_full) && op.can_wait() {
            return Err(LedgerError::DiskFull);
        }
        let waiting = self.store.stats().waiting();
        if waiting >= MOST_WAITING && op.is_intake() {
            return Err(LedgerError::Crowded { waiting });
        }
        let fence = Fence::constant(op.shard());
        self.store.submit(Write { fence, op }).await
    }

    /// Takes what the last process had in hand out of its hands; before anything else is done at boot.
    pub async fn recover(&self, policy: UnknownPolicy) -> Result<Recovery, LedgerError> {
        match self
            .submit(Op::Recover {
                policy,
                now_ms: now_ms(),
            })
            .await?
        {
            Receipt::Recovered(recovery) => Ok(recovery),
            _ => Err(mismatched("recover")),
        }
    }

    /// Puts a crash record into the ring.
    pub async fn put_crash(&self, row: CrashRow) -> Result<(), LedgerError> {
        self.submit(Op::PutCrash(codec::body(&row)?))
            .await
            .map(drop)
    }
}
