//! Mail that crashes its reader again and again. The ledger's rows count their own attempts; this counts what comes as mail alone, by
//! kind, over the restarts of a path.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;

/// After this many crashes in a row mail of that kind is set aside: fewer than what parks an actor, so that the rest of its work goes on.
const TOO_MANY: u32 = 3;

/// How long it is set aside. Then one is let in, and handled well it ends the quarantine.
const QUARANTINE: Duration = Duration::from_secs(60);

/// A kind of mail that crashed its reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poison {
    pub mail: &'static str,
    /// Crashes without a success between.
    pub in_a_row: u32,
    /// How much of it was dropped unread.
    pub dropped: u64,
}

/// The suspects of one path. Empty, it costs one relaxed load for each mail.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    any: AtomicBool,
    kinds: Mutex<Vec<Suspect>>,
}

#[derive(Debug)]
struct Suspect {
    seen: Poison,
    /// When the next one is let in.
    closed_until: Option<Instant>,
}

impl Suspects {
    /// Mail of this kind crashed its reader. Says for which time in a row.
    pub(crate) fn crashed(&self, mail: &'static str, now: Instant) -> u32 {
        let mut kinds = self.kinds();
        self.any.store(true, Relaxed);
        let at = kinds.iter().position(|suspect| suspect.seen.mail == mail);
        let at = at.unwrap_or_else(|| {
            kinds.push(Suspect {
                seen: Poison {
                    mail,
                    in_a_row: 0,
                    dropped: 0,
                },
                closed_until: None,
            });
            kinds.len() - 1
        });
        let Some(suspect) = kinds.get_mut(at) else {
            return 1;
        };
        suspect.seen.in_a_row = suspect.seen.in_a_row.saturating_add(1);
        if suspect.seen.in_a_row >= TOO_MANY {
            suspect.closed_until = Some(now + QUARANTINE);
        }
        suspect.seen.in_a_row
    }

    /// Mail of this kind was handled: nothing is wrong with it.
    #[inline]
    pub(crate) fn handled(&self, mail: &'static str) {
        if self.any.load(Relaxed) {
            let mut kinds = self.kinds();
            kinds.retain(|suspect| suspect.seen.mail != mail);
            self.any.store(!kinds.is_empty(), Relaxed);
        }
    }

    /// Whether mail of this kind may be handled. If not, it is counted as dropped.
    #[inline]
    pub(crate) fn admits(&self, mail: &'static str) -> bool {
        !self.any.load(Relaxed) || self.judge(mail, Instant::now())
    }

    #[cold]
    fn judge(&self, mail: &'static str, now: Instant) -> bool {
        let mut kinds = self.kinds();
        let Some(suspect) = kinds.iter_mut().find(|suspect| suspect.seen.mail == mail) else {
            return true;
        };
        if suspect.closed_until.is_none_or(|until| now >= until) {
            return true;
        }
        suspect.seen.dropped += 1;
        false
    }

    /// Forgets everything: it starts anew by hand or with another configuration.
    pub(crate) fn pardon(&self) {
        self.kinds().clear();
        self.any.store(false, Relaxed);
    }

    pub(crate) fn seen(&self) -> Vec<Poison> {
        if !self.any.load(Relaxed) {
            return Vec::new();
        }
        let kinds = self.kinds();
        kinds.iter().map(|suspect| suspect.seen.clone()).collect()
    }

    fn kinds(&self) -> MutexGuard<'_, Vec<Suspect>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_crashes_in_a_row_close_the_door_and_one_success_opens_it() {
        let suspects = Suspects::default();
        let mut now = Instant::now();
        assert_eq!(suspects.crashed("import", now), 1);
        assert_eq!(suspects.crashed("import", now), 2);
        assert!(suspects.judge("import", now));
        suspects.handled("import");
        assert_eq!(suspects.crashed("import", now), 1, "not in a row");
        suspects.crashed("import", now);
        suspects.crashed("import", now);
        assert!(!suspects.judge("import", now));
        assert!(suspects.judge("other", now));
        assert_eq!(suspects.seen()[0].dropped, 1);
        now += QUARANTINE;
        assert!(suspects.judge("import", now), "one may try");
        assert_eq!(suspects.crashed("import", now), 4);
        assert!(!suspects.judge("import", now));
        suspects.pardon();
        assert!(suspects.judge("import", now) && suspects.seen().is_empty());
    }
}
