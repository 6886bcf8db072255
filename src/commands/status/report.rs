//! The status as text: first the verdict, then each part on its line.

use serde_json::Value;

use super::Terminal;
use super::Tone;
use crate::commands::health::channel_state;
use crate::commands::health::object;
use crate::commands::health::problem_line;
use crate::commands::health::problems;
use crate::commands::health::string;
use crate::commands::models::quota;
use crate::render;
use crate::render::Table;

/// What to show beside the summary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Everything, to paste into a question.
    pub(super) all: bool,
    /// Addresses and paths.
    pub(super) wide: bool,
    /// What the models used.
    pub(super) usage: bool,
}

pub(super) fn render(document: &Value, extent: Extent, terminal: &Terminal) -> String {
    let empty = Value::Null;
    let part = |name: &str| document.get(name).unwrap_or(&empty);
    let (local, gateway, live) = (part("local"), part("gateway"), part("live"));
    let mut table = Table::new(&["", ""]);
    let mut row = |name: &str, tone: Tone, text: String| {
        table.row(vec![(Tone::Muted, name.to_owned()), (tone, text)]);
    };
    let (tone, verdict) = verdict(local, gateway);
    row("Gateway", tone, verdict);
    row(
        "Version",
        Tone::Plain,
        format!("{} on {}", string(local, "version"), string(local, "os")),
    );
    row("Config", config_tone(local), config(local));
    if extent.wide || extent.all {
        row("State", Tone::Plain, string(local, "stateDir"));
        let from = string(local, "urlFrom");
        row(
            "Address",
            Tone::Plain,
            format!("{} (from {from})", string(local, "url")),
        );
    }
    row("Model", Tone::Plain, string(local, "model"));
    for (name, tone, text) in conversations(live, extent.usage) {
        row(name, tone, text);
    }
    for (channel, accounts) in live
        .get("channels")
        .into_iter()
        .flat_map(|status| object(status, "channelAccounts"))
    {
        for account in accounts.as_array().into_iter().flatten() {
            let (tone, mut state) = channel_state(account);
            let problem = string(account, "lastError");
            if !problem.is_empty() {
                state = format!("{state}: {problem}");
            }
            row(
                &format!("{channel}/{}", string(account, "accountId")),
                tone,
                state,
            );
        }
    }
    let mut text = table.render(terminal);
    let health = gateway.get("health").unwrap_or(&empty);
    for problem in problems(health) {
        text.push_str(&problem_line(problem, terminal));
    }
    let issues = local.pointer("/config/issues").and_then(Value::as_array);
    for issue in issues.into_iter().flatten() {
        text.push_str(&format!(
            "{} {}: {}\n",
            terminal.paint(Tone::Warn, &string(issue, "severity")),
            string(issue, "path"),
            render::clean(&string(issue, "message")),
        ));
    }
    for hint in gateway
        .pointer("/error/hints")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        text.push_str(&format!("  {}\n", hint.as_str().unwrap_or_default()));
    }
    if extent.all {
        text.push_str(&appendix(live, terminal));
    }
    text
}

fn verdict(local: &Value, gateway: &Value) -> (Tone, String) {
    if gateway.get("ok").and_then(Value::as_bool) == Some(true) {
        let process = local.get("process").filter(|process| !process.is_null());
        let up = process
            .and_then(|process| process.get("startedAtMs"))
            .and_then(Value::as_i64)
            .and_then(|at| u64::try_from(render::now_ms() - at).ok())
            .map_or_else(String::new, |ms| format!(", up {}", render::duration(ms)));
        let took = gateway.get("tookMs").and_then(Value::as_u64).unwrap_or(0);
        return (
            Tone::Good,
            format!(
                "running at {}{up}, answered in {took} ms",
                string(local, "url")
            ),
        );
    }
    let why = gateway
        .pointer("/error/message")
        .and_then(Value::as_str)
        .unwrap_or("not asked");
    (Tone::Bad, format!("not reachable: {why}"))
}

fn config_tone(local: &Value) -> Tone {
    match local.pointer("/config/valid").and_then(Value::as_bool) {
        Some(false) => Tone::Bad,
        _ => Tone::Plain,
    }
}

fn config(local: &Value) -> String {
    let flag = |name: &str| {
        local
            .pointer(&format!("/config/{name}"))
            .and_then(Value::as_bool)
    };
    let path = local
        .pointer("/config/path")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match (flag("exists"), flag("valid")) {
        (Some(false), _) => format!("{path} is not there, the defaults hold"),
        (_, Some(false)) => format!("{path} has errors"),
        _ => path.to_owned(),
    }
}

/// Conversations and tokens, as far as the gateway said.
fn conversations(live: &Value, usage: bool) -> Vec<(&'static str, Tone, String)> {
    let mut rows = Vec::new();
    let sessions = live.pointer("/status/sessions");
    if let Some(count) = sessions
        .and_then(|sessions| sessions.get("count"))
        .and_then(Value::as_u64)
    {
        rows.push(("Sessions", Tone::Plain, count.to_string()));
    }
    if !usage {
        return rows;
    }
    let days = live.pointer("/cost/daily").and_then(Value::as_array);
    let today = days.and_then(|days| days.last());
    for (name, sum) in [("Today", today), ("30 days", live.pointer("/cost/totals"))] {
        let Some(sum) = sum else {
            continue;
        };
        let tokens = sum.get("totalTokens").and_then(Value::as_u64).unwrap_or(0);
        let cost = sum.get("totalCost").and_then(Value::as_f64).unwrap_or(0.0);
        rows.push((name, Tone::Plain, format!("{tokens} tokens, ${cost:.2}")));
    }
    let quotas = live.pointer("/quotas/providers").and_then(Value::as_array);
    for quota in quotas.into_iter().flatten() {
        let (tone, text) = quota::line(quota, render::now_ms());
        rows.push(("Quota", tone, text));
    }
    let recent = sessions
        .and_then(|sessions| sessions.get("recent"))
        .and_then(Value::as_array);
    for session in recent.into_iter().flatten() {
        let tokens = |name: &str| session.get(name).and_then(Value::as_u64).unwrap_or(0);
        rows.push((
            "Usage",
            Tone::Plain,
            format!(
                "{}: {} in, {} out, {}",
                string(session, "key"),
                tokens("inputTokens"),
                tokens("outputTokens"),
                string(session, "model"),
            ),
        ));
    }
    rows
}

/// The tree, the crashes and the end of the log, for `--all`. The gateway's log holds no secrets.
fn appendix(live: &Value, terminal: &Terminal) -> String {
    let mut text = String::new();
    if let Some(tree) = live.get("tree") {
        let drawn = crate::commands::supervisor::tree::render(tree, render::now_ms(), terminal);
        text.push_str(&format!("\n{drawn}"));
    }
    let crashes = live.pointer("/crashes/crashes").and_then(Value::as_array);
    for crash in crashes.into_iter().flatten().take(10) {
        text.push_str(&format!(
            "\ncrash {} {} {}: {}",
            string(crash, "id"),
            string(crash, "path"),
            string(crash, "location"),
            render::clean(&string(crash, "message")),
        ));
    }
    let lines = live.pointer("/log/lines").and_then(Value::as_array);
    let lines: Vec<&str> = lines
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !lines.is_empty() {
        text.push_str("\nlog:\n");
        for line in lines {
            text.push_str(&crate::commands::logs::plain(line, *terminal));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_gateway_that_is_down_is_the_first_thing_said() {
        let document = json!({
            "local": {
                "version": "1", "os": "linux", "model": "builtin/basic", "url": "ws://h:1",
                "config": { "path": "/c", "exists": false, "valid": true, "issues": [] },
            },
            "gateway": { "ok": false, "error": { "message": "no gateway is listening", "hints": ["start one: openclaw up"] } },
            "live": null,
        });
        let extent = Extent {
            all: false,
            wide: false,
            usage: false,
        };
        let text = render(&document, extent, &Terminal::plain());
        assert_eq!(
            text,
            "Gateway  not reachable: no gateway is listening\n\
             Version  1 on linux\n\
             Config   /c is not there, the defaults hold\n\
             Model    builtin/basic\n  \
             start one: openclaw up\n"
        );
    }

    #[test]
    fn a_running_gateway_shows_its_accounts_and_the_end_of_its_log() {
        let document = json!({
            "local": { "url": "ws://h:1", "config": { "path": "/c", "exists": true, "valid": true } },
            "gateway": { "ok": true, "tookMs": 3 },
            "live": {
                "status": { "sessions": { "count": 2, "recent": [] } },
                "channels": { "channelAccounts": { "telegram": [{ "accountId": "home", "configured": true, "running": true, "connected": true }] } },
                "log": { "lines": ["{\"0\":\"{\\\"subsystem\\\":\\\"s\\\"}\",\"1\":\"up\",\"_meta\":{\"logLevelName\":\"INFO\",\"date\":\"D\"}}"] },
            },
        });
        let extent = Extent {
            all: true,
            wide: false,
            usage: false,
        };
        let text = render(&document, extent, &Terminal::plain());
        assert!(
            text.starts_with("Gateway        running at ws://h:1, answered in 3 ms\n"),
            "{text}"
        );
        assert!(text.contains("telegram/home  connected\n"), "{text}");
        assert!(text.ends_with("log:\nD info s up\n"), "{text}");
    }
}
