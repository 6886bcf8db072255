//! How long to wait before the next try, and how often to log the same failure. Pure: time and chance are
//! passed in.

use std::collections::BTreeMap;
use std::time::Duration;

/// How chance spreads a delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// Anywhere from nothing to the whole step: spreads a herd best.
    Full,
    /// The upper half of the step: keeps a steady failure from being retried early.
    Half,
}

/// An exponential back-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    pub base: Duration,
    pub cap: Duration,
    /// No delay is shorter.
    pub least: Duration,
    pub jitter: Jitter,
}

impl Backoff {
    /// A failing poll: in a steady failure one try in 12 to 25 s, so that a recovery is noticed within half a minute.
    pub const POLL: Self = Self {
        base: Duration::from_secs(1),
        cap: Duration::from_secs(25),
        least: Duration::from_millis(500),
        jitter: Jitter::Half,
    };
    /// Another poller holds the token: long enough for its poll to end, short enough to be back in a minute.
    pub const CONFLICT: Self = Self {
        base: Duration::from_secs(4),
        cap: Duration::from_secs(45),
        least: Duration::from_secs(1),
        jitter: Jitter::Half,
    };
    /// A send that was refused before it had any effect.
    pub const SEND: Self = Self {
        base: Duration::from_secs(1),
        cap: Duration::from_secs(30),
        least: Duration::from_millis(400),
        jitter: Jitter::Full,
    };

    /// The delay before try number `failures + 1`; `chance` is in `[0, 1)`.
    pub fn delay(&self, failures: u32, chance: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let step = self.base.saturating_mul(1 << doublings).min(self.cap);
        let chance = chance.clamp(0.0, 1.0);
        let spread = match self.jitter {
            Jitter::Full => step.mul_f64(chance),
            Jitter::Half => step.mul_f64(0.5 + chance / 2.0),
        };
        spread.max(self.least)
    }

    /// As [`Backoff::delay`], but never sooner than the platform asked for.
    pub fn delay_after(&self, failures: u32, asked: Option<Duration>, chance: f64) -> Duration {
        match asked {
            // The platform's figure is exact; a little is added so that many senders do not return at once.
            Some(asked) => asked + Duration::from_millis(100).mul_f64(chance.clamp(0.0, 1.0)),
            None => self.delay(failures, chance),
        }
    }
}

/// A number in `[0, 1)` from the system's source of chance.
pub fn chance() -> f64 {
    let bits = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

/// How often the same failure may be logged.
const SAME_ERROR_EVERY_MS: i64 = 60_000;
/// How many different failures are remembered; more than these are logged as if new.
const REMEMBERED: usize = 32;

/// Lets the same failure through once a minute, with the count of those held back.
#[derive(Debug, Default)]
pub struct LogGate {
    seen: BTreeMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    logged_at_ms: i64,
    held_back: u64,
}

impl LogGate {
    /// `Some(n)`: log it now; it was held back `n` times since it was last logged.
    pub fn admit(&mut self, error: &str, now_ms: i64) -> Option<u64> {
        if let Some(seen) = self.seen.get_mut(error) {
            if now_ms - seen.logged_at_ms < SAME_ERROR_EVERY_MS {
                seen.held_back += 1;
                return None;
            }
            seen.logged_at_ms = now_ms;
            return Some(std::mem::take(&mut seen.held_back));
        }
        if self.seen.len() >= REMEMBERED {
            self.seen
                .retain(|_, seen| now_ms - seen.logged_at_ms < SAME_ERROR_EVERY_MS);
        }
        if self.seen.len() >= REMEMBERED {
            let oldest = self.seen.iter().min_by_key(|(_, seen)| seen.logged_at_ms);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.seen.remove(&key);
            }
        }
        let first = Seen {
            logged_at_ms: now_ms,
            held_back: 0,
        };
        self.seen.insert(error.to_owned(), first);
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_same_error_is_logged_once_a_minute_with_a_count() {
        let mut gate = LogGate::default();
        assert_eq!(gate.admit("dns", 0), Some(0));
        for second in 1..60 {
            assert_eq!(gate.admit("dns", second * 1000), None);
        }
        assert_eq!(gate.admit("refused", 30_000), Some(0));
        assert_eq!(gate.admit("dns", 60_000), Some(59));
        assert_eq!(gate.admit("dns", 120_000), Some(0));
    }

    #[test]
    fn the_gate_remembers_a_bounded_number() {
        let mut gate = LogGate::default();
        for n in 0..1000 {
            gate.admit(&format!("error {n}"), n);
        }
        assert!(gate.seen.len() <= REMEMBERED);
    }

    #[test]
    fn the_platform_s_figure_is_honoured() {
        let asked = Some(Duration::from_secs(7));
        assert!(Backoff::SEND.delay_after(1, asked, 0.5) >= Duration::from_secs(7));
    }

    proptest! {
        #[test]
        fn a_delay_stays_within_its_bounds(failures in 0u32..100, chance in 0.0f64..1.0) {
            for backoff in [Backoff::POLL, Backoff::CONFLICT, Backoff::SEND] {
                let delay = backoff.delay(failures, chance);
                prop_assert!(delay >= backoff.least && delay <= backoff.cap);
            }
        }

        #[test]
        fn a_steady_failure_of_a_poll_is_tried_every_twelve_seconds_at_most(chance in 0.0f64..1.0) {
            prop_assert!(Backoff::POLL.delay(20, chance) >= Duration::from_secs(12));
        }
    }
}
