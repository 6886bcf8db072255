//! `up`: what a newcomer types. A safe first config if there is none, the gateway in the foreground, the page's address.

use crate::boot;
use crate::commands::gateway::run::Bind;
use crate::commands::gateway::run::RunArgs;
use crate::error::CommandResult;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct UpArgs {
    /// Listen on this port; a first config remembers it.
    #[arg(long, value_name = "port", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Which addresses to listen on; a container needs `lan`.
    #[arg(long, value_name = "mode", value_enum)]
    bind: Option<Bind>,
    /// Log how things happen, not only that they do.
    #[arg(long)]
    verbose: bool,
}

pub(crate) fn run(args: &UpArgs, shell: &Shell) -> CommandResult {
    let loaded = boot::first_config(args.port, shell)?;
    let run = RunArgs {
        port: args.port,
        bind: args.bind,
        verbose: args.verbose,
        ..RunArgs::default()
    };
    boot::run(&run, shell, &loaded)
}
