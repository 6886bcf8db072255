//! `config`: read, change and check the configuration. Works with and without a gateway.

use clap::Subcommand;

use crate::error::CommandResult;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the value at a path, secrets too: gateway.auth.token, agents.list[0].id
    Get { path: String },
    /// Set the value at a path. The value is JSON5, or a plain word.
    Set { path: String, value: String },
    /// Remove what is at a path.
    Unset { path: String },
    /// Say what is wrong, and what mends it.
    Validate {
        /// Count unknown keys as errors too.
        #[arg(long)]
        strict: bool,
    },
    /// Print where the file is.
    File,
}

pub(crate) fn run(_: &ConfigArgs, _: &Shell) -> CommandResult {
    todo!("the config functions")
}
