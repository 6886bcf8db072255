//! `gateway status`: whether it runs, where, with which config, and whether its protocol answers.

use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::client::Client;
use crate::commands::RemoteArgs;
use crate::commands::health;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::instance;
use crate::instance::Holder;
use crate::render;
use crate::render::Tone;
use crate::shell::Shell;

mod service;

use self::service::Service;

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// Don't connect; only look at files.
    #[arg(long)]
    no_probe: bool,
    /// Ask the platforms too.
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// What a try to connect gave.
#[derive(Debug)]
pub(crate) enum Probe {
    Skipped,
    Answered {
        took_ms: u64,
        hello: Value,
        health: Value,
    },
    Failed(CommandError),
}

pub(crate) async fn run(args: &StatusArgs, shell: &Shell) -> CommandResult {
    let loaded = shell.config()?;
    let paths = shell.paths()?;
    let endpoint = args.remote.endpoint(shell)?;
    let holder = instance::holder(&paths.gateway_lock());
    let probe = if args.no_probe {
        Probe::Skipped
    } else {
        probe(&args.remote, shell, args.deep).await
    };
    let service = Service::find(paths.profile.as_deref());
    let document = json!({
        "service": service.as_ref().map(Service::json),
        "process": holder.as_ref().map(process),
        "config": { "path": loaded.path, "exists": loaded.exists, "valid": loaded.valid() },
        "stateDir": paths.state_dir,
        "url": endpoint.url,
        "urlFrom": endpoint.because,
        "rpc": probe.json(),
    });
    shell.terminal.show(&document, |terminal| {
        let mut lines = vec![
            format!(
                "Service: {}",
                service.as_ref().map_or_else(
                    || "none installed; the units are in deploy/systemd".to_owned(),
                    Service::line
                )
            ),
            match &holder {
                Some(holder) => format!(
                    "Process: {} pid {}, port {}, up {}",
                    terminal.paint(Tone::Good, "running"),
                    holder.pid,
                    holder.port,
                    render::duration(
                        u64::try_from(render::now_ms() - holder.started_at_ms).unwrap_or(0)
                    ),
                ),
                None => format!(
                    "Process: {} on this state folder",
                    terminal.paint(Tone::Warn, "none")
                ),
            },
            format!(
                "Config:  {}{}",
                loaded.path.display(),
                match (loaded.exists, loaded.valid()) {
                    (false, _) => " (not there: the defaults hold)",
                    (true, true) => "",
                    (true, false) => " (has errors: openclaw config validate)",
                }
            ),
            format!("State:   {}", paths.state_dir.display()),
            format!("Address: {} (from {})", endpoint.url, endpoint.because),
        ];
        lines.push(match &probe {
            Probe::Skipped => "RPC:     not tried".to_owned(),
            Probe::Answered { took_ms, hello, .. } => format!(
                "RPC:     {} in {took_ms} ms, version {}, protocol {}",
                terminal.paint(Tone::Good, "answers"),
                hello
                    .pointer("/server/version")
                    .and_then(Value::as_str)
                    .unwrap_or("?"),
                hello.get("protocol").and_then(Value::as_u64).unwrap_or(0),
            ),
            Probe::Failed(error) => {
                format!("RPC:     {} {error}", terminal.paint(Tone::Bad, "fails:"))
            }
        });
        if let Probe::Failed(error) = &probe {
            lines.extend(error.hints().iter().map(|hint| format!("         {hint}")));
        }
        let mut text = lines.join("\n");
        if let (Probe::Answered { health, .. }, true) = (&probe, args.deep) {
            text.push('\n');
            text.push_str(&health::render(health, terminal));
        }
        text
    })?;
    match probe {
        Probe::Failed(error) => Err(CommandError::reported(error.kind())),
        Probe::Skipped if holder.is_none() => Err(CommandError::reported(Kind::No)),
        _ => Ok(()),
    }
}

/// Connects and asks for the health.
pub(crate) async fn probe(remote: &RemoteArgs, shell: &Shell, deep: bool) -> Probe {
    let since = Instant::now();
    let asked = async {
        let endpoint = remote.endpoint(shell)?;
        let mut client = Client::connect(endpoint, remote.timeout()).await?;
        let took = since.elapsed();
        let health = client
            .call("health", &json!({ "probe": deep }), remote.timeout())
            .await?;
        let hello = client.hello().clone();
        client.close().await;
        Ok::<_, CommandError>(Probe::Answered {
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            hello,
            health,
        })
    };
    asked.await.unwrap_or_else(Probe::Failed)
}

impl Probe {
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Skipped => Value::Null,
            Self::Answered {
                took_ms,
                hello,
                health,
            } => json!({
                "ok": true,
                "tookMs": took_ms,
                "server": hello.get("server"),
                "protocol": hello.get("protocol"),
                "features": hello.get("features"),
                "health": health,
            }),
            Self::Failed(error) => error.envelope(),
        }
    }
}

fn process(holder: &Holder) -> Value {
    json!({
        "running": true,
        "pid": holder.pid,
        "port": holder.port,
        "version": holder.version,
        "startedAtMs": holder.started_at_ms,
    })
}
