//! The answer to `/queue`: what becomes of messages that come while a turn runs.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::entry::Entry;
use crate::queue;
use crate::queue::Mode;
use crate::queue::Rules;

/// The entry's fields.
const FIELDS: [&str; 4] = ["queueMode", "queueDebounceMs", "queueCap", "queueDrop"];
/// Longest pause that may be chosen: more is a mistake of the unit.
const LONGEST: Duration = Duration::from_secs(3600);

/// The answer to a wish, and what it changes of the session.
pub(crate) fn choose(now: &Rules, wish: &str) -> (String, Entry) {
    if wish.is_empty() {
        return (told(now), Entry::new());
    }
    if matches!(wish, "default" | "reset") {
        let patch = FIELDS.map(|field| (field.to_owned(), Value::Null));
        let text = "Messages that come while I answer are treated as configured from now on.";
        return (text.to_owned(), Entry::from_iter(patch));
    }
    let mut next = *now;
    let mut patch = Entry::new();
    for word in wish.split_whitespace() {
        let understood = match word.split_once(':') {
            None => queue::mode(word).map(|mode| {
                next.mode = mode;
                patch.insert("queueMode".to_owned(), json!(mode.name()));
            }),
            Some(("debounce", time)) => duration(time).map(|time| {
                next.debounce = time;
                let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                patch.insert("queueDebounceMs".to_owned(), json!(ms));
            }),
            Some(("cap", cap)) => cap.parse().ok().filter(|cap| *cap > 0).map(|cap: usize| {
                next.cap = Some(cap);
                patch.insert("queueCap".to_owned(), json!(cap));
            }),
            Some(("drop", rule)) => queue::surplus(rule).map(|surplus| {
                next.surplus = surplus;
                patch.insert("queueDrop".to_owned(), json!(surplus.name()));
            }),
            Some(_) => None,
        };
        if understood.is_none() {
            let text = format!(
                "I don't know \"{word}\". There are collect, followup, steer, steer-backlog and interrupt, \
                 and debounce:2s, cap:20, drop:old, drop:new or drop:summarize."
            );
            return (text, Entry::new());
        }
    }
    // The rest counts only beside a mode.
    patch
        .entry("queueMode")
        .or_insert_with(|| json!(next.mode.name()));
    (told(&next), patch)
}

fn told(rules: &Rules) -> String {
    let what = match rules.mode {
        Mode::Followup => "each becomes a turn of its own, in order",
        Mode::Collect => "they become one turn, with one answer",
        Mode::Steer => "I see them at the next tool's end; else each becomes a turn",
        Mode::SteerBacklog => "I see them at the next tool's end, and each becomes a turn after it",
        Mode::Interrupt => "I stop, and they become the next turn",
    };
    let mut text = format!("Messages while I answer ({}): {what}.", rules.mode.name());
    if let Some(cap) = rules.cap {
        text.push_str(&format!(
            " Up to {cap} wait (drop: {}); I take them up after {} ms of quiet.",
            rules.surplus.name(),
            rules.debounce.as_millis()
        ));
    }
    text
}

/// `500ms`, `2s`, `1m`; a number means milliseconds.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        "" | "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds)
        .ok()
        .filter(|time| *time <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_kept_in_the_session_s_own_fields() {
        let (text, patch) = choose(&Rules::PLAIN, "collect debounce:2s cap:25 drop:old");
        assert_eq!(
            Value::Object(patch),
            json!({"queueMode": "collect", "queueDebounceMs": 2000, "queueCap": 25, "queueDrop": "old"})
        );
        assert!(text.contains("one turn") && text.contains("25") && text.contains("2000 ms"));
        let (_, patch) = choose(&Rules::PLAIN, "cap:3");
        assert_eq!(
            Value::Object(patch),
            json!({"queueMode": "followup", "queueCap": 3})
        );
        let (_, patch) = choose(&Rules::PLAIN, "default");
        assert_eq!(patch.len(), 4);
        assert!(patch.values().all(Value::is_null));
    }

    #[test]
    fn what_is_not_understood_changes_nothing() {
        for wish in [
            "fast",
            "collect cap:0",
            "collect debounce:1d",
            "steer x:1",
            "drop:all",
        ] {
            let (text, patch) = choose(&Rules::PLAIN, wish);
            assert!(patch.is_empty() && text.contains("I don't know"), "{wish}");
        }
        assert!(choose(&Rules::PLAIN, "").0.contains("followup"));
    }
}
