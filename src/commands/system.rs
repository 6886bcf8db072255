//! `system`: a line for the agent, heartbeats, and who is here.

use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use super::health::string;
use crate::error::CommandResult;
use crate::render;
use crate::render::Table;
use crate::render::Tone;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct SystemArgs {
    #[command(subcommand)]
    command: SystemCommand,
}

#[derive(Debug, Subcommand)]
enum SystemCommand {
    /// Tell the agent's main session a line.
    Event {
        /// The line.
        #[arg(long, value_name = "text")]
        text: String,
        /// When: now or next-heartbeat.
        #[arg(long, value_name = "mode", default_value = "next-heartbeat",
              value_parser = ["now", "next-heartbeat"])]
        mode: String,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Show the last heartbeat, or switch heartbeats.
    Heartbeat {
        #[command(subcommand)]
        command: HeartbeatCommand,
    },
    /// Show who is here.
    Presence {
        #[command(flatten)]
        remote: RemoteArgs,
    },
}

#[derive(Debug, Subcommand)]
enum HeartbeatCommand {
    /// Show the last one.
    Last {
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Let them beat.
    Enable {
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Don't let them beat.
    Disable {
        #[command(flatten)]
        remote: RemoteArgs,
    },
}

pub(crate) async fn run(args: &SystemArgs, shell: &Shell) -> CommandResult {
    let (method, params, remote) = match &args.command {
        SystemCommand::Event { text, mode, remote } => {
            ("wake", json!({ "text": text, "mode": mode }), remote)
        }
        SystemCommand::Heartbeat { command } => match command {
            HeartbeatCommand::Last { remote } => ("last-heartbeat", json!({}), remote),
            HeartbeatCommand::Enable { remote } => {
                ("set-heartbeats", json!({ "enabled": true }), remote)
            }
            HeartbeatCommand::Disable { remote } => {
                ("set-heartbeats", json!({ "enabled": false }), remote)
            }
        },
        SystemCommand::Presence { remote } => ("system-presence", json!({}), remote),
    };
    let mut client = remote.connect(shell).await?;
    let answer = client.call(method, &params, remote.timeout()).await?;
    client.close().await;
    shell
        .terminal
        .show(&answer, |terminal| match (&args.command, &answer) {
            (SystemCommand::Presence { .. }, _) => presence(&answer, terminal),
            (SystemCommand::Heartbeat { .. }, Value::Null) => "No heartbeat yet.".to_owned(),
            (SystemCommand::Heartbeat { .. }, _) => answer.to_string(),
            (SystemCommand::Event { .. }, _) => "told".to_owned(),
        })?;
    Ok(())
}

fn presence(entries: &Value, terminal: &render::Terminal) -> String {
    let mut table = Table::new(&["WHO", "MODE", "VERSION", "PLATFORM", "SEEN"]);
    for entry in entries.as_array().into_iter().flatten() {
        let at = entry.get("ts").and_then(Value::as_i64);
        let at = at.map_or_else(|| "-".to_owned(), |at| render::ago(at, render::now_ms()));
        table.row(vec![
            (Tone::Strong, string(entry, "host")),
            (Tone::Plain, string(entry, "mode")),
            (Tone::Muted, string(entry, "version")),
            (Tone::Muted, string(entry, "platform")),
            (Tone::Plain, at),
        ]);
    }
    table.render(terminal)
}
