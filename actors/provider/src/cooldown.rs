//! Which account may be asked for which model again, and when.
//!
//! Pure: time and chance are passed in. What a failure says about is as narrow as it can be: a rate
//! limit about one model with one key, a wrong key or an empty purse about the key. The provider's
//! own word for when to come back goes before any guess.

use std::collections::HashMap;
use std::time::Duration;

use crate::error::ModelErrorKind;

/// How long the guesses are, by how often in a row it failed.
const LADDER: [Duration; 4] = [
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(25 * 60),
    Duration::from_secs(60 * 60),
];
/// Guesses are spread by up to this part, so that many sessions don't come back at once.
const SPREAD: f64 = 0.2;
/// More than this is not kept: who uses that many names is not a household.
const MOST: usize = 4096;

/// How long an account without credit rests; `auth.cooldowns` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rests {
    /// The first rest of an account without credit; it doubles.
    pub billing: Duration,
    /// The longest such rest.
    pub billing_most: Duration,
    /// Failures further apart than this are not in a row.
    pub window: Duration,
}

impl Default for Rests {
    fn default() -> Self {
        const HOUR: u64 = 3600;
        Self {
            billing: Duration::from_secs(5 * HOUR),
            billing_most: Duration::from_secs(24 * HOUR),
            window: Duration::from_secs(24 * HOUR),
        }
    }
}

/// Whether an account may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Ready,
    /// It rests.
    Resting(Rest),
}

/// A rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// Until when, in milliseconds since 1970.
    pub until_ms: i64,
    /// What it follows from.
    pub kind: ModelErrorKind,
    /// The provider named the time: to ask before is no use.
    pub firm: bool,
    /// What was said about it, for people.
    pub message: String,
}

/// How a call failed.
#[derive(Debug, Clone, Copy)]
pub struct Failed<'a> {
    /// The sort.
    pub kind: ModelErrorKind,
    /// When the provider wants to be asked again.
    pub wait: Option<Duration>,
    /// For people.
    pub message: &'a str,
}

/// A rest, and what decides how long the next one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) rest: Rest,
    pub(crate) in_a_row: u32,
    pub(crate) last_ms: i64,
}

/// What is known of a provider's accounts.
#[derive(Debug, Default)]
pub struct Cooldowns {
    records: HashMap<(String, Option<String>), Record>,
}

/// Whom a failure is about.
fn scope(kind: ModelErrorKind) -> Option<Scope> {
    use ModelErrorKind as Kind;
    match kind {
        Kind::Auth | Kind::Billing => Some(Scope::Account),
        Kind::RateLimit | Kind::Overload | Kind::Timeout(_) | Kind::Network | Kind::Unknown => {
            Some(Scope::Model)
        }
        Kind::ModelNotFound => Some(Scope::Model),
        // These say something about a conversation.
        Kind::Format | Kind::ContextOverflow | Kind::Refusal => None,
    }
}

enum Scope {
    Account,
    Model,
}

impl Cooldowns {
    /// A call failed. `chance` is between nought and one.
    pub fn failed(
        &mut self,
        (account, model): (&str, &str),
        error: &Failed<'_>,
        rests: &Rests,
        now_ms: i64,
        chance: f64,
    ) {
        let Failed {
            kind,
            wait,
            message,
        } = *error;
        let model = match scope(kind) {
            None => return,
            Some(Scope::Account) => None,
            Some(Scope::Model) => Some(model.to_owned()),
        };
        if self.records.len() >= MOST {
            self.records
                .retain(|_, record| record.rest.until_ms > now_ms);
        }
        let key = (account.to_owned(), model);
        let before = self.records.get(&key);
        let in_a_row = before
            .filter(|record| now_ms - record.last_ms < millis(rests.window))
            .map_or(0, |record| record.in_a_row);
        let (rest, firm) = match (kind, wait) {
            (ModelErrorKind::Billing, _) => {
                let doubled = rests.billing.saturating_mul(1 << in_a_row.min(8));
                (doubled.min(rests.billing_most), false)
            }
            (_, Some(wait)) => (wait, true),
            (_, None) => {
                let step = usize::try_from(in_a_row).unwrap_or(usize::MAX);
                let guess = LADDER.get(step).or(LADDER.last()).copied();
                let guess = guess.unwrap_or_default();
                (guess.mul_f64(1.0 + SPREAD * chance), false)
            }
        };
        let record = Record {
            rest: Rest {
                until_ms: now_ms.saturating_add(millis(rest)),
                kind,
                firm,
                message: message.to_owned(),
            },
            in_a_row: in_a_row + 1,
            last_ms: now_ms,
        };
        self.records.insert(key, record);
    }

    /// A call succeeded: the account is well, and so is the model with it. Says whether that is news.
    pub fn succeeded(&mut self, account: &str, model: &str) -> bool {
        let whole = self.records.remove(&(account.to_owned(), None));
        let one = (account.to_owned(), Some(model.to_owned()));
        whole.is_some() | self.records.remove(&one).is_some()
    }

    /// What is known of an account, by model.
    pub(crate) fn records(&self, account: &str) -> Vec<(Option<String>, Record)> {
        let own = self.records.iter().filter(|((of, _), _)| of == account);
        let mut own: Vec<_> = own
            .map(|((_, model), record)| (model.clone(), record.clone()))
            .collect();
        own.sort_by(|a, b| a.0.cmp(&b.0));
        own
    }

    /// Takes back what was known of an account before a restart.
    pub(crate) fn restore(&mut self, account: &str, records: Vec<(Option<String>, Record)>) {
        let own = records.into_iter();
        self.records
            .extend(own.map(|(model, record)| ((account.to_owned(), model), record)));
    }

    /// Whether an account may be asked for a model.
    pub fn standing(&self, account: &str, model: &str, now_ms: i64) -> Standing {
        let of = |model: Option<&str>| {
            let key = (account.to_owned(), model.map(str::to_owned));
            let record = self.records.get(&key)?;
            (record.rest.until_ms > now_ms).then(|| record.rest.clone())
        };
        let rests = [of(None), of(Some(model))];
        match rests.into_iter().flatten().max_by_key(|rest| rest.until_ms) {
            Some(rest) => Standing::Resting(rest),
            None => Standing::Ready,
        }
    }

    /// Forgets everything: somebody changed a key or the configuration.
    pub fn clear(&mut self) {
        self.records.clear();
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn why(kind: ModelErrorKind, wait: Option<Duration>) -> Failed<'static> {
        Failed {
            kind,
            wait,
            message: "no",
        }
    }

    fn until(board: &Cooldowns, account: &str, model: &str, now: i64) -> Option<i64> {
        match board.standing(account, model, now) {
            Standing::Ready => None,
            Standing::Resting(rest) => Some(rest.until_ms),
        }
    }

    fn fail(board: &mut Cooldowns, kind: ModelErrorKind, wait: Option<u64>, now: i64) {
        let wait = wait.map(Duration::from_secs);
        board.failed(("a", "m"), &why(kind, wait), &Rests::default(), now, 0.0);
    }

    #[test]
    fn guesses_grow_and_success_ends_them() {
        let mut board = Cooldowns::default();
        let mut now = 0;
        for minutes in [1, 5, 25, 60, 60] {
            fail(&mut board, ModelErrorKind::RateLimit, None, now);
            assert_eq!(until(&board, "a", "m", now), Some(now + minutes * MINUTE));
            now += minutes * MINUTE;
            assert_eq!(until(&board, "a", "m", now), None);
        }
        board.succeeded("a", "m");
        fail(&mut board, ModelErrorKind::Network, None, now);
        assert_eq!(until(&board, "a", "m", now), Some(now + MINUTE));
    }

    #[test]
    fn a_rest_is_as_narrow_as_the_failure() {
        let mut board = Cooldowns::default();
        fail(&mut board, ModelErrorKind::RateLimit, Some(7), 0);
        assert_eq!(until(&board, "a", "m", 0), Some(7_000));
        assert_eq!(until(&board, "a", "other", 0), None);
        assert_eq!(until(&board, "b", "m", 0), None);
        fail(&mut board, ModelErrorKind::Billing, None, 0);
        assert_eq!(until(&board, "a", "other", 0), Some(5 * 60 * MINUTE));
        assert_eq!(until(&board, "b", "other", 0), None);
    }

    #[test]
    fn what_a_conversation_did_wrong_rests_nobody() {
        let mut board = Cooldowns::default();
        use ModelErrorKind as Kind;
        for kind in [Kind::Format, Kind::ContextOverflow, Kind::Refusal] {
            fail(&mut board, kind, Some(60), 0);
        }
        assert_eq!(board.standing("a", "m", 0), Standing::Ready);
    }

    #[test]
    fn billing_doubles_up_to_a_day_and_a_quiet_day_begins_anew() {
        let hour = 60 * MINUTE;
        let mut board = Cooldowns::default();
        let mut now = 0;
        for hours in [5, 10, 20, 24] {
            fail(&mut board, ModelErrorKind::Billing, None, now);
            assert_eq!(until(&board, "a", "m", now), Some(now + hours * hour));
            now += hour;
        }
        now += 25 * hour;
        fail(&mut board, ModelErrorKind::Billing, None, now);
        assert_eq!(until(&board, "a", "m", now), Some(now + 5 * hour));
    }

    #[test]
    fn chance_spreads_guesses_and_never_shortens_what_was_told() {
        let mut board = Cooldowns::default();
        let (rests, kind) = (Rests::default(), ModelErrorKind::Overload);
        board.failed(("a", "m"), &why(kind, None), &rests, 0, 1.0);
        assert_eq!(until(&board, "a", "m", 0), Some(72_000));
        let told = Some(Duration::from_secs(30));
        board.failed(("b", "m"), &why(kind, told), &rests, 0, 1.0);
        assert_eq!(until(&board, "b", "m", 0), Some(30_000));
    }
}
