//! The answers to `/usage`, and what is said of usage with each answer.

use jiff::tz::TimeZone;
use openclaw_ledger::Ledger;
use openclaw_ledger::UsageSum;
use openclaw_protocol::SessionKey;
use openclaw_protocol::Usage;
use serde_json::json;

use super::Shown;
use crate::budget::day;
use crate::budget::dollars;
use crate::budget::grouped;
use crate::entry;
use crate::entry::Entry;

const DAY_MS: i64 = 24 * 3_600 * 1_000;
/// The longer of the two periods that are added up.
const DAYS: i64 = 30;
/// The entry's field.
const FIELD: &str = "responseUsage";

/// What is said with each answer of a session.
pub(crate) fn shown(stored: Option<&Entry>) -> Shown {
    match stored.and_then(|entry| entry::text(entry, FIELD)) {
        Some("tokens" | "on") => Shown::Tokens,
        Some("full") => Shown::Full,
        _ => Shown::Off,
    }
}

/// The answer to a choice; without one the next of off, tokens, full is chosen.
pub(crate) fn choose(stored: Option<&Entry>, wanted: Option<Shown>) -> (String, Entry) {
    let wanted = wanted.unwrap_or(match shown(stored) {
        Shown::Off | Shown::Cost => Shown::Tokens,
        Shown::Tokens => Shown::Full,
        Shown::Full => Shown::Off,
    });
    let (word, text) = match wanted {
        Shown::Tokens => ("tokens", "With each answer I say how many tokens it took."),
        Shown::Full => (
            "full",
            "With each answer I say how many tokens it took and what it cost.",
        ),
        Shown::Off | Shown::Cost => ("off", "I say nothing of usage any more."),
    };
    (
        text.to_owned(),
        Entry::from_iter([(FIELD.to_owned(), json!(word))]),
    )
}

/// What was spent: in this session, today, and in the last month. Reads many rows: call it off the workers.
pub(crate) fn cost(ledger: &Ledger, key: &SessionKey, now_ms: i64, zone: &TimeZone) -> String {
    let (_, today) = day(now_ms, zone);
    let month = ledger.usage(now_ms - DAYS * DAY_MS, now_ms + 1);
    let of_session = month.sessions.get(key.as_str()).copied();
    let of_today = ledger.usage(today, now_ms + 1).total;
    let line = |name: &str, sum: UsageSum| {
        let unpriced = match sum.unpriced {
            0 => String::new(),
            n => format!(", {n} calls without a price"),
        };
        format!(
            "{name}: {} in {} calls, {} tokens{unpriced}",
            dollars(openclaw_ledger::micro_usd(sum.cost_usd)),
            grouped(sum.calls),
            grouped(sum.tokens()),
        )
    };
    [
        line("This session", of_session.unwrap_or_default()),
        line("Today", of_today),
        line("Last 30 days", month.total),
    ]
    .join("\n")
}

/// The line behind an answer; none when nothing is to be said.
pub(crate) fn footer(shown: Shown, usage: &Usage, model: &str) -> Option<String> {
    if *usage == Usage::default() {
        return None;
    }
    let read = usage.input + usage.cache_read + usage.cache_write;
    let cached = match usage.cache_read {
        0 => String::new(),
        cached => format!(" ({} from the cache)", grouped(cached)),
    };
    let tokens = format!(
        "Usage: {} tokens in{cached}, {} out",
        grouped(read),
        grouped(usage.output)
    );
    match shown {
        Shown::Off | Shown::Cost => None,
        Shown::Tokens => Some(tokens),
        Shown::Full => {
            let cost = match usage.cost.total > 0.0 {
                true => dollars(openclaw_ledger::micro_usd(usage.cost.total)),
                false => "no price known".to_owned(),
            };
            Some(format!("{tokens}; {cost}; {model}"))
        }
    }
}
