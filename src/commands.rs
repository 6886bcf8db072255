//! One file a command: its flags, and what it does.

pub(crate) mod agent;
pub(crate) mod approvals;
pub(crate) mod audit;
pub(crate) mod channels;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod cron;
pub(crate) mod deadletters;
pub(crate) mod devices;
pub(crate) mod gateway;
pub(crate) mod health;
pub(crate) mod logs;
pub(crate) mod memory;
pub(crate) mod models;
pub(crate) mod nodes;
pub(crate) mod pairing;
pub(crate) mod protocol;
pub(crate) mod qr;
pub(crate) mod sandbox;
pub(crate) mod sessions;
pub(crate) mod skills;
pub(crate) mod status;
pub(crate) mod supervisor;
pub(crate) mod system;
pub(crate) mod trace;
pub(crate) mod up;

use std::time::Duration;

use serde_json::Value;

use crate::cli::Command;
use crate::client::Client;
use crate::client::DeviceFiles;
use crate::endpoint::Endpoint;
use crate::endpoint::Flags;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::shell::Shell;

/// Where to find the gateway and how to prove oneself; the same four flags on every command that asks it.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct RemoteArgs {
    /// The gateway's address, ws:// or wss://. With it, nothing of config or environment is used: give --token or
    /// --password too.
    #[arg(long, value_name = "url")]
    url: Option<String>,
    /// The gateway's token.
    #[arg(long, value_name = "token", hide_env_values = true)]
    token: Option<String>,
    /// The gateway's password.
    #[arg(long, value_name = "password")]
    password: Option<String>,
    /// How long to wait for it, in milliseconds.
    #[arg(long, value_name = "ms", default_value_t = 10_000)]
    timeout: u64,
}

impl RemoteArgs {
    pub(crate) fn endpoint(&self, shell: &Shell) -> CommandResult<Endpoint> {
        let flags = Flags {
            url: self.url.as_deref(),
            token: self.token.as_deref(),
            password: self.password.as_deref(),
        };
        let flags_are_silent = self.token.is_none() && self.password.is_none();
        let endpoint = Endpoint::resolve(&flags, shell.config()?)?;
        Ok(Endpoint {
            device: Some(DeviceFiles::of(shell.paths()?, flags_are_silent)),
            ..endpoint
        })
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout.max(1))
    }

    /// Connects.
    pub(crate) async fn connect(&self, shell: &Shell) -> CommandResult<Client> {
        Client::connect(self.endpoint(shell)?, self.timeout()).await
    }
}

/// Asks the gateway one thing.
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

/// Runs a command to its end.
pub(crate) fn run(command: Command, shell: &Shell) -> CommandResult {
    match command {
        Command::Up(args) => up::run(&args, shell),
        Command::Gateway(args) => gateway::run(args, shell),
        Command::Health(args) => wait(health::run(&args, shell)),
        Command::Status(args) => wait(status::run(&args, shell)),
        Command::Agent(args) => wait(agent::run(&args, shell)),
        Command::Logs(args) => wait(logs::run(&args, shell)),
        Command::Pairing(args) => pairing::run(&args, shell),
        Command::Devices(args) => wait(devices::run(&args, shell)),
        Command::Qr(args) => wait(qr::run(&args, shell)),
        Command::Protocol(args) => protocol::run(&args, shell),
        Command::Channels(args) => wait(channels::run(&args, shell)),
        Command::Sandbox(args) => sandbox::run(&args, shell),
        Command::Sessions(args) => wait(sessions::run(&args, shell)),
        Command::Models(args) => wait(models::run(&args, shell)),
        Command::Cron(args) => wait(cron::run(&args, shell)),
        Command::Nodes(args) => wait(nodes::run(&args, shell)),
        Command::Approvals(args) => wait(approvals::run(&args, shell)),
        Command::System(args) => wait(system::run(&args, shell)),
        Command::Config(args) => config::run(&args, shell),
        Command::Trace(args) => wait(trace::run(&args, shell)),
        Command::Deadletters(args) => wait(deadletters::run(&args, shell)),
        Command::Audit(args) => wait(audit::run(&args, shell)),
        Command::Skills(args) => wait(skills::run(&args, shell)),
        Command::Memory(args) => wait(memory::run(&args, shell)),
        Command::Supervisor(args) => wait(supervisor::run(&args, shell)),
        Command::Completion(args) => completion::run(&args, shell),
    }
}

/// Runs a client's conversation on this thread: it needs no workers.
fn wait(future: impl Future<Output = CommandResult>) -> CommandResult {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::new(Kind::Io, format!("starting the runtime: {error}")))?
        .block_on(future)
}
