//! What the models cost, call by call.

use std::collections::BTreeMap;

use openclaw_protocol::Usage;
use openclaw_protocol::key::SessionKey;
use serde::{Deserialize, Serialize};

use super::budget::{Owner, Scope};

/// What a call was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// To answer somebody.
    #[default]
    Answer,
    /// To sum a conversation up.
    Summary,
    /// To have notes taken before a conversation is summed up.
    Notes,
    /// To make vectors of texts.
    Vectors,
}

/// Tokens and cost of one call. Rows of older versions stand for a turn, and name less.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageRow {
    pub at_ms: i64,
    pub session: SessionKey,
    /// The turn it belongs to; 0 for none.
    #[serde(default)]
    pub turn: u64,
    /// Its number among the calls of its turn's attempt.
    #[serde(default)]
    pub call: u32,
    #[serde(default)]
    pub purpose: Purpose,
    /// The day it counts for, in the zone of the house.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub day: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
    pub agent: String,
    /// Where the message came in: `telegram/home`, `ws`, `cron`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub channel: String,
    /// The job that it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    pub provider: String,
    pub model: String,
    /// The account at the provider that paid.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub credential: String,
    pub input: u64,
    pub output: u64,
    #[serde(default)]
    pub cache_read: u64,
    #[serde(default)]
    pub cache_write: u64,
    /// The part of `output` that was thought and not said.
    #[serde(default)]
    pub reasoning: u64,
    #[serde(default)]
    pub cost_usd: f64,
    /// The cost by kind of token; zero in rows of older versions.
    #[serde(default)]
    pub input_usd: f64,
    #[serde(default)]
    pub output_usd: f64,
    #[serde(default)]
    pub cache_read_usd: f64,
    #[serde(default)]
    pub cache_write_usd: f64,
    /// Nobody said what it was: the call broke off, or its process died.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

impl UsageRow {
    /// A row of nothing, to be filled in.
    #[must_use]
    pub fn new(session: SessionKey, at_ms: i64) -> Self {
        Self {
            at_ms,
            agent: session.agent_str().to_owned(),
            session,
            turn: 0,
            call: 0,
            purpose: Purpose::default(),
            day: String::new(),
            run: String::new(),
            channel: String::new(),
            job: None,
            provider: String::new(),
            model: String::new(),
            credential: String::new(),
            input: 0,
            output: 0,
            cache_read: 0,
            cache_write: 0,
            reasoning: 0,
            cost_usd: 0.0,
            input_usd: 0.0,
            output_usd: 0.0,
            cache_read_usd: 0.0,
            cache_write_usd: 0.0,
            estimated: false,
        }
    }

    /// With what a provider counted.
    #[must_use]
    pub fn counted(mut self, usage: &Usage) -> Self {
        self.input = usage.input;
        self.output = usage.output;
        self.cache_read = usage.cache_read;
        self.cache_write = usage.cache_write;
        self.reasoning = usage.reasoning;
        self.cost_usd = usage.cost.total;
        self.input_usd = usage.cost.input;
        self.output_usd = usage.cost.output;
        self.cache_read_usd = usage.cost.cache_read;
        self.cache_write_usd = usage.cost.cache_write;
        self
    }

    /// All its tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.input + self.output + self.cache_read + self.cache_write
    }

    /// What it cost in millionths of a dollar, rounded up.
    #[must_use]
    pub fn micro_usd(&self) -> u64 {
        super::budget::micro_usd(self.cost_usd)
    }

    /// What counts it.
    pub(crate) fn scopes(&self) -> Vec<Scope> {
        let mut owners = vec![
            Owner::All,
            Owner::Agent(self.agent.clone()),
            Owner::Account(self.channel.clone()),
        ];
        owners.extend(self.job.clone().map(Owner::Job));
        let days = owners.iter().map(|owner| Scope::day(&self.day, owner));
        days.chain([Scope::run(&self.run)]).collect()
    }
}

/// Usage rows added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageSum {
    pub calls: u64,
    /// Calls without a price.
    pub unpriced: u64,
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    pub cache_write: u64,
    pub reasoning: u64,
    pub cost_usd: f64,
    pub input_usd: f64,
    pub output_usd: f64,
    pub cache_read_usd: f64,
    pub cache_write_usd: f64,
}

impl UsageSum {
    pub(crate) fn count(&mut self, row: &UsageRow) {
        self.add(&Self {
            calls: 1,
            unpriced: u64::from(row.cost_usd <= 0.0),
            input: row.input,
            output: row.output,
            cache_read: row.cache_read,
            cache_write: row.cache_write,
            reasoning: row.reasoning,
            cost_usd: row.cost_usd,
            input_usd: row.input_usd,
            output_usd: row.output_usd,
            cache_read_usd: row.cache_read_usd,
            cache_write_usd: row.cache_write_usd,
        });
    }

    /// Adds another sum.
    pub fn add(&mut self, more: &Self) {
        self.calls += more.calls;
        self.unpriced += more.unpriced;
        self.input += more.input;
        self.output += more.output;
        self.cache_read += more.cache_read;
        self.cache_write += more.cache_write;
        self.reasoning += more.reasoning;
        self.cost_usd += more.cost_usd;
        self.input_usd += more.input_usd;
        self.output_usd += more.output_usd;
        self.cache_read_usd += more.cache_read_usd;
        self.cache_write_usd += more.cache_write_usd;
    }

    /// All its tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.input + self.output + self.cache_read + self.cache_write
    }
}

/// Usage of a period, in all and by part.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageSums {
    pub total: UsageSum,
    /// By "provider/model".
    pub models: BTreeMap<String, UsageSum>,
    /// By the account at the provider.
    pub credentials: BTreeMap<String, UsageSum>,
    pub agents: BTreeMap<String, UsageSum>,
    pub sessions: BTreeMap<String, UsageSum>,
    /// By where the message came in: "telegram/home", "ws".
    pub channels: BTreeMap<String, UsageSum>,
    pub jobs: BTreeMap<String, UsageSum>,
}

impl UsageSums {
    pub(crate) fn count(&mut self, row: &UsageRow) {
        self.total.count(row);
        let part = |sums: &mut BTreeMap<String, UsageSum>, name: &str| {
            if !name.is_empty() {
                sums.entry(name.to_owned()).or_default().count(row);
            }
        };
        part(&mut self.models, &format!("{}/{}", row.provider, row.model));
        part(&mut self.credentials, &row.credential);
        part(&mut self.agents, &row.agent);
        part(&mut self.sessions, row.session.as_str());
        part(&mut self.channels, &row.channel);
        part(&mut self.jobs, row.job.as_deref().unwrap_or_default());
    }
}
