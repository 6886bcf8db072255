//! `audit`: who did what, and the proof that nothing of it was changed.

use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use super::ask;
use super::health::string;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::render;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Show what was done, newest first: tools, approvals, changes of configuration and pairing.
    List {
        /// Not more than this.
        #[arg(long, value_name = "n", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
        /// Only entries before this number.
        #[arg(long, value_name = "n")]
        before: Option<u64>,
        /// Only entries of this kind.
        #[arg(long, value_name = "kind", value_parser = ["tool", "approval", "config", "pairing"])]
        kind: Option<String>,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Look over the whole chain: exits with 1 when an entry was changed, taken out or moved.
    Verify {
        #[command(flatten)]
        remote: RemoteArgs,
    },
}

pub(crate) async fn run(args: &AuditArgs, shell: &Shell) -> CommandResult {
    match &args.command {
        AuditCommand::List {
            limit,
            before,
            kind,
            remote,
        } => {
            let mut params =
                json!({ "limit": limit, "cursor": before.map(|n| n.to_string()), "kind": kind });
            if let Some(params) = params.as_object_mut() {
                params.retain(|_, value| !value.is_null());
            }
            let answer = ask("audit.list", params, remote, shell).await?;
            let now_ms = render::now_ms();
            shell
                .terminal
                .show(&answer, |terminal| list(&answer, now_ms, terminal))?;
            Ok(())
        }
        AuditCommand::Verify { remote } => {
            let answer = ask("audit.verify", json!({}), remote, shell).await?;
            shell
                .terminal
                .show(&answer, |terminal| check(&answer, terminal))?;
            if answer.get("ok") == Some(&json!(true)) {
                return Ok(());
            }
            Err(CommandError::reported(Kind::No))
        }
    }
}

fn list(answer: &Value, now_ms: i64, terminal: &Terminal) -> String {
    let entries = answer.get("entries").and_then(Value::as_array);
    let mut table = Table::new(&["N", "WHEN", "KIND", "WHAT", "OUTCOME", "WHO", "WHERE"]);
    for entry in entries.into_iter().flatten() {
        let number = |name: &str| entry.get(name).and_then(Value::as_i64).unwrap_or(0);
        let outcome = string(entry, "outcome");
        let tone = match outcome.as_str() {
            "failed" | "refused" => Tone::Warn,
            _ => Tone::Plain,
        };
        table.row(vec![
            (Tone::Muted, number("n").to_string()),
            (Tone::Plain, render::ago(number("atMs"), now_ms)),
            (Tone::Plain, string(entry, "kind")),
            (Tone::Accent, string(entry, "what")),
            (tone, outcome),
            (Tone::Plain, string(entry, "actor")),
            (Tone::Muted, string(entry, "place")),
        ]);
    }
    table.render(terminal)
}

fn check(answer: &Value, terminal: &Terminal) -> String {
    let number = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or(0);
    let (entries, first, last) = (number("entries"), number("first"), number("last"));
    match answer.get("said").and_then(Value::as_str) {
        Some(said) => terminal.paint(Tone::Bad, &format!("The chain is broken: {said}.")),
        None => {
            let whole = format!("The chain is whole: {entries} entries, {first} to {last}.");
            let head = string(answer, "head");
            format!("{}\nhead {head}\n", terminal.paint(Tone::Good, &whole))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_chain_says_where() {
        let whole =
            json!({ "ok": true, "entries": 2, "first": 4, "last": 5, "head": "ab", "said": null });
        assert_eq!(
            check(&whole, &Terminal::plain()),
            "The chain is whole: 2 entries, 4 to 5.\nhead ab\n"
        );
        let broken = json!({ "ok": false, "said": "entry 4 is missing" });
        assert_eq!(
            check(&broken, &Terminal::plain()),
            "The chain is broken: entry 4 is missing."
        );
    }
}
