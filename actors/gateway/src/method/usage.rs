//! `usage.*`: what the models cost, by day; and what there is no browser for.

use jiff::Timestamp;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use openclaw_ledger::UsageSum;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use crate::services::now_ms;

/// Days unless told otherwise.
const DAYS: u64 = 30;
/// The longest period that is added up day by day.
const MOST_DAYS: u64 = 3660;

/// How much of each subscription is used, as its provider says.
pub(super) fn status(call: Call) -> Outcome {
    Outcome::later(async move {
        let services = &call.services;
        let catalogue = (services.catalogue)();
        let quotas = services
            .quotas
            .quotas(&services.directory, &catalogue)
            .await;
        Ok(json!({ "updatedAt": now_ms(), "providers": quotas }))
    })
}

pub(super) fn browser(_call: Call) -> Outcome {
    let message = "this gateway controls no browser yet";
    Outcome::now(Err(ErrorShape::unavailable(message)))
}

pub(super) fn cost(call: Call) -> Outcome {
    Outcome::later(async move {
        let days = days(&call)?;
        let (is_late, ledger) = (
            call.principal.version == Protocol::V4,
            call.services.ledger.clone(),
        );
        let adding = tokio::task::spawn_blocking(move || {
            let mut totals = UsageSum::default();
            let mut daily = Vec::new();
            for (date, from, until) in spans(&days) {
                let sum = ledger.usage(from, until).total;
                totals.add(&sum);
                if is_late || sum.calls > 0 {
                    let mut row = shown(&sum);
                    if let Value::Object(row) = &mut row {
                        row.insert("date".to_owned(), json!(date.to_string()));
                    }
                    daily.push(row);
                }
            }
            json!({
                "updatedAt": now_ms(), "days": days.len(), "daily": daily, "totals": shown(&totals),
            })
        });
        adding
            .await
            .map_err(|error| ErrorShape::unavailable(error.to_string()))
    })
}

/// The days that are asked for, in the machine's zone: from, until, or the last ones.
pub(super) fn days(call: &Call) -> Result<Vec<Date>, ErrorShape> {
    let today = Timestamp::now().to_zoned(TimeZone::system()).date();
    let date = |name: &str| match call.text(name) {
        Some(text) => text
            .parse::<Date>()
            .map(Some)
            .map_err(|_| ErrorShape::invalid(format!("{name} is written YYYY-MM-DD"))),
        None => Ok(None),
    };
    let until = date("endDate")?.unwrap_or(today);
    let count = call.number("days").unwrap_or(DAYS).clamp(1, MOST_DAYS);
    let count = i64::try_from(count).unwrap_or(1);
    let from = match date("startDate")? {
        Some(from) => from,
        None => until.saturating_sub((count - 1).days()),
    };
    if from > until {
        return Err(ErrorShape::invalid("startDate lies after endDate"));
    }
    let most = usize::try_from(MOST_DAYS).unwrap_or(usize::MAX);
    Ok(from
        .series(1.day())
        .take_while(|day| *day <= until)
        .take(most)
        .collect())
}

/// Each day with its first and its last millisecond.
pub(super) fn spans(days: &[Date]) -> impl Iterator<Item = (Date, i64, i64)> + '_ {
    let zone = TimeZone::system();
    let start = move |day: Date| {
        let start = day.to_zoned(zone.clone()).ok();
        start.map(|start| start.timestamp().as_millisecond())
    };
    days.iter().filter_map(move |day| {
        let next = day.tomorrow().ok()?;
        Some((*day, start(*day)?, start(next)?))
    })
}

/// A sum as clients know it. What older rows don't tell apart stands at the input.
pub(super) fn shown(sum: &UsageSum) -> Value {
    let told = sum.input_usd + sum.output_usd + sum.cache_read_usd + sum.cache_write_usd;
    let untold = (sum.cost_usd - told).max(0.0);
    json!({
        "input": sum.input,
        "output": sum.output,
        "cacheRead": sum.cache_read,
        "cacheWrite": sum.cache_write,
        "reasoning": sum.reasoning,
        "totalTokens": sum.tokens(),
        "totalCost": sum.cost_usd,
        "inputCost": sum.input_usd + untold,
        "outputCost": sum.output_usd,
        "cacheReadCost": sum.cache_read_usd,
        "cacheWriteCost": sum.cache_write_usd,
        "missingCostEntries": sum.unpriced,
    })
}
