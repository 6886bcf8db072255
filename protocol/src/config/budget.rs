//! `budgets`: what models may cost.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What models may cost: for all, and by agent, by account that a message came in over, and by job.
/// The name `*` holds for each that has no entry of its own.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Budgets {
    /// For everybody together.
    pub total: Budget,
    /// By agent.
    pub agents: BTreeMap<String, Budget>,
    /// By where a message came in: `telegram/home`, `ws`, `cron`.
    pub accounts: BTreeMap<String, Budget>,
    /// By scheduled job.
    pub jobs: BTreeMap<String, Budget>,
}

/// What one owner may spend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Budget {
    /// On a day, by the clock of the house.
    pub per_day: Amount,
    /// In one run: a message and all that is done to answer it.
    pub per_run: Amount,
}

/// Tokens and money; none = as much as it takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Amount {
    /// All kinds of tokens together.
    pub tokens: Option<u64>,
    /// US dollars.
    pub usd: Option<f64>,
}

impl Amount {
    /// Whether it allows everything.
    pub fn is_open(&self) -> bool {
        self.tokens.is_none() && self.usd.is_none()
    }
}

/// The entry of a name, or that of `*`, with the name it stands under.
pub fn entry<'b>(
    entries: &'b BTreeMap<String, Budget>,
    name: &'b str,
) -> Option<(&'b str, &'b Budget)> {
    let own = entries.get_key_value(name);
    let (name, budget) = own.or_else(|| entries.get_key_value("*"))?;
    Some((name, budget))
}
