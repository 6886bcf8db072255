//! One budget of restarts for the whole tree: when very many children fall at once, they come back in a stream and not in a burst that
//! takes the machine from those who still stand.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Restarts that may follow each other without any pause.
const BURST: u64 = 100;

/// The pace after that: 200 a second, a few percent of a small machine's time.
const EACH_NS: u64 = 5_000_000;

/// The bucket, kept as the moment it will be full again. Time is passed in.
#[derive(Debug, Default)]
pub(crate) struct Storm {
    full_at_ns: AtomicU64,
}

impl Storm {
    /// How much later than it would a restart has to be that is decided now.
    pub(crate) fn delay(&self, now_ns: u64) -> Duration {
        let ahead = self.full_at_ns.load(Relaxed).saturating_sub(now_ns);
        Duration::from_nanos((ahead + EACH_NS).saturating_sub(BURST * EACH_NS))
    }

    /// Counts a restart. Two supervisors at the same moment may take one token for two, which does no harm.
    pub(crate) fn take(&self, now_ns: u64) {
        let full_at = self.full_at_ns.load(Relaxed).max(now_ns);
        self.full_at_ns.store(full_at + EACH_NS, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_what_follows_is_spread() {
        let storm = Storm::default();
        let now = 1_000_000_000;
        for _ in 0..BURST {
            assert_eq!(storm.delay(now), Duration::ZERO);
            storm.take(now);
        }
        // Each further one a step later than the one before.
        for n in 1..=300 {
            assert_eq!(storm.delay(now), Duration::from_nanos(EACH_NS) * n);
            storm.take(now);
        }
        let later = now + (BURST + 300) * EACH_NS;
        assert_eq!(storm.delay(later), Duration::ZERO, "it fills up again");
    }
}
