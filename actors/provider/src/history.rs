//! What is remembered of accounts and providers over restarts: `usageStats` of the file of credentials.
//!
//! Pure but for [`keep`]. Programs that know less of it read `cooldownUntil`, `disabledUntil`, `errorCount` and
//! `lastUsed`; what they don't know (`rests`, `key`, `breakers`) says which model rests with which key, and whether the
//! provider named the time. Where the two don't agree, another program wrote after us and is believed.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::breaker::Breaker;
use crate::cooldown::Record;
use crate::cooldown::Rest;
use crate::error::ModelErrorKind;
use crate::store;

#[cfg(test)]
mod tests;

/// What is remembered of one account.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Past {
    /// When it was last asked, in milliseconds since 1970.
    pub(crate) used_ms: Option<i64>,
    /// Which key that was: another one begins anew.
    pub(crate) mark: Option<String>,
    /// What it rests from, by model; none stands for all of them.
    pub(crate) records: Vec<(Option<String>, Record)>,
}

/// What is remembered of one provider.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// By the account's name.
    pub(crate) accounts: BTreeMap<String, Past>,
    pub(crate) breaker: Breaker,
}

/// A rest as it is written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    model: Option<String>,
    until: i64,
    reason: String,
    firm: bool,
    in_a_row: u32,
    last: i64,
    #[serde(default)]
    message: String,
}

/// The part of a file's `usageStats` that belongs to one account.
pub(crate) fn read(stats: &Value, mark: Option<String>) -> Past {
    let written = stats.get("key").and_then(Value::as_str);
    if written.is_some() && mark.is_some() && written != mark.as_deref() {
        return Past {
            mark,
            ..Past::default()
        };
    }
    let figure = |name: &str| {
        let found = stats.get(name).and_then(Value::as_f64);
        #[allow(clippy::cast_possible_truncation)] // milliseconds since 1970
        found.map(|at| at as i64).filter(|at| *at > 0)
    };
    let rests = stats.get("rests").cloned().unwrap_or_default();
    let rests: Vec<Written> = serde_json::from_value(rests).unwrap_or_default();
    let ours = Past {
        used_ms: figure("lastUsed"),
        mark,
        records: rests.into_iter().map(record).collect(),
    };
    let (cooldown, disabled) = (figure("cooldownUntil"), figure("disabledUntil"));
    if plain(&ours) == (cooldown, disabled) {
        return ours;
    }
    let count = stats.get("errorCount").and_then(Value::as_u64).unwrap_or(0);
    let until_ms = cooldown.max(disabled).unwrap_or(0);
    if until_ms == 0 && count == 0 {
        return Past {
            records: Vec::new(),
            ..ours
        };
    }
    let kind = match disabled {
        Some(_) => ModelErrorKind::Billing,
        None => ModelErrorKind::RateLimit,
    };
    let rest = Rest {
        until_ms,
        kind,
        firm: false,
        message: "it failed before".to_owned(),
    };
    let record = Record {
        rest,
        in_a_row: u32::try_from(count.max(1)).unwrap_or(u32::MAX),
        last_ms: figure("lastFailureAt").unwrap_or(until_ms),
    };
    Past {
        records: vec![(None, record)],
        ..ours
    }
}

fn record(written: Written) -> (Option<String>, Record) {
    let rest = Rest {
        until_ms: written.until,
        kind: ModelErrorKind::parse(&written.reason),
        firm: written.firm,
        message: written.message,
    };
    let record = Record {
        rest,
        in_a_row: written.in_a_row,
        last_ms: written.last,
    };
    (written.model, record)
}

/// `cooldownUntil` and `disabledUntil` as they follow from the rests: who reads only these leaves the whole account alone.
fn plain(past: &Past) -> (Option<i64>, Option<i64>) {
    let until = |billing: bool| {
        let fits = past.records.iter().filter(|(_, record)| {
            let kind = record.rest.kind;
            // That a model isn't there says nothing about the account.
            (kind == ModelErrorKind::Billing) == billing && kind != ModelErrorKind::ModelNotFound
        });
        fits.map(|(_, record)| record.rest.until_ms).max()
    };
    (until(false), until(true))
}

/// Writes an account's part; what isn't ours stays.
pub(crate) fn write(past: &Past, stats: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Option<Value>| match value {
        Some(value) => drop(stats.insert(name.to_owned(), value)),
        None => drop(stats.shift_remove(name)),
    };
    let (cooldown, disabled) = plain(past);
    let records = || past.records.iter().map(|(_, record)| record);
    let count = records().map(|record| record.in_a_row).max();
    let last = records().map(|record| record.last_ms).max();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for record in records() {
        *counts.entry(reason(record.rest.kind)).or_default() += record.in_a_row;
    }
    if let Some(used_ms) = past.used_ms {
        put("lastUsed", Some(json!(used_ms)));
    }
    put("cooldownUntil", cooldown.map(|at| json!(at)));
    put("disabledUntil", disabled.map(|at| json!(at)));
    put("disabledReason", disabled.map(|_| json!("billing")));
    put("errorCount", Some(json!(count.unwrap_or(0))));
    put("failureCounts", (!counts.is_empty()).then(|| json!(counts)));
    if let Some(last) = last {
        put("lastFailureAt", Some(json!(last)));
    }
    let rests: Vec<Written> = past.records.iter().map(written).collect();
    let ours = past.mark.as_ref().filter(|_| !rests.is_empty());
    put("key", ours.map(|mark| json!(mark)));
    put("rests", (!rests.is_empty()).then(|| json!(rests)));
}

fn written((model, record): &(Option<String>, Record)) -> Written {
    Written {
        model: model.clone(),
        until: record.rest.until_ms,
        reason: record.rest.kind.as_str().to_owned(),
        firm: record.rest.firm,
        in_a_row: record.in_a_row,
        last: record.last_ms,
        message: record.rest.message.clone(),
    }
}

/// The word that other programs know for a sort of failure.
fn reason(kind: ModelErrorKind) -> &'static str {
    use ModelErrorKind as Kind;
    match kind {
        Kind::RateLimit | Kind::Overload => "rate_limit",
        Kind::Timeout(_) | Kind::Network => "timeout",
        Kind::Auth => "auth",
        Kind::Billing => "billing",
        Kind::Format => "format",
        Kind::ContextOverflow | Kind::ModelNotFound | Kind::Refusal | Kind::Unknown => "unknown",
    }
}

/// The part of a file that belongs to one provider's breaker.
pub(crate) fn breaker(breakers: &Value, provider: &str) -> Breaker {
    let written = breakers.get(provider).cloned().unwrap_or_default();
    serde_json::from_value(written).unwrap_or_default()
}

/// One file's part of what is known of a provider.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Page {
    pub(crate) provider: String,
    /// By the name in the file.
    pub(crate) accounts: Vec<(String, Past)>,
    /// Those that are in the file only while they have something to say: no stored credential is behind them.
    pub(crate) passing: Vec<String>,
    /// `Some` in the file that keeps it.
    pub(crate) breaker: Option<Breaker>,
}

/// Brings a file up to date; one that says it all is not touched. Waits for the disk.
pub(crate) fn keep(file: &Path, page: &Page) -> std::io::Result<()> {
    let silent = |(id, past): &(String, Past)| page.passing.contains(id) && past.records.is_empty();
    let quiet = page.accounts.iter().all(silent)
        && page
            .breaker
            .is_none_or(|breaker| breaker == Breaker::default());
    if quiet && !file.exists() {
        return Ok(());
    }
    let mut held = store::hold(file)?;
    let before = held.content().clone();
    held.edit("usageStats", |section| {
        for account in &page.accounts {
            let (id, past) = account;
            if silent(account) {
                section.shift_remove(id);
                continue;
            }
            let mut stats = match section.get(id) {
                Some(Value::Object(stats)) => stats.clone(),
                _ => Map::new(),
            };
            write(past, &mut stats);
            section.insert(id.clone(), Value::Object(stats));
        }
    });
    if let Some(breaker) = page.breaker {
        let known = held.content().contains_key("breakers");
        if known || breaker != Breaker::default() {
            held.edit("breakers", |section| match breaker == Breaker::default() {
                true => drop(section.shift_remove(&page.provider)),
                false => drop(section.insert(page.provider.clone(), json!(breaker))),
            });
        }
    }
    match *held.content() == before {
        true => Ok(()),
        false => held.write(),
    }
}
