//! From a command line to a running gateway and back: config, telemetry, lock, runtime, signals, service manager.

use crate::commands::gateway::run::RunArgs;
use crate::error::CommandResult;
use crate::shell::Shell;

/// Runs the gateway until it is told to end.
pub(crate) fn run(_args: &RunArgs, _shell: &Shell) -> CommandResult {
    todo!("the gateway")
}

/// Writes a first config if there is none: a generated token, nothing else that isn't a default.
pub(crate) fn first_config(_port: Option<u16>, _shell: &Shell) -> CommandResult {
    todo!("the config functions")
}
