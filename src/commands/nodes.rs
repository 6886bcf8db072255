//! `nodes`: the devices that offer their abilities.

mod invoke;

use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

use self::invoke::InvokeArgs;
use self::invoke::RunArgs;
use super::RemoteArgs;
use super::ask;
use super::health::string;
use crate::client::Client;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
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
    /// Show what is known of a node, and what it may be asked.
    Describe(NodeArgs),
    /// Have a node do something.
    Invoke(InvokeArgs),
    /// Run a program on a node, after whoever may has allowed it.
    Run(RunArgs),
}

#[derive(Debug, clap::Args)]
struct NodeArgs {
    /// The node: its id, the beginning of it, or its name.
    node: String,
    #[command(flatten)]
    remote: RemoteArgs,
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
        NodesCommand::Describe(args) => {
            let mut client = args.remote.connect(shell).await?;
            let id = find(&mut client, &args.node, &args.remote).await?;
            let params = json!({ "nodeId": id });
            let node = client
                .call("node.describe", &params, args.remote.timeout())
                .await?;
            client.close().await;
            shell
                .terminal
                .show(&node, |terminal| described(&node, terminal))?;
        }
        NodesCommand::Invoke(args) => invoke::invoke(args, shell).await?,
        NodesCommand::Run(args) => invoke::run(args, shell).await?,
    }
    Ok(())
}

/// The id of a node that is named by its id, the beginning of it, or its name.
async fn find(client: &mut Client, named: &str, remote: &RemoteArgs) -> CommandResult<String> {
    let listed = client
        .call("node.list", &json!({}), remote.timeout())
        .await?;
    let nodes = listed.get("nodes").and_then(Value::as_array);
    let known: Vec<(String, String)> = nodes
        .into_iter()
        .flatten()
        .map(|node| (string(node, "nodeId"), string(node, "displayName")))
        .collect();
    let exact = known.iter().filter(|(id, _)| id == named);
    let like = known.iter().filter(|(id, name)| {
        name.eq_ignore_ascii_case(named) || (named.len() >= 6 && id.starts_with(named))
    });
    let mut found: Vec<&String> = exact.map(|(id, _)| id).collect();
    if found.is_empty() {
        found = like.map(|(id, _)| id).collect();
    }
    match found.as_slice() {
        [id] => Ok((*id).clone()),
        [] => Err(
            CommandError::new(Kind::Usage, format!("there is no node \"{named}\""))
                .hint("see which there are: openclaw nodes status"),
        ),
        _ => Err(
            CommandError::new(Kind::Usage, format!("several nodes are called \"{named}\""))
                .hint("name one by its id: openclaw nodes status --json"),
        ),
    }
}

fn described(node: &Value, terminal: &Terminal) -> String {
    let names = |list: &str| {
        let list = node.get(list).and_then(Value::as_array);
        let names = list.into_iter().flatten().filter_map(Value::as_str);
        names.collect::<Vec<_>>().join(", ")
    };
    let state = match node.get("connected") == Some(&json!(true)) {
        true => terminal.paint(Tone::Good, "connected"),
        false => terminal.paint(Tone::Muted, "away"),
    };
    let mut lines = vec![
        format!("{} ({state})", string(node, "displayName")),
        format!("id: {}", string(node, "nodeId")),
        format!(
            "platform: {} {}",
            string(node, "platform"),
            string(node, "version")
        ),
    ];
    for (title, list) in [("can", "caps"), ("may be asked", "commands")] {
        lines.push(format!("{title}: {}", names(list)));
    }
    lines.join("\n")
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
