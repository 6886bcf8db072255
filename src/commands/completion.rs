//! `completion`: what a shell needs to complete commands and flags.

use crate::cli;
use crate::error::CommandResult;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionArgs {
    /// For which shell.
    #[arg(short, long, value_enum, default_value_t = clap_complete::Shell::Bash)]
    shell: clap_complete::Shell,
}

pub(crate) fn run(args: &CompletionArgs, shell: &Shell) -> CommandResult {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), "openclaw", &mut script);
    shell.terminal.raw(&String::from_utf8_lossy(&script))?;
    Ok(())
}
