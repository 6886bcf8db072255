//! Who is being written to right now.
//!
//! A session holds a [`TypingGuard`] while its turn runs; the account's send actor shows the sign and
//! refreshes it for as long as the board names the destination. A guard that is dropped, with its turn or by
//! a crash, ends the sign; a guard that is forgotten ends after [`LONGEST`].

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use openclaw_protocol::AccountKey;
use openclaw_protocol::Route;

/// No sign outlives this: a turn may take ten minutes, and a sign for ever would be a lie.
pub const LONGEST: Duration = Duration::from_secs(600);

type Waker = Arc<dyn Fn() + Send + Sync>;

/// The destinations being written to, by account. Cheap to clone.
#[derive(Clone, Default)]
pub struct TypingBoard {
    accounts: Arc<Mutex<HashMap<AccountKey, Account>>>,
}

#[derive(Default)]
struct Account {
    next: u64,
    active: HashMap<u64, (Route, Instant)>,
    waker: Option<Waker>,
}

impl TypingBoard {
    /// Shows the sign at `route` until the guard is dropped.
    pub fn start(&self, route: &Route) -> TypingGuard {
        let account = route.account_key();
        let (ticket, waker) = self.with(&account, |entry| {
            entry.next += 1;
            let until = Instant::now() + LONGEST;
            entry.active.insert(entry.next, (route.clone(), until));
            (entry.next, entry.waker.clone())
        });
        if let Some(waker) = waker {
            waker();
        }
        TypingGuard {
            board: self.clone(),
            account,
            ticket,
        }
    }

    /// Names who is told when a destination is added.
    pub fn attach(&self, account: &AccountKey, waker: impl Fn() + Send + Sync + 'static) {
        self.with(account, |entry| entry.waker = Some(Arc::new(waker)));
    }

    /// The destinations of an account, each once.
    pub fn active(&self, account: &AccountKey) -> Vec<Route> {
        let now = Instant::now();
        self.with(account, |entry| {
            entry.active.retain(|_, (_, until)| *until > now);
            let mut routes: Vec<Route> = Vec::new();
            for (route, _) in entry.active.values() {
                if !routes.iter().any(|known| known.lane() == route.lane()) {
                    routes.push(route.clone());
                }
            }
            routes
        })
    }

    fn with<T>(&self, account: &AccountKey, f: impl FnOnce(&mut Account) -> T) -> T {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        f(accounts.entry(account.clone()).or_default())
    }
}

impl fmt::Debug for TypingBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypingBoard").finish_non_exhaustive()
    }
}

/// Keeps the sign up while it lives.
#[derive(Debug)]
#[must_use = "the sign ends when the guard is dropped"]
pub struct TypingGuard {
    board: TypingBoard,
    account: AccountKey,
    ticket: u64,
}

impl Drop for TypingGuard {
    fn drop(&mut self) {
        self.board.with(&self.account, |entry| {
            entry.active.remove(&self.ticket);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;

    use super::*;

    fn route(to: &str) -> Route {
        Route {
            channel: "telegram".into(),
            account: "home".into(),
            to: to.into(),
            ..Route::default()
        }
    }

    #[test]
    fn a_destination_is_active_while_any_guard_lives() {
        let board = TypingBoard::default();
        let account = AccountKey::new("telegram", "home");
        let woken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&woken);
        board.attach(&account, move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let first = board.start(&route("7"));
        let second = board.start(&route("7"));
        assert_eq!(woken.load(Ordering::Relaxed), 2);
        assert_eq!(board.active(&account).len(), 1);
        drop(first);
        assert_eq!(board.active(&account).len(), 1);
        drop(second);
        assert!(board.active(&account).is_empty());
    }
}
