//! What providers say of their quotas, for people.

use openclaw_provider::quota::Quota;
use serde_json::Value;
use serde_json::json;

use crate::commands::health::string;
use crate::render;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;

/// Used up to here, it is time to look.
const NEARLY: f64 = 80.0;

/// The quotas as a document.
pub(super) fn document(quotas: &[Quota]) -> Value {
    json!(quotas)
}

pub(super) fn render(document: &Value, now_ms: i64, terminal: &Terminal) -> String {
    let quotas = document.get("quotas").and_then(Value::as_array);
    let Some(quotas) = quotas.filter(|quotas| !quotas.is_empty()) else {
        return String::new();
    };
    let mut table = Table::new(&["QUOTA", ""]);
    for quota in quotas {
        let (tone, text) = parts(quota, now_ms);
        table.row(vec![(Tone::Strong, name(quota)), (tone, text)]);
    }
    format!("\n{}", table.render(terminal))
}

/// One provider's quota in a line.
pub(crate) fn line(quota: &Value, now_ms: i64) -> (Tone, String) {
    let (tone, text) = parts(quota, now_ms);
    (tone, format!("{}: {text}", name(quota)))
}

/// "Claude", or "Codex (Plus)".
fn name(quota: &Value) -> String {
    let name = render::clean(&string(quota, "displayName"));
    match string(quota, "plan") {
        plan if plan.is_empty() => name,
        plan => format!("{name} ({})", render::clean(&plan)),
    }
}

fn parts(quota: &Value, now_ms: i64) -> (Tone, String) {
    let windows = quota.get("windows").and_then(Value::as_array);
    let mut tone = Tone::Plain;
    let mut parts = Vec::new();
    for window in windows.into_iter().flatten() {
        let used = window.get("usedPercent").and_then(Value::as_f64);
        let used = used.unwrap_or_default();
        if used >= NEARLY {
            tone = Tone::Warn;
        }
        let reset = window.get("resetAt").and_then(Value::as_i64);
        let left = reset.and_then(|at| u64::try_from(at - now_ms).ok());
        let anew = left.map_or_else(String::new, |left| {
            format!(" (anew in {})", render::duration(left))
        });
        let label = render::clean(&string(window, "label"));
        parts.push(format!("{label} {used:.0} % used{anew}"));
    }
    let error = string(quota, "error");
    if !error.is_empty() {
        tone = Tone::Warn;
        parts.push(render::clean(&error));
    }
    if parts.is_empty() {
        parts.push("no limit".to_owned());
    }
    (tone, parts.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_quota_is_a_line_with_what_is_used_and_when_it_begins_anew() {
        let claude = json!({ "displayName": "Claude", "plan": "Max", "windows": [
            { "label": "5h", "usedPercent": 12.4, "resetAt": 7_200_000 },
            { "label": "Week", "usedPercent": 81 } ] });
        let (tone, text) = line(&claude, 0);
        assert!(matches!(tone, Tone::Warn));
        let told = "Claude (Max): 5h 12 % used (anew in 2h 0m), Week 81 % used";
        assert_eq!(text, told);
        let failed = json!({ "displayName": "Codex", "windows": [], "error": "no answer" });
        assert_eq!(line(&failed, 0).1, "Codex: no answer");
    }
}
