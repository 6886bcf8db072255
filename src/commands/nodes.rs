//! `nodes`: the devices that offer their abilities.

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
pub(crate) struct NodesArgs {
    #[command(subcommand)]
    command: NodesCommand,
}

#[derive(Debug, Subcommand)]
enum NodesCommand {
    /// List the nodes: which are connected, and what they can do.
    #[command(alias = "list")]
    Status {
        /// Only those that are connected.
        #[arg(long)]
        connected: bool,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// List the nodes that ask to be let in.
    Pending {
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Let a node in.
    Approve(OneArgs),
    /// Don't let a node in.
    Reject(OneArgs),
}

#[derive(Debug, clap::Args)]
struct OneArgs {
    /// The request, as `pending` lists it.
    request: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(crate) async fn run(args: &NodesArgs, shell: &Shell) -> CommandResult {
    match &args.command {
        NodesCommand::Status { connected, remote } => {
            let mut listed = ask("node.list", json!({}), remote, shell).await?;
            if let (true, Some(Value::Array(nodes))) = (*connected, listed.get_mut("nodes")) {
                nodes.retain(|node| node.get("connected") == Some(&json!(true)));
            }
            shell
                .terminal
                .show(&listed, |terminal| nodes(&listed, terminal))?;
        }
        NodesCommand::Pending { remote } => {
            let listed = ask("node.pair.list", json!({}), remote, shell).await?;
            let waiting = listed.get("pending").cloned().unwrap_or_else(|| json!([]));
            shell
                .terminal
                .show(&waiting, |terminal| pending(&waiting, terminal))?;
        }
        NodesCommand::Approve(args) => decide("node.pair.approve", "let in", args, shell).await?,
        NodesCommand::Reject(args) => decide("node.pair.reject", "refused", args, shell).await?,
    }
    Ok(())
}

async fn ask(
    method: &str,
    params: Value,
    remote: &RemoteArgs,
    shell: &Shell,
) -> CommandResult<Value> {
    let mut client = remote.connect(shell).await?;
    let answer = client.call(method, &params, remote.timeout()).await?;
    client.close().await;
    Ok(answer)
}

async fn decide(method: &str, done: &str, args: &OneArgs, shell: &Shell) -> CommandResult {
    let params = json!({ "requestId": args.request });
    let answer = ask(method, params, &args.remote, shell).await?;
    shell.terminal.show(&answer, |terminal| {
        terminal.paint(Tone::Good, &format!("{}: {done}", args.request))
    })?;
    Ok(())
}

fn nodes(listed: &Value, terminal: &Terminal) -> String {
    let nodes = listed.get("nodes").and_then(Value::as_array);
    let mut table = Table::new(&["NODE", "NAME", "STATE", "PLATFORM", "CAN"]);
    let mut count = 0;
    for node in nodes.into_iter().flatten() {
        count += 1;
        let is = |name: &str| node.get(name).and_then(Value::as_bool).unwrap_or(false);
        let (tone, state) = match (is("connected"), is("paired")) {
            (true, _) => (Tone::Good, "connected"),
            (false, true) => (Tone::Muted, "away"),
            (false, false) => (Tone::Warn, "not let in"),
        };
        let caps = node
            .get("caps")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let caps: Vec<&str> = caps.filter_map(Value::as_str).collect();
        table.row(vec![
            (
                Tone::Muted,
                string(node, "nodeId").chars().take(16).collect(),
            ),
            (Tone::Strong, string(node, "displayName")),
            (tone, state.to_owned()),
            (Tone::Plain, string(node, "platform")),
            (Tone::Plain, caps.join(", ")),
        ]);
    }
    match count {
        0 => "No nodes.".to_owned(),
        _ => table.render(terminal),
    }
}

fn pending(waiting: &Value, terminal: &Terminal) -> String {
    let requests = waiting.as_array().map(Vec::as_slice).unwrap_or_default();
    if requests.is_empty() {
        return "Nobody asks to be let in.".to_owned();
    }
    let mut table = Table::new(&["REQUEST", "NODE", "NAME", "ASKED"]);
    for request in requests {
        let at = request.get("ts").and_then(Value::as_i64);
        let at = at.map_or_else(|| "-".to_owned(), |at| render::ago(at, render::now_ms()));
        table.row(vec![
            (Tone::Strong, string(request, "requestId")),
            (
                Tone::Muted,
                string(request, "nodeId").chars().take(16).collect(),
            ),
            (Tone::Plain, string(request, "displayName")),
            (Tone::Plain, at),
        ]);
    }
    table.render(terminal)
}
