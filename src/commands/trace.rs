//! `trace`: where a message stands and how it came there, in and out, from the ledger.

use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use super::health::string;
use crate::error::CommandResult;
use crate::render;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

/// Characters of a message that are shown: enough to recognise it.
const TEXT: usize = 72;

#[derive(Debug, clap::Args)]
pub(crate) struct TraceArgs {
    /// A row (agent:main:main#3, telegram/home#7), a run, an idempotency key, a trace, or the platform's id of an update
    /// or a message.
    id: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(crate) async fn run(args: &TraceArgs, shell: &Shell) -> CommandResult {
    let mut client = args.remote.connect(shell).await?;
    let params = json!({ "id": args.id });
    let found = client
        .call("messages.trace", &params, args.remote.timeout())
        .await?;
    client.close().await;
    let now_ms = render::now_ms();
    shell
        .terminal
        .show(&found, |terminal| render(&found, now_ms, terminal))?;
    Ok(())
}

/// All rows of an answer, what came in before what went out.
pub(crate) fn render(found: &Value, now_ms: i64, terminal: &Terminal) -> String {
    let mut text = String::new();
    for (way, word) in [("inbound", "in "), ("outbound", "out")] {
        for story in found
            .get(way)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            text.push_str(&render_story(story, word, now_ms, terminal));
            text.push('\n');
        }
    }
    if found.get("more").and_then(Value::as_bool) == Some(true) {
        text.push_str("More messages have this id; they are not shown.\n");
    }
    text
}

/// One row: what it is, where it stands, and its moves.
pub(crate) fn render_story(story: &Value, word: &str, now_ms: i64, terminal: &Terminal) -> String {
    let state = string(story, "state");
    let changed = number(story, "changedAtMs");
    let mut text = format!(
        "{}  {}  {}  {}\n",
        terminal.paint(Tone::Muted, word),
        terminal.paint(Tone::Accent, &string(story, "id")),
        terminal.paint(tone(&state), &state),
        terminal.paint(Tone::Muted, &render::ago(changed, now_ms)),
    );
    for (label, value) in facts(story) {
        if !value.is_empty() {
            text.push_str(&format!("{label:>11}  {}\n", render::clean(&value)));
        }
    }
    let moves = story.get("moves").and_then(Value::as_array);
    let moves: Vec<&Value> = moves.into_iter().flatten().collect();
    if moves.is_empty() {
        text.push_str("      moves  none kept: an older version wrote this row\n");
        return text;
    }
    let left_out = number(story, "movesLeftOut");
    let mut table = Table::new(&["", "", "", "", ""]);
    let began = moves.first().map_or(0, |first| number(first, "atMs"));
    for (n, step) in moves.iter().enumerate() {
        let state = string(step, "state");
        let tries = number(step, "attempts");
        table.row(vec![
            (Tone::Plain, "    ".to_owned()),
            (Tone::Muted, time(number(step, "atMs"), began)),
            (tone(&state), state),
            (
                Tone::Muted,
                if tries > 0 {
                    format!("try {tries}")
                } else {
                    String::new()
                },
            ),
            (Tone::Plain, string(step, "why")),
        ]);
        if n == 0 && left_out > 0 {
            let gap = format!("… {left_out} moves no longer kept");
            table.row(vec![
                (Tone::Plain, String::new()),
                (Tone::Plain, String::new()),
                (Tone::Plain, String::new()),
                (Tone::Plain, String::new()),
                (Tone::Muted, gap),
            ]);
        }
    }
    text.push_str(&table.render(terminal));
    text
}

fn facts(story: &Value) -> Vec<(&'static str, String)> {
    let at = |pointer: &str| match story.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let said = [at("/body/text"), at("/payload/text")].concat();
    let said: String = match said.chars().count() > TEXT {
        true => said.chars().take(TEXT).chain(['…']).collect(),
        false => said,
    };
    let platform = story.get("platformIds").and_then(Value::as_array);
    let platform: Vec<&str> = platform
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let source = match (at("/source"), at("/sourceId")) {
        (source, _) if source.is_empty() => String::new(),
        (source, id) => format!("{source} {id}"),
    };
    let answers = match (at("/session"), at("/turn")) {
        (session, turn) if !turn.is_empty() => format!("{session}#{turn}"),
        _ => String::new(),
    };
    vec![
        ("text", said),
        ("from", source),
        ("message", at("/body/messageId")),
        ("to", at("/route/to")),
        ("answers", answers),
        ("run", at("/runId")),
        ("key", at("/idemKey")),
        ("platform id", platform.join(", ")),
        ("trace", at("/traceparent")),
        ("why", [at("/reason"), at("/error")].concat()),
        ("crash", at("/crash")),
    ]
}

fn number(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(Value::as_i64).unwrap_or(0)
}

/// The first moment in full, the others as what had passed by then.
fn time(at_ms: i64, began_ms: i64) -> String {
    match u64::try_from(at_ms.saturating_sub(began_ms)) {
        Ok(0) | Err(_) => jiff::Timestamp::from_millisecond(at_ms)
            .map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
            .unwrap_or_default(),
        Ok(ms) => format!("+{}", render::duration(ms)),
    }
}

pub(crate) fn tone(state: &str) -> Tone {
    match state {
        "done" | "sent" => Tone::Good,
        "dead" | "failed" => Tone::Bad,
        "unknown" | "interrupted" => Tone::Warn,
        "dropped" | "aborted" => Tone::Muted,
        _ => Tone::Strong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_reads_from_the_first_move_to_the_last() {
        let found = json!({
            "inbound": [],
            "outbound": [{
                "id": "telegram/home#7", "state": "sent", "changedAtMs": 1_700_000_004_500_i64,
                "payload": { "text": "the answer" }, "route": { "to": "42" }, "platformIds": ["71"],
                "session": "agent:main:main", "turn": 3, "idemKey": "k",
                "movesLeftOut": 2,
                "moves": [
                    { "atMs": 1_700_000_000_000_i64, "state": "prepared", "attempts": 0, "why": "queued" },
                    { "atMs": 1_700_000_003_000_i64, "state": "attempting", "attempts": 2, "why": "claimed" },
                    { "atMs": 1_700_000_004_500_i64, "state": "sent", "attempts": 2, "why": "the platform has it" },
                ],
            }],
            "more": false,
        });
        let text = render(&found, 1_700_000_010_000, &Terminal::plain());
        let expected = [
            "out  telegram/home#7  sent  5.5 s ago",
            "       text  the answer",
            "    answers  agent:main:main#3",
            "platform id  71",
            "2023-11-14 22:13:20 UTC  prepared",
            "2 moves no longer kept",
            "+3.0 s",
            "try 2  the platform has it",
        ];
        for line in expected {
            assert!(text.contains(line), "{line:?} not in\n{text}");
        }
    }
}
