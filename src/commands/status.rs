//! `status`: what is configured and what runs, at a glance. Works without a gateway, and says so.

use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use super::gateway::status::Probe;
use super::gateway::status::probe;
use super::models;
use crate::client::Client;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::instance;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

mod report;

use self::report::Extent;

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// Everything, without secrets: to paste into a question.
    #[arg(long)]
    all: bool,
    /// Ask the platforms too.
    #[arg(long)]
    deep: bool,
    /// Show what the models used, and what is left of subscriptions.
    #[arg(long)]
    usage: bool,
    /// Show addresses and paths.
    #[arg(long, visible_alias = "debug")]
    verbose: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(crate) async fn run(args: &StatusArgs, shell: &Shell) -> CommandResult {
    let local = local(args, shell).await?;
    let probe = probe(&args.remote, shell, args.deep).await;
    let live = match &probe {
        Probe::Answered { .. } => live(args, shell).await.unwrap_or_default(),
        _ => Value::Null,
    };
    let document = json!({ "local": local, "gateway": probe.json(), "live": live });
    shell.terminal.show(&document, |terminal| {
        let extent = Extent {
            all: args.all,
            wide: args.verbose,
            usage: args.usage,
        };
        report::render(&document, extent, terminal)
    })?;
    match probe {
        Probe::Failed(error) => Err(CommandError::reported(error.kind())),
        _ => Ok(()),
    }
}

/// What can be known without a gateway.
async fn local(args: &StatusArgs, shell: &Shell) -> CommandResult<Value> {
    let (loaded, paths) = (shell.config()?, shell.paths()?);
    let endpoint = args.remote.endpoint(shell)?;
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "os": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "config": {
            "path": loaded.path, "exists": loaded.exists, "valid": loaded.valid(),
            "issues": loaded.issues,
        },
        "stateDir": paths.state_dir,
        "profile": paths.profile,
        "url": endpoint.url,
        "urlFrom": endpoint.because,
        "credentials": {
            "token": endpoint.token.is_some(), "password": endpoint.password.is_some(),
        },
        "process": instance::holder(&paths.gateway_lock()).map(|holder| json!({
            "pid": holder.pid, "port": holder.port, "startedAtMs": holder.started_at_ms,
        })),
        "agents": loaded.config.agents.ids(),
        "model": models::answering(shell).await,
    }))
}

/// What the gateway says; what it doesn't know is left out.
async fn live(args: &StatusArgs, shell: &Shell) -> CommandResult<Value> {
    let within = args.remote.timeout();
    let mut client: Client = args.remote.connect(shell).await?;
    let mut live = serde_json::Map::new();
    let mut wanted = vec![
        ("status", "status", json!({})),
        ("channels", "channels.status", json!({ "probe": args.deep })),
        ("models", "models.list", json!({})),
    ];
    if args.usage {
        wanted.push(("cost", "usage.cost", json!({ "days": 30 })));
        wanted.push(("quotas", "usage.status", json!({})));
    }
    if args.all {
        wanted.push(("tree", "supervisor.tree", json!({})));
        wanted.push(("crashes", "supervisor.crash", json!({})));
        wanted.push(("log", "logs.tail", json!({ "limit": 40 })));
    }
    for (name, method, params) in wanted {
        if let Ok(answer) = client.call(method, &params, within).await {
            live.insert(name.into(), answer);
        }
    }
    client.close().await;
    Ok(Value::Object(live))
}
