//! `devices`: which devices may connect to the gateway, and which ask to.

use clap::Subcommand;
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

#[derive(Debug, clap::Args)]
pub(crate) struct DevicesArgs {
    #[command(subcommand)]
    command: DevicesCommand,
}

#[derive(Debug, Subcommand)]
enum DevicesCommand {
    /// Show those that ask and those that may connect.
    List {
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Let one in that asks.
    Approve {
        /// The request; `devices list` shows it.
        #[arg(value_name = "requestId")]
        request: String,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Turn one down that asks.
    Reject {
        /// The request; `devices list` shows it.
        #[arg(value_name = "requestId")]
        request: String,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Give a device a new token for a role; whoever holds the old one is disconnected.
    Rotate {
        /// The device.
        #[arg(long, value_name = "id")]
        device: String,
        /// The role: operator or node.
        #[arg(long, value_name = "role")]
        role: String,
        /// What the new token gives; never more than the device was approved for.
        #[arg(long, value_name = "scope", num_args = 1..)]
        scope: Vec<String>,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Take a device's token for a role back; its connections end at once.
    Revoke {
        /// The device.
        #[arg(long, value_name = "id")]
        device: String,
        /// The role: operator or node.
        #[arg(long, value_name = "role")]
        role: String,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Forget a device; its connections end at once.
    Remove {
        /// The device.
        #[arg(value_name = "deviceId")]
        device: String,
        #[command(flatten)]
        remote: RemoteArgs,
    },
}

pub(crate) async fn run(args: &DevicesArgs, shell: &Shell) -> CommandResult {
    let (remote, method, params) = match &args.command {
        DevicesCommand::List { remote } => (remote, "device.pair.list", json!({})),
        DevicesCommand::Approve { request, remote } => (
            remote,
            "device.pair.approve",
            json!({ "requestId": request }),
        ),
        DevicesCommand::Reject { request, remote } => (
            remote,
            "device.pair.reject",
            json!({ "requestId": request }),
        ),
        DevicesCommand::Rotate {
            device,
            role,
            scope,
            remote,
        } => {
            let mut params = json!({ "deviceId": device, "role": role });
            if let (false, Value::Object(params)) = (scope.is_empty(), &mut params) {
                params.insert("scopes".to_owned(), json!(scope));
            }
            (remote, "device.token.rotate", params)
        }
        DevicesCommand::Revoke {
            device,
            role,
            remote,
        } => {
            let params = json!({ "deviceId": device, "role": role });
            (remote, "device.token.revoke", params)
        }
        DevicesCommand::Remove { device, remote } => {
            (remote, "device.pair.remove", json!({ "deviceId": device }))
        }
    };
    let mut client = remote.connect(shell).await?;
    let answer = client.call(method, &params, remote.timeout()).await?;
    client.close().await;
    shell
        .terminal
        .show(&answer, |terminal| match args.command {
            DevicesCommand::List { .. } => listed(&answer, render::now_ms(), terminal, shell),
            _ => done(method, &answer),
        })?;
    Ok(())
}

fn listed(answer: &Value, now_ms: i64, terminal: &Terminal, shell: &Shell) -> String {
    let rows = |name: &str| {
        answer
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let mut out = String::new();
    let mut waiting = Table::new(&[
        "REQUEST", "DEVICE", "NAME", "ROLE", "ASKS FOR", "FROM", "SINCE",
    ]);
    let mut count = 0;
    for row in rows("pending") {
        count += 1;
        waiting.row(vec![
            (Tone::Strong, string(row, "requestId")),
            (Tone::Muted, short(row)),
            (Tone::Plain, name(row)),
            (Tone::Plain, string(row, "role")),
            (Tone::Warn, words(row, "scopes")),
            (Tone::Muted, string(row, "remoteIp")),
            (Tone::Plain, since(row, "ts", now_ms)),
        ]);
    }
    if count > 0 {
        out.push_str(&terminal.paint(Tone::Strong, "Asking to be let in"));
        out.push('\n');
        out.push_str(&waiting.render(terminal));
        out.push_str(&format!(
            "Let one in: {}\n\n",
            shell.command("devices approve <request>")
        ));
    }
    let mut known = Table::new(&["DEVICE", "NAME", "ROLES", "MAY", "SEEN", ""]);
    let mut count = 0;
    for row in rows("paired") {
        count += 1;
        let is_here = row.get("connected").and_then(Value::as_bool) == Some(true);
        let here = if is_here { "connected" } else { "" };
        known.row(vec![
            (Tone::Strong, string(row, "deviceId")),
            (Tone::Plain, name(row)),
            (Tone::Plain, words(row, "roles")),
            (Tone::Muted, words(row, "scopes")),
            (Tone::Plain, since(row, "lastSeenAtMs", now_ms)),
            (Tone::Good, here.to_owned()),
        ]);
    }
    if count == 0 {
        out.push_str("No device is paired. Make a code for a phone: ");
        out.push_str(&shell.command("qr"));
    } else {
        out.push_str(&known.render(terminal));
    }
    out
}

fn done(method: &str, answer: &Value) -> String {
    let device = string(answer.get("device").unwrap_or(answer), "deviceId");
    match method {
        "device.pair.approve" => format!("{device} may connect now."),
        "device.pair.reject" => format!("{device} was turned down."),
        "device.token.revoke" => format!("The token of {device} was taken back."),
        "device.pair.remove" => format!("{device} was forgotten."),
        _ => match answer.get("token").and_then(Value::as_str) {
            Some(token) => format!("The new token of {device}: {token}"),
            None => format!("{device} has a new token, and fetches it when it connects."),
        },
    }
}

fn name(row: &Value) -> String {
    let own = string(row, "displayName");
    if own.is_empty() {
        [string(row, "clientId"), string(row, "platform")].join(" ")
    } else {
        own
    }
}

fn short(row: &Value) -> String {
    string(row, "deviceId").chars().take(12).collect()
}

fn words(row: &Value, name: &str) -> String {
    let list = row.get(name).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|word| word.trim_start_matches("operator."))
        .collect::<Vec<_>>()
        .join(" ")
}

fn since(row: &Value, name: &str, now_ms: i64) -> String {
    let at = row.get(name).and_then(Value::as_i64);
    at.map_or_else(|| "-".to_owned(), |at| render::ago(at, now_ms))
}
