//! `deadletters`: messages that could not be answered or sent, and what to do about each.

use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use super::health::string;
use super::trace;
use crate::error::CommandResult;
use crate::render;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct DeadLettersArgs {
    #[command(subcommand)]
    command: DeadLettersCommand,
}

#[derive(Debug, Subcommand)]
enum DeadLettersCommand {
    /// Show what waits, newest first.
    List {
        /// Not more than this.
        #[arg(long, value_name = "n", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=2000))]
        limit: u32,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Show one in full: its text, its moves, and the crash that ended it.
    Show(LetterArgs),
    /// Try it again, with fresh attempts.
    Retry(LetterArgs),
    /// Put it away for good. It is not sent or answered; its record stays for a week.
    Drop(LetterArgs),
}

#[derive(Debug, clap::Args)]
struct LetterArgs {
    /// The letter, as the list names it: agent:main:main#3 or telegram/home#7
    id: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(crate) async fn run(args: &DeadLettersArgs, shell: &Shell) -> CommandResult {
    let now_ms = render::now_ms();
    match &args.command {
        DeadLettersCommand::List { limit, remote } => {
            let answer = ask(remote, "list", &json!({ "limit": limit }), shell).await?;
            shell
                .terminal
                .show(&answer, |terminal| list(&answer, now_ms, terminal))?;
        }
        DeadLettersCommand::Show(letter) => {
            let answer = about(letter, "show", shell).await?;
            shell
                .terminal
                .show(&answer, |terminal| one(&answer, now_ms, terminal))?;
        }
        DeadLettersCommand::Retry(letter) => {
            let answer = about(letter, "retry", shell).await?;
            let again = string(&answer, "retriedAs");
            let done = format!("{}: tried again as {again}", letter.id);
            shell
                .terminal
                .show(&answer, |terminal| terminal.paint(Tone::Good, &done))?;
        }
        DeadLettersCommand::Drop(letter) => {
            let answer = about(letter, "drop", shell).await?;
            let done = format!("{}: dropped", letter.id);
            shell
                .terminal
                .show(&answer, |terminal| terminal.paint(Tone::Good, &done))?;
        }
    }
    Ok(())
}

async fn about(letter: &LetterArgs, verb: &str, shell: &Shell) -> CommandResult<Value> {
    ask(&letter.remote, verb, &json!({ "id": letter.id }), shell).await
}

async fn ask(
    remote: &RemoteArgs,
    verb: &str,
    params: &Value,
    shell: &Shell,
) -> CommandResult<Value> {
    let mut client = remote.connect(shell).await?;
    let method = format!("deadletters.{verb}");
    let answer = client.call(&method, params, remote.timeout()).await?;
    client.close().await;
    Ok(answer)
}

fn list(answer: &Value, now_ms: i64, terminal: &Terminal) -> String {
    let letters = answer.get("letters").and_then(Value::as_array);
    let letters: Vec<&Value> = letters.into_iter().flatten().collect();
    if letters.is_empty() {
        return "No dead letters: everything was answered and sent, or still waits its turn."
            .to_owned();
    }
    let mut table = Table::new(&["LETTER", "WAY", "STATE", "WHEN", "TRIES", "WHY"]);
    for letter in &letters {
        let state = string(letter, "state");
        let number = |name: &str| letter.get(name).and_then(Value::as_i64).unwrap_or(0);
        table.row(vec![
            (Tone::Accent, string(letter, "id")),
            (Tone::Plain, string(letter, "direction")),
            (trace::tone(&state), state),
            (Tone::Plain, render::ago(number("atMs"), now_ms)),
            (Tone::Plain, number("attempts").to_string()),
            (Tone::Plain, string(letter, "reason")),
        ]);
    }
    let mut text = table.render(terminal);
    let total = answer.get("total").and_then(Value::as_u64).unwrap_or(0);
    if total > letters.len() as u64 {
        text.push_str(&format!("{total} in all; --limit shows more\n"));
    }
    text
}

fn one(answer: &Value, now_ms: i64, terminal: &Terminal) -> String {
    let word = match string(answer, "direction").as_str() {
        "in" => "in ",
        _ => "out",
    };
    let letter = answer.get("letter").unwrap_or(answer);
    let mut text = trace::render_story(letter, word, now_ms, terminal);
    if let Some(crash) = answer.get("crash").filter(|crash| !crash.is_null()) {
        text.push('\n');
        text.push_str(&super::supervisor::crash::one(crash, terminal));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_each_letter_and_why() {
        let answer = json!({ "total": 3, "letters": [
            { "id": "agent:main:main#3", "direction": "in", "state": "dead", "atMs": 1_000, "attempts": 4,
              "reason": "it crashed three times" },
            { "id": "telegram/home#7", "direction": "out", "state": "unknown", "atMs": 2_000, "attempts": 1,
              "reason": "the connection broke" },
        ] });
        let text = list(&answer, 62_000, &Terminal::plain());
        assert!(
            text.contains("agent:main:main#3  in   dead     1m 1s ago"),
            "{text}"
        );
        assert!(text.contains("the connection broke"), "{text}");
        assert!(text.ends_with("3 in all; --limit shows more\n"), "{text}");
        let none = list(&json!({ "letters": [] }), 0, &Terminal::plain());
        assert!(none.starts_with("No dead letters"));
    }
}
