//! Pauses before restarts, and how many restarts are still normal. Pure: time and luck are passed in.

use std::collections::VecDeque;
use std::time::Duration;

use crate::supervision::spec::Backoff;
use crate::supervision::spec::Intensity;

/// A small random generator, so that a policy is a value that can be replayed.
#[derive(Clone, Debug)]
pub(crate) struct Luck(u64);

impl Luck {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A fraction of a million, evenly. (xorshift64*)
    fn per_million(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        u32::try_from(mixed % 1_000_000).unwrap_or_default()
    }
}

impl Backoff {
    /// The pause before the restart after `streak` earlier ones: anywhere between nothing and the doubled base (full jitter), so that
    /// children that fell together do not come back together. A base of zero restarts at once the first time, then grows from 50 ms.
    pub(crate) fn pause(&self, streak: u32, luck: &mut Luck) -> Duration {
        let (base, doublings) = match (self.base.is_zero(), streak) {
            (true, 0) => return Duration::ZERO,
            (true, streak) => (Duration::from_millis(50), streak - 1),
            (false, streak) => (self.base, streak),
        };
        let full = base.saturating_mul(1u32 << doublings.min(20)).min(self.cap);
        full.saturating_mul(luck.per_million()) / 1_000_000
    }
}

/// When a child was restarted lately.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    restarts: VecDeque<Duration>,
}

impl Window {
    /// Counts a restart. False = one too many.
    pub(crate) fn allows(&mut self, intensity: Intensity, now: Duration) -> bool {
        let oldest = now.saturating_sub(intensity.period);
        while self.restarts.front().is_some_and(|at| *at < oldest) {
            self.restarts.pop_front();
        }
        if self.restarts.len() >= usize::try_from(intensity.restarts).unwrap_or(usize::MAX) {
            return false;
        }
        self.restarts.push_back(now);
        true
    }

    pub(crate) fn clear(&mut self) {
        self.restarts.clear();
    }
}
