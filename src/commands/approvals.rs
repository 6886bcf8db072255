//! `approvals`: the rules about commands, and the questions that wait.

use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use super::ask;
use super::health::object;
use super::health::string;
use crate::error::CommandResult;
use crate::render;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct ApprovalsArgs {
    #[command(subcommand)]
    command: ApprovalsCommand,
}

#[derive(Debug, Subcommand)]
enum ApprovalsCommand {
    /// Show the rules.
    Get {
        /// The gateway's own rules, which are shown without --node, too.
        #[arg(long, conflicts_with = "node")]
        gateway: bool,
        /// The rules of this node, by its id.
        #[arg(long, value_name = "id")]
        node: Option<String>,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// List what waits for somebody's yes.
    Waiting {
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Allow what waits.
    Allow {
        /// The question, as `waiting` lists it.
        id: String,
        /// From now on, not only this time.
        #[arg(long)]
        always: bool,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Refuse what waits.
    Deny {
        /// The question, as `waiting` lists it.
        id: String,
        #[command(flatten)]
        remote: RemoteArgs,
    },
}

pub(crate) async fn run(args: &ApprovalsArgs, shell: &Shell) -> CommandResult {
    match &args.command {
        ApprovalsCommand::Get { node, remote, .. } => {
            let (method, params) = match node {
                Some(node) => ("exec.approvals.node.get", json!({ "nodeId": node })),
                None => ("exec.approvals.get", json!({})),
            };
            let rules = ask(method, params, remote, shell).await?;
            shell
                .terminal
                .show(&rules, |terminal| self::rules(&rules, terminal))?;
        }
        ApprovalsCommand::Waiting { remote } => {
            let open = ask("exec.approval.list", json!({}), remote, shell).await?;
            shell
                .terminal
                .show(&open, |terminal| waiting(&open, terminal))?;
        }
        ApprovalsCommand::Allow { id, always, remote } => {
            let decision = if *always {
                "allow-always"
            } else {
                "allow-once"
            };
            decide(id, decision, "allowed", remote, shell).await?;
        }
        ApprovalsCommand::Deny { id, remote } => {
            decide(id, "deny", "refused", remote, shell).await?;
        }
    }
    Ok(())
}

async fn decide(
    id: &str,
    decision: &str,
    done: &str,
    remote: &RemoteArgs,
    shell: &Shell,
) -> CommandResult {
    let params = json!({ "id": id, "decision": decision });
    let answer = ask("exec.approval.resolve", params, remote, shell).await?;
    shell.terminal.show(&answer, |terminal| {
        terminal.paint(Tone::Good, &format!("{id}: {done}"))
    })?;
    Ok(())
}

fn waiting(open: &Value, terminal: &Terminal) -> String {
    let questions = open.as_array().map(Vec::as_slice).unwrap_or_default();
    if questions.is_empty() {
        return "Nothing waits.".to_owned();
    }
    let mut table = Table::new(&["QUESTION", "COMMAND", "WHERE", "AGENT", "ASKED"]);
    for question in questions {
        let request = question.get("request").unwrap_or(&Value::Null);
        let at = question.get("createdAtMs").and_then(Value::as_i64);
        let at = at.map_or_else(|| "-".to_owned(), |at| render::ago(at, render::now_ms()));
        table.row(vec![
            (Tone::Strong, string(question, "id")),
            (Tone::Plain, string(request, "command")),
            (Tone::Muted, string(request, "host")),
            (Tone::Muted, string(request, "agentId")),
            (Tone::Muted, at),
        ]);
    }
    table.render(terminal)
}

fn rules(rules: &Value, terminal: &Terminal) -> String {
    let mut lines = vec![format!("File: {}", string(rules, "path"))];
    if rules.get("exists") != Some(&json!(true)) {
        lines.push("There is none yet: what tools.exec says holds alone.".to_owned());
        return lines.join("\n");
    }
    let file = rules.get("file").unwrap_or(&Value::Null);
    for (name, value) in object(file, "defaults") {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        lines.push(format!("{name}: {value}"));
    }
    let mut table = Table::new(&["AGENT", "ALLOWED", "LAST USED WITH"]);
    let mut count = 0;
    for (agent, rules) in object(file, "agents") {
        let allowed = rules.get("allowlist").and_then(Value::as_array);
        for entry in allowed.into_iter().flatten() {
            count += 1;
            table.row(vec![
                (Tone::Strong, agent.clone()),
                (Tone::Plain, string(entry, "pattern")),
                (Tone::Muted, string(entry, "lastUsedCommand")),
            ]);
        }
    }
    if count > 0 {
        lines.push(table.render(terminal));
    }
    lines.join("\n")
}
