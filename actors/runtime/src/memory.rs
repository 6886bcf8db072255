//! How much of the memory what the gateway carries may take at once: answers while they grow, and events that wait.
//!
//! One runaway answer is bounded by its own length; many at once would still fill a small computer. Whoever keeps
//! something large takes a [`Share`] for it. When a budget is full its largest share that still grows is refused, and the
//! small ones go on.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

/// What everyone may have however full the house is: more than any ordinary answer with all that comes of it.
pub const PART: usize = 4 * MB;
const MB: usize = 1024 * 1024;

/// The budget of the process, which has one memory: a third of the smallest machine this is meant for.
pub static HOUSE: Budget = Budget::new(160 * MB, PART);

/// Bytes that many share.
#[derive(Debug)]
pub struct Budget {
    taken: AtomicUsize,
    limit: usize,
    part: usize,
    /// What each share that still grows has.
    growing: Mutex<Vec<Arc<AtomicUsize>>>,
}

/// What one has taken of a budget; given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: &'static Budget,
    taken: Arc<AtomicUsize>,
    grows: bool,
}

impl Budget {
    /// A budget of `limit` bytes, of which everyone may have `part` at any time.
    pub const fn new(limit: usize, part: usize) -> Self {
        Self {
            taken: AtomicUsize::new(0),
            limit,
            part,
            growing: Mutex::new(Vec::new()),
        }
    }

    /// An empty share that will grow, and is refused more when it is the largest.
    pub fn share(&'static self) -> Share {
        let taken = Arc::new(AtomicUsize::new(0));
        self.growing().push(Arc::clone(&taken));
        Share {
            budget: self,
            taken,
            grows: true,
        }
    }

    /// A share of this size, which is there already: it is counted and not asked for.
    pub fn hold(&'static self, bytes: usize) -> Share {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        Share {
            budget: self,
            taken: Arc::new(AtomicUsize::new(bytes)),
            grows: false,
        }
    }

    /// Tells whether so much more finds room.
    pub fn has_room(&self, bytes: usize) -> bool {
        bytes <= self.part || self.taken().saturating_add(bytes) <= self.limit
    }

    /// Bytes that are taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Tells whether everything is taken.
    pub fn is_full(&self) -> bool {
        self.taken() >= self.limit
    }

    fn growing(&self) -> std::sync::MutexGuard<'_, Vec<Arc<AtomicUsize>>> {
        self.growing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Takes more; false when its owner is to give up.
    pub fn take(&mut self, bytes: usize) -> bool {
        let budget = self.budget;
        let own = self.taken.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let all = budget.taken.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if own <= budget.part || all <= budget.limit {
            return true;
        }
        // The largest has to go. Until it has noticed, the others may go a little over.
        let is_largest = budget
            .growing()
            .iter()
            .all(|other| other.load(Ordering::Relaxed) <= own);
        !is_largest && all <= budget.limit + budget.limit / 4
    }

    /// What it has taken so far.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Says that it grows no more: nobody waits for it to give up.
    pub fn settle(&mut self) {
        if std::mem::take(&mut self.grows) {
            self.budget
                .growing()
                .retain(|other| !Arc::ptr_eq(other, &self.taken));
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.settle();
        self.budget.taken.fetch_sub(self.taken(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_is_refused_when_the_house_is_full_and_the_small_go_on() {
        static SMALL: Budget = Budget::new(100, 10);
        let (mut large, mut middle, mut small) = (SMALL.share(), SMALL.share(), SMALL.share());
        assert!(large.take(75));
        assert!(middle.take(25));
        assert!(SMALL.is_full());
        assert!(small.take(10), "everyone has its part");
        assert!(middle.take(5), "it is not the largest");
        assert!(!large.take(1), "the largest gives up");
        assert!(
            !middle.take(20),
            "if the largest doesn't, nobody goes far beyond"
        );
        drop(large);
        assert!(middle.take(40), "what was given back is there again");
        assert_eq!(middle.taken(), 90);
        drop((middle, small));
        assert_eq!(SMALL.taken(), 0);
    }

    #[test]
    fn what_grows_no_more_is_counted_but_not_waited_for() {
        static SMALL: Budget = Budget::new(100, 10);
        let mut done = SMALL.share();
        assert!(done.take(80));
        done.settle();
        let waiting = SMALL.hold(15);
        let mut growing = SMALL.share();
        assert!(growing.take(5));
        assert!(!growing.take(20), "of those that grow it is the largest");
        assert!(!SMALL.has_room(11) && SMALL.has_room(10));
        drop((done, waiting, growing));
        assert_eq!(SMALL.taken(), 0);
    }
}
