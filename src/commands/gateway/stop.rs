//! `gateway stop`: ends the gateway that runs on this state folder.

use serde_json::json;

use crate::error::CommandResult;
use crate::instance;
use crate::render::Tone;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct StopArgs {}

pub(crate) fn run(_: &StopArgs, shell: &Shell) -> CommandResult {
    let stopped = instance::stop(&shell.paths()?.gateway_lock())?;
    let document = json!({
        "ok": true,
        "stopped": stopped.is_some(),
        "pid": stopped.as_ref().map(|stopped| stopped.holder.pid),
        "tookMs": stopped.as_ref().map(|stopped| u64::try_from(stopped.took.as_millis()).unwrap_or(u64::MAX)),
    });
    shell.terminal.show(&document, |terminal| match &stopped {
        None => "No gateway is running on this state folder.".to_owned(),
        Some(stopped) => terminal.paint(
            Tone::Good,
            &format!(
                "Stopped the gateway on port {} (pid {}) in {} ms.",
                stopped.holder.port,
                stopped.holder.pid,
                stopped.took.as_millis()
            ),
        ),
    })?;
    Ok(())
}
