//! `protocol`: what the gateway's WebSocket speaks, for those who write clients.

use clap::Subcommand;
use openclaw_protocol::schema;

use crate::error::CommandResult;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct ProtocolArgs {
    #[command(subcommand)]
    command: ProtocolCommand,
}

#[derive(Debug, Subcommand)]
enum ProtocolCommand {
    /// Print the JSON Schema of frames, of `connect` and of every method's parameters.
    Schema,
}

pub(crate) fn run(args: &ProtocolArgs, shell: &Shell) -> CommandResult {
    match args.command {
        ProtocolCommand::Schema => shell.terminal.document(&schema::document())?,
    }
    Ok(())
}
