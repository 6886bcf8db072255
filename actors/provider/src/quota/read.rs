//! What each provider's answer means. Pure.

use serde_json::Value;

use super::Told;
use super::Window;

/// Rolling windows by name.
pub(super) fn claude(body: &Value) -> Option<Told> {
    let part = |(name, label): &(&str, &str)| {
        let part = body.get(name)?;
        let used = number(part.get("utilization")?)?;
        Some(window(label, used, part.get("resets_at")))
    };
    let named = [
        ("five_hour", "5h"),
        ("seven_day", "Week"),
        ("seven_day_sonnet", "Sonnet"),
        ("seven_day_opus", "Opus"),
    ];
    let windows: Vec<Window> = named.iter().filter_map(part).collect();
    (!windows.is_empty()).then_some((windows, None))
}

/// A short window and a long one; which lengths they have is in the answer.
pub(super) fn codex(body: &Value) -> Option<Told> {
    let part = |name: &str| {
        let part = body.get("rate_limit")?.get(name)?;
        let used = number(part.get("used_percent")?)?;
        let seconds = part.get("limit_window_seconds").and_then(number);
        let label = seconds.map_or_else(|| name.replace('_', " "), length);
        Some(window(&label, used, part.get("reset_at")))
    };
    let windows: Vec<Window> = ["primary_window", "secondary_window"]
        .into_iter()
        .filter_map(part)
        .collect();
    let plan = words(body.get("plan_type"));
    let balance = body.pointer("/credits/balance").and_then(number);
    let plan = match balance.filter(|balance| *balance > 0.0) {
        Some(balance) => Some(
            format!("{} (${balance:.2})", plan.unwrap_or_default())
                .trim()
                .to_owned(),
        ),
        None => plan,
    };
    (!windows.is_empty() || plan.is_some()).then_some((windows, plan))
}

/// Counts of a month; one without bounds is no quota.
pub(super) fn copilot(body: &Value) -> Option<Told> {
    let reset = ["quota_reset_date_utc", "quota_reset_date"];
    let reset = reset.iter().find_map(|name| body.get(name));
    let part = |(name, label): &(&str, &str)| {
        let part = body.get("quota_snapshots")?.get(name)?;
        let count = |name: &str| part.get(name).and_then(number);
        let endless = part.get("unlimited").and_then(Value::as_bool) == Some(true);
        if endless || count("entitlement").is_some_and(|count| count <= 0.0) {
            return None;
        }
        let left = count("percent_remaining")
            .or_else(|| Some(100.0 * count("remaining")? / count("entitlement")?))?;
        Some(window(label, 100.0 - left, reset))
    };
    let named = [("premium_interactions", "Premium"), ("chat", "Chat")];
    let windows: Vec<Window> = named.iter().filter_map(part).collect();
    let plan = words(body.get("copilot_plan"));
    (!windows.is_empty() || plan.is_some()).then_some((windows, plan))
}

/// Limits of tokens by the hour, of tools by the month.
pub(super) fn zai(body: &Value) -> Option<Told> {
    if body.get("success").and_then(Value::as_bool) == Some(false) {
        return None;
    }
    let data = body.get("data")?;
    let limits = data.get("limits")?.as_array()?;
    let part = |limit: &Value| {
        let used = number(limit.get("percentage")?)?;
        let count = limit.get("number").and_then(number).unwrap_or(1.0);
        let unit = limit.get("unit").and_then(Value::as_u64);
        let span = match unit {
            Some(1) => length(count * 86_400.0),
            Some(3) => length(count * 3_600.0),
            Some(5) => format!("{count}m"),
            Some(6) => length(count * 7.0 * 86_400.0),
            _ => "Month".to_owned(),
        };
        let label = match limit.get("type").and_then(Value::as_str)? {
            "TOKENS_LIMIT" => span,
            "TIME_LIMIT" => "Tools".to_owned(),
            _ => return None,
        };
        Some(window(&label, used, limit.get("nextResetTime")))
    };
    let windows: Vec<Window> = limits.iter().filter_map(part).collect();
    let plan = ["planName", "plan", "level"];
    let plan = plan.iter().find_map(|name| words(data.get(name)));
    (!windows.is_empty() || plan.is_some()).then_some((windows, plan))
}

/// Dollars of a key that has a limit.
pub(super) fn openrouter(body: &Value) -> Option<Told> {
    let data = body
        .get("data")
        .filter(|data| data.get("usage").is_some())?;
    let count = |name: &str| data.get(name).and_then(number);
    let limit = count("limit").filter(|limit| *limit > 0.0);
    let windows = limit.map(|limit| {
        let left = count("limit_remaining").unwrap_or(limit - count("usage").unwrap_or(0.0));
        let label = words(data.get("limit_reset")).unwrap_or_else(|| "Key".to_owned());
        window(&label, 100.0 * (limit - left) / limit, None)
    });
    let free = data.get("is_free_tier").and_then(Value::as_bool) == Some(true);
    Some((
        windows.into_iter().collect(),
        free.then(|| "Free".to_owned()),
    ))
}

fn window(label: &str, used: f64, reset: Option<&Value>) -> Window {
    Window {
        label: label.to_owned(),
        used_percent: used.clamp(0.0, 100.0),
        reset_at: reset.and_then(moment),
    }
}

/// How people call a span.
fn length(seconds: f64) -> String {
    let hours = (seconds / 3600.0).round();
    match hours {
        hours if hours >= 28.0 * 24.0 => "Month".to_owned(),
        168.0 => "Week".to_owned(),
        24.0 => "Day".to_owned(),
        hours if hours > 24.0 => format!("{}d", (hours / 24.0).round()),
        hours => format!("{hours}h"),
    }
}

/// A date, or a time in seconds or milliseconds since 1970.
fn moment(value: &Value) -> Option<i64> {
    if let Some(text) = value.as_str() {
        let instant = text.parse::<jiff::Timestamp>();
        let day = || {
            let midnight = text.parse::<jiff::civil::Date>().ok()?;
            let zoned = midnight.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
            Some(zoned.timestamp())
        };
        return Some(instant.ok().or_else(day)?.as_millisecond());
    }
    let count = value.as_i64().filter(|count| *count > 0)?;
    // Seconds reach this only in the year 5138.
    match count < 100_000_000_000 {
        true => count.checked_mul(1000),
        false => Some(count),
    }
}

/// A number, also where it stands as text.
fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok()?,
        value => value.as_f64()?,
    };
    number.is_finite().then_some(number)
}

/// A provider's word for people: `individual_pro` is "Individual Pro".
fn words(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    let word = |word: &str| {
        let mut letters = word.chars().take(40);
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    let words: Vec<String> = text
        .split(['_', '-', ' '])
        .filter(|part| !part.is_empty())
        .take(6)
        .map(word)
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}
