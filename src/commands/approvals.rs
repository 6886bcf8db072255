//! `approvals`: the rules about commands.

use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use super::health::object;
use super::health::string;
use crate::error::CommandResult;
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
        /// The gateway's own rules; there are no others yet.
        #[arg(long)]
        gateway: bool,
        #[command(flatten)]
        remote: RemoteArgs,
    },
}

pub(crate) async fn run(args: &ApprovalsArgs, shell: &Shell) -> CommandResult {
    let ApprovalsCommand::Get { remote, .. } = &args.command;
    let mut client = remote.connect(shell).await?;
    let rules = client
        .call("exec.approvals.get", &json!({}), remote.timeout())
        .await?;
    client.close().await;
    shell
        .terminal
        .show(&rules, |terminal| render(&rules, terminal))?;
    Ok(())
}

fn render(rules: &Value, terminal: &Terminal) -> String {
    let mut lines = vec![format!("File: {}", string(rules, "path"))];
    if rules.get("exists") != Some(&json!(true)) {
        lines.push("There is none yet: every command is denied.".to_owned());
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
