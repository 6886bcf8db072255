//! `pairing`: who wrote to a chat account without being known, and letting them in. Works with and without a gateway.

use clap::Subcommand;
use jiff::Timestamp;
use openclaw_channel::pairing::Approved;
use openclaw_channel::pairing::PairingRequest;
use openclaw_channel::pairing::PairingStore;
use openclaw_channel::pairing::StoreError;
use openclaw_channel::pairing::approved_text;
use openclaw_protocol::Secret;
use serde_json::Value;
use serde_json::json;

use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::error::chain;
use crate::render;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

/// The channels that pair, in the order they are looked through.
const CHANNELS: &[&str] = &["telegram"];

#[derive(Debug, clap::Args)]
pub(crate) struct PairingArgs {
    #[command(subcommand)]
    command: PairingCommand,
}

#[derive(Debug, Subcommand)]
enum PairingCommand {
    /// Show who waits.
    List {
        /// Only this channel.
        #[arg(value_name = "channel")]
        channel: Option<String>,
        /// The same as the argument.
        #[arg(long = "channel", value_name = "channel", conflicts_with = "channel")]
        channel_flag: Option<String>,
    },
    /// Let somebody in by the code they were sent.
    Approve {
        /// The channel, or the code alone.
        #[arg(value_name = "codeOrChannel")]
        first: String,
        /// The code, after a channel.
        #[arg(value_name = "code")]
        second: Option<String>,
        /// The channel, when the argument is the code alone.
        #[arg(long, value_name = "channel")]
        channel: Option<String>,
        /// Tell the person over that channel.
        #[arg(long)]
        notify: bool,
    },
}

pub(crate) fn run(args: &PairingArgs, shell: &Shell) -> CommandResult {
    match &args.command {
        PairingCommand::List {
            channel,
            channel_flag,
        } => list(channel.as_ref().or(channel_flag.as_ref()), shell),
        PairingCommand::Approve {
            first,
            second: Some(code),
            channel: None,
            notify,
        } => approve(Some(first), code, *notify, shell),
        PairingCommand::Approve {
            first,
            second: None,
            channel,
            notify,
        } => approve(channel.as_ref(), first, *notify, shell),
        PairingCommand::Approve { .. } => {
            Err(CommandError::new(Kind::Usage, "the channel is given twice")
                .hint("openclaw pairing approve telegram ABCD2345"))
        }
    }
}

fn list(channel: Option<&String>, shell: &Shell) -> CommandResult {
    let now = Timestamp::now();
    let mut waiting = Vec::new();
    for channel in channels(channel)? {
        let requests = store(channel, shell)?.list(now);
        let requests = requests.map_err(|error| unusable(&error))?;
        waiting.extend(requests.into_iter().map(|request| (channel, request)));
    }
    let rows: Vec<Value> = waiting
        .iter()
        .map(|(channel, request)| row(channel, request))
        .collect();
    shell
        .terminal
        .show(&json!({ "requests": rows }), |terminal| {
            table(&waiting, now, terminal)
        })?;
    Ok(())
}

fn approve(channel: Option<&String>, code: &str, notify: bool, shell: &Shell) -> CommandResult {
    let channels = channels(channel)?;
    for channel in &channels {
        let approved = store(channel, shell)?.approve(code, Timestamp::now());
        let Some(approved) = approved.map_err(|error| unusable(&error))? else {
            continue;
        };
        let document = json!({
            "ok": true, "channel": channel, "id": approved.id, "accountId": approved.account,
            "username": approved.username,
        });
        let told = notify.then(|| tell(&approved, shell));
        shell.terminal.show(&document, |terminal| {
            let name = approved
                .username
                .as_ref()
                .map_or_else(String::new, |name| format!(" (@{name})"));
            terminal.paint(
                Tone::Good,
                &format!("{channel}: {}{name} may write now.", approved.id),
            )
        })?;
        // The approval stands whether or not the word of it arrived.
        if let Some(Err(reason)) = told {
            let text = format!("approved, but the message about it was not sent: {reason}");
            shell.terminal.note(Tone::Warn, &text);
        }
        return Ok(());
    }
    Err(CommandError::new(
        Kind::No,
        format!(
            "nobody waits with the code {} on {}; a code is good for one hour",
            render::clean(code),
            channels.join(", ")
        ),
    )
    .hint("who waits: openclaw pairing list"))
}

/// Tells the approved person, over the account they wrote to.
fn tell(approved: &Approved, shell: &Shell) -> CommandResult {
    let (paths, loaded) = (shell.paths()?, shell.config()?);
    let token = loaded
        .environment
        .get("TELEGRAM_BOT_TOKEN")
        .map(Secret::from);
    let expand = |path: &str| paths.expand(path);
    let accounts = openclaw_channel::configured(&loaded.config, token.as_ref(), None, expand);
    let wanted = &approved.account;
    let mut running = accounts.accounts.iter();
    let Some(account) = running.find(|account| *account.key.account == **wanted) else {
        let reason = format!("no account \"{wanted}\" is configured");
        return Err(CommandError::new(Kind::Config, reason));
    };
    super::wait(async {
        let told = openclaw_channel::tell(account, &approved.id, approved_text()).await;
        told.map_err(|error| CommandError::new(Kind::Connect, error.to_string()))
    })
}

fn channels(wanted: Option<&String>) -> CommandResult<Vec<&'static str>> {
    let Some(wanted) = wanted else {
        return Ok(CHANNELS.to_vec());
    };
    let known = CHANNELS
        .iter()
        .find(|known| known.eq_ignore_ascii_case(wanted));
    match known {
        Some(known) => Ok(vec![*known]),
        None => Err(CommandError::new(
            Kind::Usage,
            format!(
                "no pairing on \"{}\"; channels that pair: {}",
                render::clean(wanted),
                CHANNELS.join(", ")
            ),
        )),
    }
}

fn store(channel: &str, shell: &Shell) -> CommandResult<PairingStore> {
    Ok(PairingStore::new(shell.paths()?.credentials_dir(), channel))
}

fn row(channel: &str, request: &PairingRequest) -> Value {
    let mut row = serde_json::to_value(request).unwrap_or_default();
    if let Some(row) = row.as_object_mut() {
        row.insert("channel".into(), channel.into());
    }
    row
}

fn table(waiting: &[(&str, PairingRequest)], now: Timestamp, terminal: &Terminal) -> String {
    if waiting.is_empty() {
        return "Nobody waits.".to_owned();
    }
    let mut table = Table::new(&["CHANNEL", "ACCOUNT", "WHO", "CODE", "ASKED"]);
    for (channel, request) in waiting {
        let name = request
            .meta
            .get("username")
            .and_then(Value::as_str)
            .map_or_else(String::new, |name| format!(" @{name}"));
        table.row(vec![
            (Tone::Plain, (*channel).to_owned()),
            (Tone::Plain, request.account().to_owned()),
            (Tone::Strong, format!("{}{name}", request.id)),
            (Tone::Accent, request.code.clone()),
            (
                Tone::Muted,
                render::ago(request.created_at.as_millisecond(), now.as_millisecond()),
            ),
        ]);
    }
    format!(
        "{}\nLet one in: openclaw pairing approve <channel> <code>",
        table.render(terminal)
    )
}

fn unusable(error: &StoreError) -> CommandError {
    CommandError::new(Kind::Io, chain(error))
}
