//! Forgetting: rows over their time are found by a reader and removed in small transactions.

use super::{mismatched, now_ms};
use crate::Ledger;
use crate::apply::IDEM_TTL_MS;
use crate::codec::{self, Stored};
use crate::error::LedgerError;
use crate::op::{Op, Prune, Receipt};
use crate::table::TableId;

const DAY_MS: i64 = 24 * 3600 * 1000;
/// Platforms repeat an update for a day or two at most; a week leaves room for a long outage.
const SEEN_MS: i64 = 7 * DAY_MS;
/// Answered and sent rows are kept for questions about last week.
const ENDED_MS: i64 = 7 * DAY_MS;
/// Dead letters wait longer: somebody has to look at them.
const DEAD_MS: i64 = 30 * DAY_MS;

/// Rows looked at in one read.
const LOOK: usize = 2048;
/// Rows removed in one write, so that a message never waits long behind it.
const CUT: usize = 256;

impl Ledger {
    /// Removes what is over its time: dedupe keys (7 days), idempotency answers (24 hours), answered and
    /// sent rows (7 days), dead letters (30 days). Returns how many rows went.
    pub async fn prune(&self) -> Result<u64, LedgerError> {
        self.prune_at(now_ms()).await
    }

    pub(crate) async fn prune_at(&self, now_ms: i64) -> Result<u64, LedgerError> {
        let mut gone = 0;
        for table in [
            TableId::Seen,
            TableId::Idem,
            TableId::Inbox,
            TableId::Outbox,
        ] {
            let mut from = Vec::new();
            while let Some((keys, next)) = self.over(table, from, now_ms)? {
                from = next;
                for keys in keys.chunks(CUT) {
                    let mut prune = Prune {
                        seen_before: now_ms - SEEN_MS,
                        idem_before: now_ms - IDEM_TTL_MS,
                        ended_before: now_ms - ENDED_MS,
                        dead_before: now_ms - DEAD_MS,
                        ..Prune::default()
                    };
                    match table {
                        TableId::Seen => prune.seen = keys.to_vec(),
                        TableId::Idem => prune.idem = keys.to_vec(),
                        TableId::Inbox => prune.inbox = keys.to_vec(),
                        _ => prune.outbox = keys.to_vec(),
                    }
                    match self.submit(Op::Prune(Box::new(prune))).await? {
                        Receipt::Number(removed) => gone += removed,
                        _ => return Err(mismatched("prune")),
                    }
                }
            }
        }
        Ok(gone)
    }

    /// Keys that may be over their time among the next rows of a table, and where to go on.
    #[expect(clippy::type_complexity, reason = "one private step of the loop above")]
    fn over(
        &self,
        table: TableId,
        from: Vec<u8>,
        now_ms: i64,
    ) -> Result<Option<(Vec<Vec<u8>>, Vec<u8>)>, LedgerError> {
        let mut keys = Vec::new();
        let mut last = None;
        let mut looked = 0;
        self.store.look(&mut |view| {
            view.scan(table, &from, &[0xff], &mut |row_key, value| {
                if is_over(table, value, now_ms) {
                    keys.push(row_key.to_vec());
                }
                looked += 1;
                last = (looked == LOOK).then(|| row_key.to_vec());
                looked < LOOK
            })
        })?;
        if looked == 0 {
            return Ok(None);
        }
        // The smallest key after the last one seen; past the end, a read that finds nothing.
        let next = last.map_or_else(
            || vec![0xff],
            |mut last: Vec<u8>| {
                last.push(0);
                last
            },
        );
        Ok(Some((keys, next)))
    }
}

fn is_over(table: TableId, value: &[u8], now_ms: i64) -> bool {
    match table {
        TableId::Seen | TableId::Idem => {
            let ttl = if table == TableId::Seen {
                SEEN_MS
            } else {
                IDEM_TTL_MS
            };
            codec::unseal_at(table, value).map_or(true, |(at, _)| at < now_ms - ttl)
        }
        _ => Stored::read(table, value).is_ok_and(|row| row.head.changed_at < now_ms - ENDED_MS),
    }
}
