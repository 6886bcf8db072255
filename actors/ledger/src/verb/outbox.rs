//! Verbs of what goes out.

use openclaw_protocol::key::AccountKey;

use super::{mismatched, now_ms, outbox_insert};
use crate::error::LedgerError;
use crate::op::{Mark, Op, Receipt};
use crate::row::{
    Committed, Lane, NewOutbound, OutboxKey, OutboxNote, OutboxRow, Recovery, UnknownAction,
};
use crate::{Ledger, codec, decode};

impl Ledger {
    /// Queues messages outside of a turn.
    pub async fn enqueue(&self, rows: Vec<NewOutbound>) -> Result<Committed, LedgerError> {
        let now_ms = now_ms();
        let rows = rows
            .into_iter()
            .map(|row| outbox_insert(row, now_ms))
            .collect::<Result<_, _>>()?;
        match self.submit(Op::Enqueue(rows)).await? {
            Receipt::Committed(committed) => Ok(committed),
            _ => Err(mismatched("enqueue")),
        }
    }

    /// Claims up to `max` rows that may be sent now: at most one per lane, none of the `busy` lanes,
    /// oldest first. Each is `attempting` on disk before this resolves.
    pub async fn claim_outbox(
        &self,
        account: &AccountKey,
        now_ms: i64,
        max: usize,
        busy: &[Lane],
    ) -> Result<Vec<OutboxRow>, LedgerError> {
        if max == 0 {
            return Ok(Vec::new());
        }
        let busy = busy.iter().map(|lane| lane.0).collect();
        let op = Op::ClaimOutbox {
            account: account.clone(),
            now_ms,
            max,
            busy,
        };
        let Receipt::Claimed(raw) = self.submit(op).await? else {
            return Err(mismatched("claim_outbox"));
        };
        let mut rows = Vec::with_capacity(raw.len());
        for raw in raw {
            match decode::outbox(account, &raw) {
                Ok(row) => rows.push(row),
                Err(error) => {
                    let key = OutboxKey {
                        account: account.clone(),
                        seq: raw.seq,
                    };
                    self.mark_dead(&key, &error.to_string()).await?;
                }
            }
        }
        Ok(rows)
    }

    /// The platform has it, under these ids.
    pub async fn mark_sent(&self, row: &OutboxKey, ids: Vec<String>) -> Result<(), LedgerError> {
        let note = OutboxNote { ids, error: None };
        self.mark(row, Mark::Sent, note, "the platform has it")
            .await
    }

    /// It was refused for now.
    pub async fn mark_retry(
        &self,
        row: &OutboxKey,
        not_before_ms: i64,
        error: &str,
    ) -> Result<(), LedgerError> {
        let mark = Mark::Retry {
            not_before: not_before_ms,
        };
        self.mark(row, mark, note(error), error).await
    }

    /// It was refused for good.
    pub async fn mark_dead(&self, row: &OutboxKey, reason: &str) -> Result<(), LedgerError> {
        self.mark(row, Mark::Dead, note(reason), reason).await
    }

    /// Nobody knows whether it arrived.
    pub async fn mark_unknown(&self, row: &OutboxKey, reason: &str) -> Result<(), LedgerError> {
        self.mark(row, Mark::Unknown, note(reason), reason).await
    }

    /// It was claimed but never handed over; the attempt does not count.
    pub async fn release(&self, row: &OutboxKey) -> Result<(), LedgerError> {
        let why = "given back before it was handed over";
        self.mark(row, Mark::Release, OutboxNote::default(), why)
            .await
    }

    /// A person wants a dead or unknown row sent (again): its attempts start anew, and it has no expiry.
    pub async fn requeue(&self, row: &OutboxKey, by: &str) -> Result<(), LedgerError> {
        let why = format!("retried by {by}");
        self.mark(row, Mark::Requeue, OutboxNote::default(), &why)
            .await
    }

    /// A person takes a dead or unknown row off the dead letters, for good.
    pub async fn drop_outbound(&self, row: &OutboxKey, by: &str) -> Result<(), LedgerError> {
        let why = format!("dropped by {by}");
        self.mark(row, Mark::Drop, OutboxNote::default(), &why)
            .await
    }

    async fn mark(
        &self,
        row: &OutboxKey,
        mark: Mark,
        note: OutboxNote,
        why: &str,
    ) -> Result<(), LedgerError> {
        let note = codec::body(&note)?;
        let op = Op::Mark {
            key: row.clone(),
            mark,
            note,
            why: why.to_owned(),
            now_ms: now_ms(),
        };
        self.submit(op).await.map(drop)
    }

    /// After the restart of one sender: what it had in hand follows the account's policy.
    pub async fn recover_account(
        &self,
        account: &AccountKey,
        action: UnknownAction,
    ) -> Result<Recovery, LedgerError> {
        let op = Op::RecoverAccount {
            account: account.clone(),
            action,
            now_ms: now_ms(),
        };
        match self.submit(op).await? {
            Receipt::Recovered(recovery) => Ok(recovery),
            _ => Err(mismatched("recover_account")),
        }
    }
}

fn note(error: &str) -> OutboxNote {
    OutboxNote {
        ids: Vec::new(),
        error: Some(error.to_owned()),
    }
}
