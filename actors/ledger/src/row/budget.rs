//! Budgets: what may be spent, and what is kept back for a call before it is made.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::UsageRow;

/// Whose spending a budget counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Everybody's.
    All,
    Agent(String),
    /// Of what comes in here: `telegram/home`, `ws`.
    Account(String),
    Job(String),
}

/// What a budget counts: everything of an owner on a day, or of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(String);

impl Scope {
    /// What an owner spends on a day.
    #[must_use]
    pub fn day(day: &str, owner: &Owner) -> Self {
        Self(match owner {
            Owner::All => format!("day:{day}:all"),
            Owner::Agent(id) => format!("day:{day}:agent:{id}"),
            Owner::Account(id) => format!("day:{day}:account:{id}"),
            Owner::Job(id) => format!("day:{day}:job:{id}"),
        })
    }

    /// What a run spends.
    #[must_use]
    pub fn run(run: &str) -> Self {
        Self(format!("run:{run}"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a scope may spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    pub scope: Scope,
    /// Since when rows can belong to it.
    pub since_ms: i64,
    pub tokens: Option<u64>,
    pub micro_usd: Option<u64>,
}

/// Asks for what a call may cost, before it is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Reservation {
    /// The call: `input` is what it will read, `output` what it may write at most.
    pub call: UsageRow,
    /// With less to write than this it isn't worth making.
    pub least_output: u64,
    /// US dollars for a million tokens read and written.
    pub price: (f64, f64),
    /// All budgets that it falls under.
    pub limits: Vec<Limit>,
}

/// What became of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// So many tokens may be written.
    Granted {
        output: u64,
    },
    Refused(Shortage),
}

/// A budget that has too little left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// Which of the reservation's limits.
    pub limit: usize,
    /// It counts money, in millionths of a dollar; else tokens.
    pub is_money: bool,
    pub most: u64,
    pub spent: u64,
    /// Kept back for calls that are being made.
    pub held: u64,
    pub needed: u64,
}

impl Shortage {
    /// It may be enough when the calls of others have ended.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.held > 0 && self.spent.saturating_add(self.needed) <= self.most
    }
}

/// Tokens and money, counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spent {
    pub tokens: u64,
    pub micro_usd: u64,
}

impl Spent {
    pub(crate) fn of(row: &UsageRow) -> Self {
        Self {
            tokens: row.tokens(),
            micro_usd: row.micro_usd(),
        }
    }

    pub(crate) fn add(&mut self, more: Self) {
        self.tokens = self.tokens.saturating_add(more.tokens);
        self.micro_usd = self.micro_usd.saturating_add(more.micro_usd);
    }
}

/// Dollars in millionths, rounded up.
#[must_use]
pub fn micro_usd(usd: f64) -> u64 {
    let micro = (usd * 1_000_000.0).ceil();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // saturates, and is not negative
    let whole = micro.max(0.0) as u64;
    whole
}
