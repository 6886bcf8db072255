//! What is known of a provider: its breaker, who rests, and who was asked last.

use std::path::PathBuf;

use openclaw_runtime::Health;

use super::CallOutcome;
use super::NoLease;
use super::Want;
use super::rotation::Asks;
use super::rotation::Memory;
use super::rotation::Nobody;
use crate::account::Account;
use crate::breaker::Breaker;
use crate::breaker::Gate;
use crate::cooldown::Cooldowns;
use crate::cooldown::Failed;
use crate::cooldown::Rests;
use crate::endpoint::Endpoint;
use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::history::History;
use crate::history::Page;
use crate::history::Past;

/// The state behind the decisions of one provider.
#[derive(Debug, Default)]
pub(super) struct Standings {
    breaker: Breaker,
    cooldowns: Cooldowns,
    memory: Memory,
    /// Whether there is something to write down.
    news: bool,
}

impl Standings {
    /// Begins with what is remembered.
    pub(super) fn of(history: &History) -> Self {
        let mut standings = Self {
            breaker: history.breaker,
            ..Self::default()
        };
        for (account, past) in &history.accounts {
            standings.cooldowns.restore(account, past.records.clone());
            if let Some(used_ms) = past.used_ms {
                standings.memory.restore(account, used_ms);
            }
        }
        standings
    }

    /// Whether a rest or the breaker changed since this was last asked.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// There is something to write down.
    pub(super) fn note_news(&mut self) {
        self.news = true;
    }

    /// What there is to remember, for each file.
    pub(super) fn pages(&self, endpoint: &Endpoint) -> Vec<(PathBuf, Page)> {
        let mut pages: Vec<(PathBuf, Page)> = Vec::new();
        // The house's own file keeps the breaker; an agent's comes first in the list.
        let home = endpoint
            .accounts
            .iter()
            .rfind(|account| account.agent.is_none());
        let home = home.and_then(|account| account.file.clone());
        for account in &endpoint.accounts {
            let Some(file) = &account.file else { continue };
            let at = pages.iter().position(|(other, _)| other == file);
            let at = at.unwrap_or_else(|| {
                let page = Page {
                    provider: endpoint.provider.clone(),
                    breaker: (home.as_ref() == Some(file)).then_some(self.breaker),
                    ..Page::default()
                };
                pages.push((file.clone(), page));
                pages.len() - 1
            });
            let Some((_, page)) = pages.get_mut(at) else {
                continue;
            };
            let name = account.name_in_file(&endpoint.provider);
            let past = Past {
                used_ms: self.memory.used(&account.id),
                mark: account.mark(),
                records: self.cooldowns.records(&account.id),
            };
            if !account.is_stored() {
                page.passing.push(name.clone());
            }
            page.accounts.push((name, past));
        }
        pages
    }

    /// Says who makes a call, or why nobody does.
    pub(super) fn admit(
        &mut self,
        endpoint: &Endpoint,
        want: &Want,
        now_ms: i64,
    ) -> Result<Account, NoLease> {
        let asks = Asks {
            model: &want.model.model,
            agent: &want.session.agent(),
            session: &want.session,
            pinned: want.account.as_deref(),
            tried: &want.tried,
            probe: want.probe,
        };
        let alone = [Account::ready("none", endpoint.access.clone())];
        let accounts = match endpoint.accounts.as_slice() {
            [] => &alone[..],
            accounts => accounts,
        };
        let (memory, cooldowns) = (&self.memory, &self.cooldowns);
        let chosen = memory.choose(accounts, endpoint.ordered, cooldowns, &asks, now_ms);
        let account = chosen.map_err(|nobody| match nobody {
            Nobody::Left => NoLease::Spent,
            Nobody::Rested(rest) => NoLease::Resting {
                firm: rest.firm,
                error: resting(rest.kind, &rest.message, rest.until_ms, now_ms),
            },
        })?;
        if let Gate::Shut { until_ms } = self.breaker.ask(now_ms, endpoint.deadlines.total) {
            let text = format!("{} keeps failing", endpoint.provider);
            return Err(NoLease::Resting {
                firm: true,
                error: resting(ModelErrorKind::Overload, &text, until_ms, now_ms),
            });
        }
        let account = account.clone();
        self.memory.chose(&account.id, &want.session, now_ms);
        Ok(account)
    }

    /// A call ended.
    pub(super) fn ended(&mut self, outcome: &CallOutcome, rests: &Rests, now_ms: i64, chance: f64) {
        let kind = outcome.error.as_ref().map(|error| error.kind);
        let before = self.breaker;
        self.breaker.ended(kind, now_ms, chance);
        self.news |= self.breaker != before;
        let (account, model) = (&*outcome.account, &*outcome.model);
        match &outcome.error {
            None => self.news |= self.cooldowns.succeeded(account, model),
            Some(error) => {
                let failed = Failed {
                    kind: error.kind,
                    wait: error.retry_after,
                    message: &error.message,
                };
                self.cooldowns
                    .failed((account, model), &failed, rests, now_ms, chance);
                self.news = true;
            }
        }
    }

    /// The breaker as it is.
    pub(super) fn breaker(&self) -> Breaker {
        self.breaker
    }

    /// How the provider is, for the tree.
    pub(super) fn health(&self) -> Health {
        match (self.breaker.is_shut(), self.breaker.failures) {
            (false, 0) => Health::Ok,
            _ => Health::Degraded,
        }
    }

    /// Begins anew: a key or the configuration is another one.
    pub(super) fn forget(&mut self) {
        self.breaker = Breaker::default();
        self.cooldowns.clear();
        self.news = true;
    }
}

fn resting(kind: ModelErrorKind, why: &str, until_ms: i64, now_ms: i64) -> ModelError {
    let wait = std::time::Duration::from_millis(u64::try_from(until_ms - now_ms).unwrap_or(0));
    let seconds = wait.as_secs().max(1);
    let text = format!(
        "{}; it is asked again in {seconds} s",
        why.trim_end_matches('.')
    );
    ModelError {
        retry_after: Some(wait),
        ..ModelError::new(kind, text)
    }
}
