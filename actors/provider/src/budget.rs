//! How much of answers may be in memory at once, over all calls.
//!
//! One runaway answer is bounded by its own length; many at once would still fill a small computer. When the house is
//! full, a call that has taken more than its part is refused, and the small ones go on.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

/// Bytes over all calls: a fifth of the smallest machine this is meant for.
const HOUSE: usize = 96 * 1024 * 1024;
/// What every call may have however full the house is: more than any ordinary answer with all its framing.
const PART: usize = 4 * 1024 * 1024;

/// The bytes of all calls.
#[derive(Debug)]
pub(crate) struct Budget {
    taken: AtomicUsize,
    house: usize,
    part: usize,
}

/// The process has one, as it has one memory.
pub(crate) static ANSWERS: Budget = Budget::new(HOUSE, PART);

/// What one call has taken; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: &'static Budget,
    taken: usize,
}

impl Budget {
    const fn new(house: usize, part: usize) -> Self {
        Self {
            taken: AtomicUsize::new(0),
            house,
            part,
        }
    }

    /// An empty share.
    pub(crate) fn share(&'static self) -> Share {
        Share {
            budget: self,
            taken: 0,
        }
    }
}

impl Share {
    /// Takes more; false when this call is to be refused.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let before = self.budget.taken.fetch_add(bytes, Ordering::Relaxed);
        self.taken = self.taken.saturating_add(bytes);
        self.taken <= self.budget.part || before.saturating_add(bytes) <= self.budget.house
    }

    /// What it has taken so far.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SMALL: Budget = Budget::new(100, 10);

    #[test]
    fn the_large_are_refused_when_the_house_is_full_and_the_small_go_on() {
        let (mut large, mut small) = (SMALL.share(), SMALL.share());
        assert!(large.take(95));
        assert!(small.take(10), "everyone has its part");
        assert!(!large.take(1), "the house is full");
        assert!(!small.take(1), "past its part it is like the others");
        assert_eq!(large.taken(), 96);
        drop(large);
        assert!(small.take(50), "what was given back is there again");
        drop(small);
        assert_eq!(SMALL.taken.load(Ordering::Relaxed), 0);
    }
}
