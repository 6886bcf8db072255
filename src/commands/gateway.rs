//! `gateway`: run, stop and question the gateway.

pub(crate) mod call;
pub(crate) mod probe;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod stop;

use clap::Subcommand;

use super::health;
use super::health::HealthArgs;
use super::wait;
use crate::error::CommandResult;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct GatewayArgs {
    #[command(subcommand)]
    command: Option<GatewayCommand>,
    #[command(flatten)]
    run: run::RunArgs,
}

#[derive(Debug, Subcommand)]
enum GatewayCommand {
    /// Run it in the foreground; the same as `gateway` alone.
    Run(run::RunArgs),
    /// Show whether it runs, where, and with which config.
    Status(status::StatusArgs),
    /// End the one that runs on this state folder.
    Stop(stop::StopArgs),
    /// Call one method of its protocol.
    Call(call::CallArgs),
    /// Reach one, and show what it says.
    Probe(probe::ProbeArgs),
    /// Look for gateways.
    Discover(probe::DiscoverArgs),
    /// The same as `health`.
    Health(HealthArgs),
}

pub(crate) fn run(args: GatewayArgs, shell: &Shell) -> CommandResult {
    match args.command {
        None => run::run(&args.run, shell),
        Some(GatewayCommand::Run(args)) => run::run(&args, shell),
        Some(GatewayCommand::Status(args)) => wait(status::run(&args, shell)),
        Some(GatewayCommand::Stop(args)) => stop::run(&args, shell),
        Some(GatewayCommand::Call(args)) => wait(call::run(&args, shell)),
        Some(GatewayCommand::Probe(args)) => wait(probe::run(&args, shell)),
        Some(GatewayCommand::Discover(args)) => wait(probe::discover(&args, shell)),
        Some(GatewayCommand::Health(args)) => wait(health::run(&args, shell)),
    }
}
