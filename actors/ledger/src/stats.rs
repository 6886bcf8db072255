//! What the ledger counts: read from atomics, so it answers even while the disk hangs.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::codec::{self, Record};
use crate::error::Stop;
use crate::row::{InboxState, OutboxState};
use crate::session_writes::SessionWrites;
use crate::table::{TableId, View};

/// Rows by state, and rows that ended since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    InboxPending,
    InboxRunning,
    InboxInterrupted,
    InboxDead,
    TurnsEnded,
    OutboxPrepared,
    OutboxAttempting,
    OutboxUnknown,
    OutboxDead,
    Sent,
}

impl Count {
    const LEN: usize = 10;

    pub(crate) fn inbox(state: InboxState) -> Option<Self> {
        match state {
            InboxState::Pending => Some(Self::InboxPending),
            InboxState::Running => Some(Self::InboxRunning),
            InboxState::Interrupted => Some(Self::InboxInterrupted),
            InboxState::Dead => Some(Self::InboxDead),
            InboxState::Done | InboxState::Failed | InboxState::Aborted | InboxState::Dropped => {
                None
            }
        }
    }

    pub(crate) fn outbox(state: OutboxState) -> Option<Self> {
        Some(match state {
            OutboxState::Prepared => Self::OutboxPrepared,
            OutboxState::Attempting => Self::OutboxAttempting,
            OutboxState::Sent => Self::Sent,
            OutboxState::Unknown => Self::OutboxUnknown,
            OutboxState::Dead => Self::OutboxDead,
            OutboxState::Dropped => return None,
        })
    }
}

/// Changes of the counts by one transaction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    counts: [i64; Count::LEN],
    /// The keys of the entries that were written or taken out.
    sessions: Vec<Vec<u8>>,
}

impl Tally {
    /// A row of a table was written or taken out.
    pub(crate) fn wrote(&mut self, table: TableId, key: &[u8]) {
        if table == TableId::Session {
            self.sessions.push(key.to_vec());
        }
    }

    pub(crate) fn add(&mut self, count: Count, by: i64) {
        if let Some(place) = self.counts.get_mut(count as usize) {
            *place += by;
        }
    }

    pub(crate) fn inbox(&mut self, from: Option<InboxState>, to: Option<InboxState>) {
        for (state, by) in [(from, -1), (to, 1)] {
            if let Some(count) = state.and_then(Count::inbox) {
                self.add(count, by);
            }
        }
    }

    pub(crate) fn outbox(&mut self, from: Option<OutboxState>, to: Option<OutboxState>) {
        for (state, by) in [(from, -1), (to, 1)] {
            match state {
                Some(OutboxState::Sent) if by < 0 => {}
                Some(state) => {
                    if let Some(count) = Count::outbox(state) {
                        self.add(count, by);
                    }
                }
                None => {}
            }
        }
    }
}

/// Counts what a store holds: its indexes, not its tables.
pub(crate) fn count(view: &mut dyn View, tally: &mut Tally) -> Result<(), Stop> {
    view.scan(TableId::InboxOpen, &[], &[0xff], &mut |_, value| {
        let head = codec::index(TableId::InboxOpen, value).ok();
        tally.inbox(
            None,
            head.and_then(|head| InboxState::from_code(head.state)),
        );
        true
    })?;
    view.scan(TableId::OutboxOpen, &[], &[0xff], &mut |_, value| {
        let head = codec::index(TableId::OutboxOpen, value).ok();
        tally.outbox(
            None,
            head.and_then(|head| OutboxState::from_code(head.state)),
        );
        true
    })?;
    let mut outbox = Vec::new();
    view.scan(TableId::Dead, &[], &[0xff], &mut |key, _| {
        match key.split_first() {
            Some((b'i', _)) => tally.inbox(None, Some(InboxState::Dead)),
            Some((_, row_key)) => outbox.push(row_key.to_vec()),
            None => {}
        }
        true
    })?;
    for row_key in outbox {
        let record = view.get(TableId::Outbox, &row_key)?;
        let record = record.and_then(|value| Record::decode(TableId::Outbox, &value).ok());
        tally.outbox(
            None,
            record.and_then(|record| OutboxState::from_code(record.head.state)),
        );
    }
    Ok(())
}

/// Buckets of the commit histogram: powers of two in µs, each in four parts.
const BUCKETS: usize = 26 * 4;

/// The shared counters of one ledger.
#[derive(Debug)]
pub(crate) struct Stats {
    counts: [AtomicI64; Count::LEN],
    sessions: Mutex<SessionWrites>,
    commits: AtomicU64,
    ops: AtomicU64,
    rows: AtomicU64,
    bytes: AtomicU64,
    rejects: AtomicU64,
    batch_last: AtomicU64,
    batch_max: AtomicU64,
    commit_us: AtomicU64,
    histogram: [AtomicU64; BUCKETS],
    born: Instant,
    /// µs since `born` at which the batch in progress began; 0 = none.
    busy_since: AtomicU64,
}

impl Stats {
    pub(crate) fn new() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicI64::new(0)),
            sessions: Mutex::default(),
            commits: AtomicU64::new(0),
            ops: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            rejects: AtomicU64::new(0),
            batch_last: AtomicU64::new(0),
            batch_max: AtomicU64::new(0),
            commit_us: AtomicU64::new(0),
            histogram: std::array::from_fn(|_| AtomicU64::new(0)),
            born: Instant::now(),
            busy_since: AtomicU64::new(0),
        }
    }

    /// Counts what a transaction changed, once readers see it.
    pub(crate) fn apply(&self, tally: &Tally) {
        for (count, change) in self.counts.iter().zip(tally.counts) {
            if change != 0 {
                count.fetch_add(change, Relaxed);
            }
        }
        if !tally.sessions.is_empty() {
            self.session_writes().add(&tally.sessions);
        }
    }

    /// The writes to the table of sessions. Whoever looked at their number before the table and finds it unchanged
    /// later would read the same again.
    pub(crate) fn session_writes(&self) -> MutexGuard<'_, SessionWrites> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch has been taken from the queue.
    pub(crate) fn begin(&self) {
        self.busy_since
            .store(micros(self.born.elapsed()).max(1), Relaxed);
    }

    /// Its writes are done.
    pub(crate) fn end(&self, ops: usize) {
        self.busy_since.store(0, Relaxed);
        self.batch_last.store(ops as u64, Relaxed);
        self.batch_max.fetch_max(ops as u64, Relaxed);
        self.ops.fetch_add(ops as u64, Relaxed);
    }

    pub(crate) fn committed(&self, rows: u64, bytes: u64, took: Duration) {
        let took = micros(took);
        self.commits.fetch_add(1, Relaxed);
        self.rows.fetch_add(rows, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        self.commit_us.fetch_add(took, Relaxed);
        if let Some(bucket) = self.histogram.get(bucket_of(took)) {
            bucket.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn rejected(&self) {
        self.rejects.fetch_add(1, Relaxed);
    }

    /// How long the batch in progress has taken so far.
    pub(crate) fn busy_for(&self) -> Option<Duration> {
        let since = self.busy_since.load(Relaxed);
        (since != 0).then(|| {
            self.born
                .elapsed()
                .saturating_sub(Duration::from_micros(since))
        })
    }

    fn count(&self, count: Count) -> u64 {
        let value = self
            .counts
            .get(count as usize)
            .map_or(0, |count| count.load(Relaxed));
        u64::try_from(value).unwrap_or(0)
    }

    /// Messages that came in and are not answered yet.
    pub(crate) fn waiting(&self) -> u64 {
        self.count(Count::InboxPending) + self.count(Count::InboxInterrupted)
    }

    pub(crate) fn snapshot(&self) -> LedgerStats {
        let commits = self.commits.load(Relaxed);
        let histogram: Vec<u64> = self
            .histogram
            .iter()
            .map(|bucket| bucket.load(Relaxed))
            .collect();
        LedgerStats {
            inbox_pending: self.count(Count::InboxPending),
            inbox_running: self.count(Count::InboxRunning),
            inbox_interrupted: self.count(Count::InboxInterrupted),
            inbox_dead: self.count(Count::InboxDead),
            turns_ended: self.count(Count::TurnsEnded),
            outbox_prepared: self.count(Count::OutboxPrepared),
            outbox_attempting: self.count(Count::OutboxAttempting),
            outbox_unknown: self.count(Count::OutboxUnknown),
            outbox_dead: self.count(Count::OutboxDead),
            sent: self.count(Count::Sent),
            commits,
            ops: self.ops.load(Relaxed),
            rows: self.rows.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            rejects: self.rejects.load(Relaxed),
            batch_last: self.batch_last.load(Relaxed),
            batch_max: self.batch_max.load(Relaxed),
            commit_us_sum: self.commit_us.load(Relaxed),
            commit_p50_us: quantile(&histogram, 0.50),
            commit_p99_us: quantile(&histogram, 0.99),
            busy_ms: self.busy_for().map_or(0, |busy| micros(busy) / 1000),
            queue: 0,
            failed: None,
            disk_full: false,
            disk_free: None,
        }
    }

    /// `(upper bound in µs, commits at or below it)`, growing; for a Prometheus histogram.
    pub(crate) fn commit_histogram(&self) -> Vec<(u64, u64)> {
        let mut below = 0;
        let mut out = Vec::new();
        for (index, bucket) in self.histogram.iter().enumerate() {
            below += bucket.load(Relaxed);
            if index % 4 == 3 {
                out.push((bound_of(index), below));
            }
        }
        out
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn bucket_of(us: u64) -> usize {
    let us = us.max(1);
    let power = us.ilog2() as usize;
    let part = if power >= 2 {
        (us >> (power - 2)) & 3
    } else {
        (us << (2 - power)) & 3
    };
    (power * 4 + usize::try_from(part).unwrap_or(0)).min(BUCKETS - 1)
}

/// The largest µs that falls into a bucket.
fn bound_of(bucket: usize) -> u64 {
    let (power, part) = (bucket / 4, (bucket % 4) as u64);
    ((4 + part + 1) << power).div_ceil(4) - 1
}

fn quantile(histogram: &[u64], q: f64) -> u64 {
    let total: u64 = histogram.iter().sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 ≤ q ≤ 1"
    )]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rank need not be exact past 2^52"
    )]
    let rank = (total as f64 * q).ceil() as u64;
    let mut below = 0;
    for (index, count) in histogram.iter().enumerate() {
        below += count;
        if *count > 0 && below >= rank {
            return bound_of(index);
        }
    }
    0
}

/// The ledger in numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerStats {
    pub inbox_pending: u64,
    pub inbox_running: u64,
    pub inbox_interrupted: u64,
    pub inbox_dead: u64,
    /// Turns that ended in any way since the start.
    pub turns_ended: u64,
    pub outbox_prepared: u64,
    pub outbox_attempting: u64,
    pub outbox_unknown: u64,
    pub outbox_dead: u64,
    /// Messages marked as sent since the start.
    pub sent: u64,
    pub commits: u64,
    pub ops: u64,
    pub rows: u64,
    pub bytes: u64,
    pub rejects: u64,
    pub batch_last: u64,
    pub batch_max: u64,
    pub commit_us_sum: u64,
    pub commit_p50_us: u64,
    pub commit_p99_us: u64,
    /// How long the batch in progress has taken so far; past 5 s the disk hangs.
    pub busy_ms: u64,
    /// Writes waiting for the next batch.
    pub queue: u64,
    /// Why nothing is written any more.
    pub failed: Option<String>,
    /// New work is refused until there is room on the disk.
    pub disk_full: bool,
    /// Bytes free on the disk when last looked.
    pub disk_free: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_within_its_bucket() {
        for us in (1..5000).chain([10_000, 65_535, 65_536, 1_000_000, 33_000_000]) {
            let bucket = bucket_of(us);
            assert!(us <= bound_of(bucket), "{us} above bucket {bucket}");
            assert!(
                bucket == 0 || us > bound_of(bucket - 1),
                "{us} below bucket {bucket}"
            );
        }
    }

    #[test]
    fn quantiles_come_from_the_histogram() {
        let stats = Stats::new();
        for us in 1..=100 {
            stats.committed(1, 10, Duration::from_micros(us));
        }
        let seen = stats.snapshot();
        assert!(
            (48..=60).contains(&seen.commit_p50_us),
            "{}",
            seen.commit_p50_us
        );
        assert!(
            (96..=112).contains(&seen.commit_p99_us),
            "{}",
            seen.commit_p99_us
        );
        assert_eq!((seen.commits, seen.rows, seen.bytes), (100, 100, 1000));
    }
}
