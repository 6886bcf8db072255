//! Crash records: the list, and one in full.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::client::Client;
use crate::commands::health::string;
use crate::error::CommandResult;
use crate::render;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

pub(super) async fn run(
    client: &mut Client,
    id: Option<&str>,
    within: Duration,
    shell: &Shell,
) -> CommandResult {
    let params = id.map_or_else(|| json!({}), |id| json!({ "id": id }));
    let answer = client.call("supervisor.crash", &params, within).await?;
    shell.terminal.show(&answer, |terminal| match id {
        Some(_) => one(answer.get("crash").unwrap_or(&answer), terminal),
        None => list(&answer, render::now_ms(), terminal),
    })?;
    Ok(())
}

fn list(answer: &Value, now_ms: i64, terminal: &Terminal) -> String {
    let crashes = answer.get("crashes").and_then(Value::as_array);
    let mut table = Table::new(&["CRASH", "WHEN", "ACTOR", "HANDLING", "WHERE", "WHAT"]);
    let mut count = 0;
    for crash in crashes.into_iter().flatten() {
        count += 1;
        let at = crash.get("atMs").and_then(Value::as_i64).unwrap_or(0);
        table.row(vec![
            (Tone::Accent, string(crash, "id")),
            (Tone::Plain, render::ago(at, now_ms)),
            (Tone::Strong, string(crash, "path")),
            (Tone::Plain, string(crash, "mail")),
            (Tone::Muted, string(crash, "location")),
            (Tone::Bad, string(crash, "message")),
        ]);
    }
    if count == 0 {
        return "Nothing has crashed since the gateway started.".to_owned();
    }
    table.render(terminal)
}

pub(crate) fn one(crash: &Value, terminal: &Terminal) -> String {
    let mut text = format!(
        "{}  {}\n",
        terminal.paint(Tone::Accent, &string(crash, "id")),
        terminal.paint(Tone::Bad, &render::clean(&string(crash, "message"))),
    );
    for (label, name) in [
        ("actor", "path"),
        ("handling", "mail"),
        ("where", "location"),
        ("thread", "thread"),
        ("trace", "traceparent"),
    ] {
        let value = string(crash, name);
        if !value.is_empty() {
            text.push_str(&format!("{label:>9}  {}\n", render::clean(&value)));
        }
    }
    for line in string(crash, "backtrace").lines() {
        text.push_str(&terminal.paint(Tone::Muted, &render::clean(line)));
        text.push('\n');
    }
    text
}
