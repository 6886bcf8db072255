//! Forgetting: rows over their time or past their number are found by a reader and removed in small transactions.

use serde::Deserialize;

use super::{mismatched, now_ms};
use crate::Ledger;
use crate::apply::{IDEM_TTL_MS, is_dead};
use crate::codec::{self, Stored};
use crate::error::LedgerError;
use crate::key;
use crate::op::{Op, Prune, Receipt};
use crate::table::TableId;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Rows looked at in one read.
const LOOK: usize = 2048;
/// Rows removed in one write, so that a message never waits long behind it.
const CUT: usize = 256;

/// How long and how many rows of a kind are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keep {
    pub(crate) for_ms: i64,
    pub(crate) most: usize,
}

impl Keep {
    const fn days(days: i64, most: usize) -> Self {
        let for_ms = days * DAY_MS;
        Self { for_ms, most }
    }
}

/// What is kept of each table. The numbers hold a year of a busy household in some hundred MiB; the times are those
/// that matter in ordinary life.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Platforms repeat an update for a day or two at most; a week leaves room for a long outage.
    pub(crate) seen: Keep,
    pub(crate) idem: Keep,
    /// What a group said a week ago explains nothing that is asked today.
    pub(crate) heard: Keep,
    /// Answered and sent rows, with their moves, for questions about last week.
    pub(crate) ended: Keep,
    /// Dead letters wait longer: somebody has to look at them.
    pub(crate) dead: Keep,
    /// A year of costs, and the month before it to compare with.
    pub(crate) usage: Keep,
    /// What a scope has spent counts on its day; a run may be taken up days later.
    pub(crate) spent: Keep,
    /// The ring bounds their number.
    pub(crate) crash: Keep,
}

impl Limits {
    pub(crate) const DEFAULT: Self = Self {
        seen: Keep::days(7, 200_000),
        idem: Keep {
            for_ms: IDEM_TTL_MS,
            most: 100_000,
        },
        heard: Keep::days(7, 20_000),
        ended: Keep::days(7, 100_000),
        dead: Keep::days(30, 10_000),
        usage: Keep::days(400, 200_000),
        spent: Keep::days(7, 100_000),
        crash: Keep::days(90, 1_000),
    };

    fn of(&self, table: TableId) -> Keep {
        match table {
            TableId::Seen => self.seen,
            TableId::Idem => self.idem,
            TableId::Heard => self.heard,
            TableId::Usage => self.usage,
            TableId::Spent => self.spent,
            TableId::Crash => self.crash,
            _ => self.ended,
        }
    }
}

/// Tables that are pruned.
const PRUNED: [TableId; 8] = [
    TableId::Seen,
    TableId::Idem,
    TableId::Heard,
    TableId::Inbox,
    TableId::Outbox,
    TableId::Usage,
    TableId::Spent,
    TableId::Crash,
];

/// What may go: rows older than these.
#[derive(Debug, Clone, Copy)]
struct Cutoff {
    before: i64,
    dead_before: i64,
}

/// The age of a row that may go.
enum Aged {
    Ended(i64),
    Dead(i64),
}

impl Ledger {
    /// Removes what is over its time or past its number: dedupe keys (7 days), idempotency answers (24 hours),
    /// what was heard, answered and sent rows (7 days), dead letters (30 days), usage (400 days), crash records (90 days). Returns how
    /// many rows went.
    pub async fn prune(&self) -> Result<u64, LedgerError> {
        self.prune_at(now_ms()).await
    }

    pub(crate) async fn prune_at(&self, now_ms: i64) -> Result<u64, LedgerError> {
        self.prune_to(now_ms, &Limits::DEFAULT).await
    }

    pub(crate) async fn prune_to(&self, now_ms: i64, limits: &Limits) -> Result<u64, LedgerError> {
        let mut gone = 0;
        for table in PRUNED {
            let cutoff = self.cutoff(table, now_ms, limits)?;
            let mut from = Vec::new();
            loop {
                let mut keys = Vec::new();
                let next = self.page(table, &from, &mut |row_key, aged| {
                    let is_over = match aged {
                        Aged::Ended(at) => at < cutoff.before,
                        Aged::Dead(at) => at < cutoff.dead_before,
                    };
                    if is_over {
                        keys.push(row_key.to_vec());
                    }
                })?;
                for keys in keys.chunks(CUT) {
                    gone += self.cut(table, keys.to_vec(), cutoff).await?;
                }
                let Some(next) = next else {
                    break;
                };
                from = next;
            }
        }
        Ok(gone)
    }

    async fn cut(
        &self,
        table: TableId,
        keys: Vec<Vec<u8>>,
        cutoff: Cutoff,
    ) -> Result<u64, LedgerError> {
        let prune = Prune {
            table,
            keys,
            before: cutoff.before,
            dead_before: cutoff.dead_before,
        };
        match self.submit(Op::Prune(Box::new(prune))).await? {
            Receipt::Number(removed) => Ok(removed),
            _ => Err(mismatched("prune")),
        }
    }

    /// The age from which rows of a table go: by time, or earlier when there are too many.
    fn cutoff(&self, table: TableId, now_ms: i64, limits: &Limits) -> Result<Cutoff, LedgerError> {
        let (mut ended, mut dead) = (Vec::new(), Vec::new());
        let mut from = Vec::new();
        while let Some(next) = self.page(table, &from, &mut |_, aged| match aged {
            Aged::Ended(at) => ended.push(at),
            Aged::Dead(at) => dead.push(at),
        })? {
            from = next;
        }
        Ok(Cutoff {
            before: oldest_kept(&mut ended, limits.of(table), now_ms),
            dead_before: oldest_kept(&mut dead, limits.dead, now_ms),
        })
    }

    /// Visits the next rows of a table that may go at all, in a read of its own; the key to go on from, if there are
    /// more.
    fn page(
        &self,
        table: TableId,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], Aged),
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        let mut looked = 0;
        let mut next = None;
        self.store.look(&mut |view| {
            view.scan(table, from, &[0xff], &mut |row_key, value| {
                if looked == LOOK {
                    next = Some(row_key.to_vec());
                    return false;
                }
                looked += 1;
                if let Some(aged) = age(table, row_key, value) {
                    visit(row_key, aged);
                }
                true
            })
        })?;
        Ok(next)
    }
}

fn oldest_kept(times: &mut [i64], keep: Keep, now_ms: i64) -> i64 {
    let by_time = now_ms.saturating_sub(keep.for_ms);
    match times.len().checked_sub(keep.most) {
        None | Some(0) => by_time,
        Some(too_many) => {
            let (_, oldest, _) = times.select_nth_unstable(too_many);
            by_time.max(*oldest)
        }
    }
}

/// Since when a row could go; none for one that somebody still works on. What cannot be read is as old as can be,
/// where it only remembers.
fn age(table: TableId, row_key: &[u8], value: &[u8]) -> Option<Aged> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Crashed {
        at_ms: i64,
    }
    match table {
        TableId::Seen | TableId::Idem | TableId::Heard | TableId::Spent => Some(Aged::Ended(
            codec::unseal_at(table, value).map_or(i64::MIN, |(at, _)| at),
        )),
        TableId::Usage => Some(Aged::Ended(key::first_time(row_key).unwrap_or(i64::MIN))),
        TableId::Crash => {
            let row = codec::unseal(table, value).and_then(|row| codec::parse(table, row));
            Some(Aged::Ended(row.map_or(i64::MIN, |row: Crashed| row.at_ms)))
        }
        _ => {
            let stored = Stored::read(table, value).ok()?;
            let at = stored.head.changed_at;
            match is_dead(table, stored.head.state)? {
                true => Some(Aged::Dead(at)),
                false => Some(Aged::Ended(at)),
            }
        }
    }
}
