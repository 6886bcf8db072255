//! Verbs of what comes in.

use openclaw_protocol::key::SessionKey;
use serde_json::Value;

use super::{mismatched, now_ms, outbox_insert};
use crate::Ledger;
use crate::codec;
use crate::error::LedgerError;
use crate::op::{Answer, HeardInsert, InboxInsert, NoticeInsert, Op, Receipt};
use crate::row::{Accepted, Appended, InboundBatch, InboxBody, NewInbound};

pub(super) fn insert(row: NewInbound) -> Result<InboxInsert, LedgerError> {
    let NewInbound {
        session,
        source,
        source_id,
        run_id,
        body,
        reply,
        received_at_ms,
        traceparent,
    } = row;
    let body = InboxBody {
        source: source.clone(),
        source_id: source_id.clone(),
        run_id,
        body,
        reply,
        received_at_ms,
        traceparent,
    };
    let body = codec::body(&body)?;
    Ok(InboxInsert {
        session,
        source,
        source_id,
        at_ms: received_at_ms,
        body,
    })
}

impl Ledger {
    /// Writes what one poll brought, its dedupe keys and its cursor in one transaction.
    pub async fn append_inbound(
        &self,
        rows: Vec<NewInbound>,
        cursor: Option<(String, String)>,
    ) -> Result<Vec<Appended>, LedgerError> {
        self.append_batch(InboundBatch {
            rows,
            cursor,
            ..InboundBatch::default()
        })
        .await
    }

    /// `append_inbound`, with messages to people whose event becomes no turn (pairing codes): each goes
    /// out once however often the platform repeats the event.
    pub async fn append_batch(&self, batch: InboundBatch) -> Result<Vec<Appended>, LedgerError> {
        let rows = batch
            .rows
            .into_iter()
            .map(insert)
            .collect::<Result<_, _>>()?;
        let heard = batch
            .heard
            .into_iter()
            .map(|heard| {
                Ok(HeardInsert {
                    row: insert(heard.row)?,
                    after: heard.after,
                    keep: heard.keep,
                })
            })
            .collect::<Result<_, LedgerError>>()?;
        let notices = batch
            .notices
            .into_iter()
            .map(|notice| {
                Ok(NoticeInsert {
                    source: notice.source,
                    source_id: notice.source_id,
                    at_ms: notice.at_ms,
                    row: outbox_insert(notice.outbound, notice.at_ms)?,
                })
            })
            .collect::<Result<_, LedgerError>>()?;
        match self
            .submit(Op::AppendInbound {
                rows,
                heard,
                notices,
                cursor: batch.cursor,
            })
            .await?
        {
            Receipt::Appended(appended) => Ok(appended),
            _ => Err(mismatched("append_inbound")),
        }
    }

    /// Takes a client's message in and remembers the answer to its idempotency key, together.
    pub async fn accept(
        &self,
        row: NewInbound,
        scope: &str,
        key: &str,
        response: Value,
    ) -> Result<Accepted, LedgerError> {
        let answer = answer(scope, key, row.received_at_ms, &response)?;
        match self
            .submit(Op::Accept {
                row: insert(row)?,
                answer,
            })
            .await?
        {
            Receipt::Fresh(seq) => Ok(Accepted::Fresh(seq)),
            Receipt::Repeat(stored) => serde_json::from_slice(&stored)
                .map(Accepted::Repeat)
                .map_err(|error| LedgerError::Encode(error.to_string())),
            _ => Err(mismatched("accept")),
        }
    }

    /// Remembers the answer to an idempotency key for 24 hours.
    pub async fn remember(
        &self,
        scope: &str,
        key: &str,
        response: Value,
    ) -> Result<(), LedgerError> {
        let answer = answer(scope, key, now_ms(), &response)?;
        self.submit(Op::Remember(answer)).await.map(drop)
    }

    /// Queues a dead letter once more, as a new row whose number it returns.
    pub async fn retry_inbound(
        &self,
        session: &SessionKey,
        seq: u64,
        by: &str,
    ) -> Result<u64, LedgerError> {
        let op = Op::RetryInbound {
            session: session.clone(),
            seq,
            by: by.to_owned(),
            now_ms: now_ms(),
        };
        match self.submit(op).await? {
            Receipt::Number(seq) => Ok(seq),
            _ => Err(mismatched("retry_inbound")),
        }
    }

    /// Takes a row off the dead letters, for good.
    pub async fn drop_inbound(
        &self,
        session: &SessionKey,
        seq: u64,
        by: &str,
    ) -> Result<(), LedgerError> {
        let op = Op::DropInbound {
            session: session.clone(),
            seq,
            by: by.to_owned(),
            now_ms: now_ms(),
        };
        self.submit(op).await.map(drop)
    }
}

fn answer(scope: &str, key: &str, at_ms: i64, response: &Value) -> Result<Answer, LedgerError> {
    Ok(Answer {
        scope: scope.into(),
        key: key.into(),
        at_ms,
        response: codec::body(response)?,
    })
}
