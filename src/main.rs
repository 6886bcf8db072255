//! The `openclaw` binary: the command line, the boot of the gateway, its telemetry and its page.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod boot;
mod cli;
mod client;
mod commands;
mod endpoint;
mod error;
mod instance;
mod page;
mod render;
mod shell;
mod telemetry;

use std::process::ExitCode;

use clap::error::ErrorKind;
use openclaw_gateway::config::Environment;

use crate::error::CommandError;
use crate::error::Kind;
use crate::render::Tone;
use crate::shell::Shell;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(ended) = openclaw_runtime::child::guard() {
        return ended;
    }
    if let Some(ended) = openclaw_tool::sandbox::walled() {
        return ended;
    }
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is the only way this fails, and then nobody reads it.
            drop(error.print());
            let asked = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            return ExitCode::from(if asked { 0 } else { Kind::Usage.code() });
        }
    };
    let shell = Shell::new(cli.globals, Environment::process());
    match commands::run(cli.command, &shell) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&shell, &error);
            ExitCode::from(error.kind().code())
        }
    }
}

/// Says what failed, why, and what mends it: on standard error, and as a document with `--json`.
fn report(shell: &Shell, error: &CommandError) {
    if error.is_silent() {
        return;
    }
    let terminal = &shell.terminal;
    if terminal.json {
        // Nobody reads a closed pipe.
        drop(terminal.document(&error.envelope()));
        return;
    }
    terminal.note(Tone::Bad, &format!("openclaw: {error}"));
    for hint in error.hints() {
        terminal.note(Tone::Muted, &format!("  {hint}"));
    }
}
