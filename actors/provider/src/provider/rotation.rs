//! Which of a provider's accounts makes the next call.
//!
//! Pure. A person's pin counts before all; then a conversation stays with the account that it began
//! with, whose cache knows it; then the configured order, or else the kind and who rested longest.

use std::collections::HashMap;

use openclaw_protocol::AgentId;
use openclaw_protocol::SessionKey;

use crate::account::Account;
use crate::cooldown::Cooldowns;
use crate::cooldown::Rest;
use crate::cooldown::Standing;

/// Conversations that are remembered; the oldest are forgotten, which costs them their cache only.
const PINS: usize = 2048;

/// What is remembered of who was asked.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pins: HashMap<SessionKey, (String, i64)>,
    used: HashMap<String, i64>,
}

/// Who asks, and for what.
pub(super) struct Asks<'a> {
    pub(super) model: &'a str,
    pub(super) agent: &'a AgentId,
    pub(super) session: &'a SessionKey,
    /// A person's own choice.
    pub(super) pinned: Option<&'a str>,
    /// Those that failed in this call.
    pub(super) tried: &'a [String],
    /// Ask also those that rest by guess.
    pub(super) probe: bool,
}

/// Why nobody is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Nobody {
    /// All were tried, or none is there.
    Left,
    /// The first of those that rest is back then.
    Rested(Rest),
}

impl Memory {
    /// Chooses; `ordered` says that the configuration names the order.
    pub(super) fn choose<'a>(
        &self,
        accounts: &'a [Account],
        ordered: bool,
        cooldowns: &Cooldowns,
        asks: &Asks<'_>,
        now_ms: i64,
    ) -> Result<&'a Account, Nobody> {
        let mut fit: Vec<&Account> = accounts
            .iter()
            .filter(|account| {
                account
                    .agent
                    .as_ref()
                    .is_none_or(|agent| agent == asks.agent)
            })
            .filter(|account| asks.pinned.is_none_or(|pinned| pinned == account.id))
            .filter(|account| !asks.tried.contains(&account.id))
            .collect();
        if !ordered {
            fit.sort_by_key(|account| {
                let used = self.used.get(&account.id).copied().unwrap_or(0);
                (account.agent.is_none(), account.rank, used)
            });
        }
        if let Some((id, _)) = self.pins.get(asks.session) {
            fit.sort_by_key(|account| account.id != *id);
        }
        let mut soonest: Option<(Rest, &Account)> = None;
        for account in fit {
            match cooldowns.standing(&account.id, asks.model, now_ms) {
                Standing::Ready => return Ok(account),
                Standing::Resting(rest) => {
                    let sooner = soonest.as_ref().is_none_or(|(best, _)| {
                        (rest.firm, rest.until_ms) < (best.firm, best.until_ms)
                    });
                    if sooner {
                        soonest = Some((rest, account));
                    }
                }
            }
        }
        match soonest {
            None => Err(Nobody::Left),
            Some((rest, account)) if asks.probe && !rest.firm => Ok(account),
            Some((rest, _)) => Err(Nobody::Rested(rest)),
        }
    }

    /// When an account was last asked.
    pub(super) fn used(&self, account: &str) -> Option<i64> {
        self.used.get(account).copied()
    }

    /// It was asked then, before a restart.
    pub(super) fn restore(&mut self, account: &str, used_ms: i64) {
        self.used.insert(account.to_owned(), used_ms);
    }

    /// An account was chosen for a conversation.
    pub(super) fn chose(&mut self, account: &str, session: &SessionKey, now_ms: i64) {
        self.used.insert(account.to_owned(), now_ms);
        if self.pins.len() >= PINS && !self.pins.contains_key(session) {
            let mut times: Vec<i64> = self.pins.values().map(|(_, at)| *at).collect();
            times.sort_unstable();
            let middle = times.get(times.len() / 2).copied().unwrap_or(now_ms);
            self.pins.retain(|_, (_, at)| *at > middle);
        }
        let pin = (account.to_owned(), now_ms);
        self.pins.insert(session.clone(), pin);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::access::Access;
    use crate::cooldown::Failed;
    use crate::cooldown::Rests;
    use crate::error::ModelErrorKind;

    struct Case {
        memory: Memory,
        cooldowns: Cooldowns,
        accounts: Vec<Account>,
        ordered: bool,
        probe: bool,
        tried: Vec<String>,
        pinned: Option<&'static str>,
    }

    impl Case {
        fn new(accounts: &[(&str, u8)]) -> Self {
            let account = |(id, rank): &(&str, u8)| Account {
                rank: *rank,
                ..Account::ready(*id, Access::key("k"))
            };
            Self {
                memory: Memory::default(),
                cooldowns: Cooldowns::default(),
                accounts: accounts.iter().map(account).collect(),
                ordered: false,
                probe: false,
                tried: Vec::new(),
                pinned: None,
            }
        }

        fn ask(&mut self, session: &str, now_ms: i64) -> Result<String, Nobody> {
            let session: SessionKey = session.parse().unwrap();
            let asks = Asks {
                model: "m",
                agent: &session.agent(),
                session: &session,
                pinned: self.pinned,
                tried: &self.tried,
                probe: self.probe,
            };
            let (accounts, ordered) = (&self.accounts, self.ordered);
            let memory = &mut self.memory;
            let chosen = memory.choose(accounts, ordered, &self.cooldowns, &asks, now_ms)?;
            let id = chosen.id.clone();
            memory.chose(&id, &session, now_ms);
            Ok(id)
        }

        fn fail(&mut self, account: &str, wait: Option<u64>, now_ms: i64) {
            let failed = Failed {
                kind: ModelErrorKind::RateLimit,
                wait: wait.map(Duration::from_secs),
                message: "slow",
            };
            let rests = Rests::default();
            self.cooldowns
                .failed((account, "m"), &failed, &rests, now_ms, 0.0);
        }
    }

    const ONE: &str = "agent:main:one";

    fn asked(case: &mut Case, session: &str, now_ms: i64) -> String {
        case.ask(session, now_ms).unwrap()
    }

    #[test]
    fn conversations_are_spread_and_stay_where_they_began() {
        let mut case = Case::new(&[("a", 2), ("b", 2)]);
        assert_eq!(asked(&mut case, ONE, 1), "a");
        assert_eq!(asked(&mut case, "agent:main:two", 2), "b");
        assert_eq!(asked(&mut case, ONE, 3), "a");
        case.fail("a", None, 4);
        assert_eq!(asked(&mut case, ONE, 5), "b");
    }

    #[test]
    fn sign_ins_go_first_and_a_configured_order_before_all() {
        let mut case = Case::new(&[("key", 2), ("sign-in", 0)]);
        assert_eq!(asked(&mut case, ONE, 1), "sign-in");
        let mut case = Case::new(&[("key", 2), ("sign-in", 0)]);
        case.ordered = true;
        assert_eq!(asked(&mut case, ONE, 1), "key");
    }

    #[test]
    fn a_pin_of_a_person_is_never_left() {
        let mut case = Case::new(&[("a", 2), ("b", 2)]);
        case.pinned = Some("b");
        assert_eq!(asked(&mut case, ONE, 1), "b");
        case.fail("b", None, 2);
        assert!(matches!(case.ask(ONE, 3), Err(Nobody::Rested(_))));
    }

    #[test]
    fn who_rests_is_asked_only_when_nobody_else_is_there_and_no_time_was_named() {
        let mut case = Case::new(&[("a", 2), ("b", 2)]);
        case.fail("a", Some(90), 0);
        case.fail("b", None, 0);
        assert!(matches!(case.ask(ONE, 1), Err(Nobody::Rested(_))));
        case.probe = true;
        assert_eq!(asked(&mut case, ONE, 1), "b");
        case.tried = vec!["b".to_owned()];
        assert!(matches!(case.ask(ONE, 1), Err(Nobody::Rested(rest)) if rest.firm));
        case.tried.push("a".to_owned());
        assert_eq!(case.ask(ONE, 1), Err(Nobody::Left));
    }

    #[test]
    fn an_agent_s_own_account_is_nobody_else_s() {
        let mut case = Case::new(&[("own", 2)]);
        case.accounts[0].agent = Some(AgentId::parse("work").unwrap());
        assert_eq!(case.ask(ONE, 1), Err(Nobody::Left));
        assert_eq!(asked(&mut case, "agent:work:one", 1), "own");
    }
}
