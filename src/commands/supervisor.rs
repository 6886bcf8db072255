//! `supervisor`: the live tree of actors, their crashes, and a hand on each.

use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use crate::client::Client;
use crate::error::CommandResult;
use crate::render::Tone;
use crate::shell::Shell;

pub(crate) mod crash;
pub(crate) mod tree;

#[derive(Debug, clap::Args)]
pub(crate) struct SupervisorArgs {
    #[command(subcommand)]
    command: SupervisorCommand,
}

#[derive(Debug, Subcommand)]
enum SupervisorCommand {
    /// Draw the tree: state, queue, restarts, last end of every actor.
    Tree {
        /// Only what is under this path.
        path: Option<String>,
        /// Not deeper than this.
        #[arg(long, value_name = "n")]
        depth: Option<usize>,
        /// Draw it again whenever something happens.
        #[arg(long)]
        watch: bool,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Show the last crashes, or one with its backtrace.
    Crash {
        /// The crash, as the tree names it: c-81f2…
        id: Option<String>,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Stop an actor and start it again.
    Restart(OrderArgs),
    /// Stop an actor until `restart`.
    Stop(OrderArgs),
    /// Keep a failing actor down until `unpark`.
    Park(OrderArgs),
    /// Try a parked actor again now.
    Unpark(OrderArgs),
}

#[derive(Debug, clap::Args)]
struct OrderArgs {
    /// The actor, as the tree prints it: channels/telegram/home/poll
    path: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(crate) async fn run(args: &SupervisorArgs, shell: &Shell) -> CommandResult {
    match &args.command {
        SupervisorCommand::Tree {
            path,
            depth,
            watch,
            remote,
        } => {
            let params = tree::params(path.as_deref(), *depth);
            let mut client = remote.connect(shell).await?;
            if *watch {
                return tree::watch(client, &params, remote.timeout(), shell).await;
            }
            let answer = client
                .call("supervisor.tree", &params, remote.timeout())
                .await?;
            client.close().await;
            shell.terminal.show(&answer, |terminal| {
                tree::render(&answer, crate::render::now_ms(), terminal)
            })?;
            Ok(())
        }
        SupervisorCommand::Crash { id, remote } => {
            let mut client = remote.connect(shell).await?;
            crash::run(&mut client, id.as_deref(), remote.timeout(), shell).await?;
            client.close().await;
            Ok(())
        }
        SupervisorCommand::Restart(order) => send("restart", "restarted", order, shell).await,
        SupervisorCommand::Stop(order) => send("stop", "stopped", order, shell).await,
        SupervisorCommand::Park(order) => send("park", "parked", order, shell).await,
        SupervisorCommand::Unpark(order) => send("unpark", "tried again", order, shell).await,
    }
}

async fn send(verb: &str, done: &str, order: &OrderArgs, shell: &Shell) -> CommandResult {
    let mut client: Client = order.remote.connect(shell).await?;
    let answer: Value = client
        .call(
            &format!("supervisor.{verb}"),
            &json!({ "path": order.path }),
            order.remote.timeout(),
        )
        .await?;
    client.close().await;
    shell.terminal.show(&answer, |terminal| {
        terminal.paint(Tone::Good, &format!("{}: {done}", order.path))
    })?;
    Ok(())
}
