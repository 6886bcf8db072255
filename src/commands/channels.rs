//! `channels`: the chat accounts and how they are.

use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use super::health::channel_state;
use super::health::object;
use super::health::string;
use crate::error::CommandResult;
use crate::render;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct ChannelsArgs {
    #[command(subcommand)]
    command: ChannelsCommand,
}

#[derive(Debug, Subcommand)]
enum ChannelsCommand {
    /// Show each account: whether it is connected, what last happened, what went wrong.
    Status(ChannelsStatusArgs),
}

#[derive(Debug, clap::Args)]
struct ChannelsStatusArgs {
    /// Ask the platforms now instead of showing what is known.
    #[arg(long)]
    probe: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(crate) async fn run(args: &ChannelsArgs, shell: &Shell) -> CommandResult {
    let ChannelsCommand::Status(args) = &args.command;
    let mut client = args.remote.connect(shell).await?;
    let within = args.remote.timeout();
    let params = json!({ "probe": args.probe, "timeoutMs": within.as_millis() });
    let status = client.call("channels.status", &params, within).await?;
    client.close().await;
    shell.terminal.show(&status, |terminal| {
        render(&status, render::now_ms(), terminal)
    })?;
    Ok(())
}

fn render(status: &Value, now_ms: i64, terminal: &Terminal) -> String {
    let mut table = Table::new(&["CHANNEL", "ACCOUNT", "STATE", "IN", "OUT", "PROBLEM"]);
    let mut rows = 0;
    for (channel, accounts) in object(status, "channelAccounts") {
        for account in accounts.as_array().into_iter().flatten() {
            let (tone, state) = channel_state(account);
            let when = |name: &str| {
                let at = account.get(name).and_then(Value::as_i64);
                at.map_or_else(|| "-".to_owned(), |at| render::ago(at, now_ms))
            };
            let name = [string(account, "accountId"), string(account, "name")]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(" ");
            table.row(vec![
                (Tone::Strong, channel.clone()),
                (Tone::Plain, name),
                (tone, state),
                (Tone::Plain, when("lastInboundAt")),
                (Tone::Plain, when("lastOutboundAt")),
                (Tone::Bad, string(account, "lastError")),
            ]);
            rows += 1;
        }
    }
    if rows == 0 {
        return "No chat account is configured. For Telegram:\n  \
                openclaw config set channels.telegram.botToken <token from @BotFather>"
            .to_owned();
    }
    table.render(terminal)
}
