//! The breaker of one provider: after several failures that speak against it nobody waits for it
//! any more, until one call has tried again and succeeded.
//!
//! Pure: time and chance are passed in.

use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::error::ModelErrorKind;

/// So many failures in a row open it. One turn makes up to three tries, so that a provider that is
/// down opens it with the second turn.
const FAILURES: u32 = 5;
/// It is open this long at first; the time doubles with each try that fails.
const FIRST: Duration = Duration::from_secs(10);
/// And no longer than this: a provider that is back should be asked.
const LONGEST: Duration = Duration::from_secs(60);

/// The breaker's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Breaker {
    /// Failures in a row.
    pub failures: u32,
    /// Times it opened in a row.
    opened: u32,
    /// Closed again for tries from here on.
    until_ms: Option<i64>,
    /// A try is under way since then; no try outlives the process.
    #[serde(skip)]
    trying_ms: Option<i64>,
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It may.
    Open,
    /// It may, alone: its end decides.
    Try,
    /// Not before this time.
    Shut {
        /// In milliseconds since 1970.
        until_ms: i64,
    },
}

impl Breaker {
    /// Whether a call may be made now; a try is counted as begun.
    pub fn ask(&mut self, now_ms: i64, longest_try: Duration) -> Gate {
        let Some(until_ms) = self.until_ms else {
            return Gate::Open;
        };
        if now_ms < until_ms {
            return Gate::Shut { until_ms };
        }
        let longest = i64::try_from(longest_try.as_millis()).unwrap_or(i64::MAX);
        match self.trying_ms {
            // A try whose end nobody told was killed.
            Some(since) if now_ms - since < longest => Gate::Shut {
                until_ms: since.saturating_add(longest),
            },
            _ => {
                self.trying_ms = Some(now_ms);
                Gate::Try
            }
        }
    }

    /// A call ended.
    pub fn ended(&mut self, error: Option<ModelErrorKind>, now_ms: i64, chance: f64) {
        let Some(kind) = error else {
            *self = Self::default();
            return;
        };
        if !speaks_against(kind) {
            // It answered, so that it is there.
            self.trying_ms = None;
            self.until_ms = None;
            self.failures = 0;
            self.opened = 0;
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let tried = self.trying_ms.take().is_some();
        if tried || (self.until_ms.is_none() && self.failures >= FAILURES) {
            let length = FIRST.saturating_mul(1 << self.opened.min(10)).min(LONGEST);
            let length = length.mul_f64(1.0 + 0.2 * chance);
            self.opened = self.opened.saturating_add(1);
            let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
            self.until_ms = Some(now_ms.saturating_add(length));
        }
    }

    /// Whether it holds calls back.
    pub fn is_shut(&self) -> bool {
        self.until_ms.is_some()
    }

    /// In a word or two, for the tree.
    pub fn word(&self) -> &'static str {
        match (self.until_ms, self.trying_ms) {
            (None, _) => "closed",
            (Some(_), None) => "open",
            (Some(_), Some(_)) => "half-open",
        }
    }
}

/// Whether a failure speaks against the provider rather than a key, a model or a conversation.
fn speaks_against(kind: ModelErrorKind) -> bool {
    matches!(
        kind,
        ModelErrorKind::Overload | ModelErrorKind::Timeout(_) | ModelErrorKind::Network
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRY: Duration = Duration::from_secs(60);
    const DOWN: Option<ModelErrorKind> = Some(ModelErrorKind::Network);

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert_eq!(breaker.ask(0, TRY), Gate::Open);
            breaker.ended(DOWN, 0, 0.0);
        }
        breaker
    }

    #[test]
    fn it_opens_lets_one_try_and_closes() {
        let mut breaker = opened();
        assert_eq!(breaker.ask(9_999, TRY), Gate::Shut { until_ms: 10_000 });
        assert_eq!(breaker.ask(10_000, TRY), Gate::Try);
        assert!(matches!(breaker.ask(10_000, TRY), Gate::Shut { .. }));
        breaker.ended(None, 10_001, 0.0);
        assert_eq!(breaker.ask(10_001, TRY), Gate::Open);
    }

    #[test]
    fn a_try_that_fails_doubles_the_time_up_to_a_bound() {
        let mut breaker = opened();
        let mut now = 10_000;
        for seconds in [20, 40, 60, 60] {
            assert_eq!(breaker.ask(now, TRY), Gate::Try);
            breaker.ended(DOWN, now, 0.0);
            let until_ms = now + seconds * 1000;
            assert_eq!(breaker.ask(now, TRY), Gate::Shut { until_ms });
            now = until_ms;
        }
    }

    #[test]
    fn a_try_that_was_killed_blocks_nobody_for_ever() {
        let mut breaker = opened();
        assert_eq!(breaker.ask(10_000, TRY), Gate::Try);
        assert!(matches!(breaker.ask(69_999, TRY), Gate::Shut { .. }));
        assert_eq!(breaker.ask(70_000, TRY), Gate::Try);
    }

    #[test]
    fn a_refused_key_is_no_outage() {
        let mut breaker = Breaker::default();
        for _ in 0..50 {
            breaker.ended(Some(ModelErrorKind::Auth), 0, 0.0);
            breaker.ended(Some(ModelErrorKind::RateLimit), 0, 0.0);
        }
        assert_eq!(breaker.ask(0, TRY), Gate::Open);
    }
}
