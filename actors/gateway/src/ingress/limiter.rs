//! Counts failed tries to authenticate, per canonical address and account.
//!
//! Loopback pays like everyone else. A try beyond the limit is refused without looking at the
//! credential, so guessing faster gains nothing. Time is passed in.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

use openclaw_protocol::config::gateway::RateLimit;

use super::peer::CanonicalAddress;

#[cfg(test)]
mod tests;

/// Failed tries allowed in one window: enough for a person's typing, useless for guessing.
pub const TRIES: usize = 10;

/// The window they are counted in.
pub const WINDOW: Duration = Duration::from_secs(60);

/// How many failures in how long. The configuration can make it stricter, never looser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    tries: usize,
    window: Duration,
}

impl Default for Limit {
    fn default() -> Self {
        let (tries, window) = (TRIES, WINDOW);
        Self { tries, window }
    }
}

impl Limit {
    /// The limit of a configuration.
    pub fn of(limit: &RateLimit) -> Self {
        let tries = usize::try_from(limit.max_attempts).unwrap_or(TRIES);
        Self {
            tries: tries.clamp(1, TRIES),
            window: Duration::from_millis(limit.window_ms).max(WINDOW),
        }
    }
}

/// Buckets kept; beyond that, strangers share one, so memory stays bounded and nobody is let through.
const BUCKETS: usize = 10_000;

/// Which account the credential is for: each has its own count at the same address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Account {
    /// The gateway's shared token or password.
    SharedSecret,
    /// One device's token.
    Device(String),
    /// The token of a set-up code.
    SetupCode,
}

/// The credential was not looked at; try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany {
    /// When the oldest failure leaves the window.
    pub retry_after: Duration,
}

type Key = (Option<CanonicalAddress>, Account);

/// The failures of the last window.
#[derive(Debug, Default)]
pub struct Limiter {
    failures: HashMap<Key, VecDeque<Instant>>,
    total: u64,
}

impl Limiter {
    /// Runs `verify` if the bucket has a try left, and counts the try if it fails as a guess.
    pub fn attempt<T, E>(
        &mut self,
        address: &CanonicalAddress,
        account: &Account,
        now: Instant,
        limit: Limit,
        is_guess: impl FnOnce(&E) -> bool,
        verify: impl FnOnce() -> Result<T, E>,
    ) -> Result<Result<T, E>, TooMany> {
        self.check(address, account, now, limit)?;
        let verdict = verify();
        if verdict.as_ref().is_err_and(is_guess) {
            self.count(address, account, now, limit);
        }
        Ok(verdict)
    }

    /// Tells whether the bucket has a try left.
    pub fn check(
        &mut self,
        address: &CanonicalAddress,
        account: &Account,
        now: Instant,
        limit: Limit,
    ) -> Result<(), TooMany> {
        let key = self.key(address, account, now, limit.window);
        let Some(failures) = self.failures.get_mut(&key) else {
            return Ok(());
        };
        forget_old(failures, now, limit.window);
        match failures.front().filter(|_| failures.len() >= limit.tries) {
            None => Ok(()),
            Some(oldest) => Err(TooMany {
                retry_after: limit
                    .window
                    .saturating_sub(now.saturating_duration_since(*oldest)),
            }),
        }
    }

    /// Counts a guess.
    pub fn count(
        &mut self,
        address: &CanonicalAddress,
        account: &Account,
        now: Instant,
        limit: Limit,
    ) {
        let key = self.key(address, account, now, limit.window);
        self.failures.entry(key).or_default().push_back(now);
        self.total += 1;
    }

    /// Failures counted since the start.
    pub fn total(&self) -> u64 {
        self.total
    }

    fn key(
        &mut self,
        address: &CanonicalAddress,
        account: &Account,
        now: Instant,
        window: Duration,
    ) -> Key {
        let own = (Some(address.clone()), account.clone());
        if self.failures.contains_key(&own) || self.failures.len() < BUCKETS {
            return own;
        }
        self.failures.retain(|_, failures| {
            forget_old(failures, now, window);
            !failures.is_empty()
        });
        if self.failures.len() < BUCKETS {
            own
        } else {
            (None, account.clone())
        }
    }
}

fn forget_old(failures: &mut VecDeque<Instant>, now: Instant, window: Duration) {
    while failures
        .front()
        .is_some_and(|at| now.saturating_duration_since(*at) >= window)
    {
        failures.pop_front();
    }
}
