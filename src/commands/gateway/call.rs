//! `gateway call`: one method of the protocol, raw.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use crate::client::Incoming;
use crate::commands::RemoteArgs;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct CallArgs {
    /// The method: health, status, chat.history, config.get …
    method: String,
    /// Its parameters, as JSON or JSON5.
    #[arg(long, value_name = "json", default_value = "{}")]
    params: String,
    /// Wait for the second answer of methods that first say "accepted".
    #[arg(long)]
    expect_final: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(crate) async fn run(args: &CallArgs, shell: &Shell) -> CommandResult {
    let params: Value = json5::from_str(&args.params).map_err(|error| {
        CommandError::new(Kind::Usage, format!("--params is no JSON: {error}"))
            .hint("for example: --params '{ \"sessionKey\": \"main\" }'")
    })?;
    let mut client = args.remote.connect(shell).await?;
    let within = args.remote.timeout();
    let payload = if args.expect_final {
        last_answer(&mut client, &args.method, &params, within).await?
    } else {
        client.call(&args.method, &params, within).await?
    };
    client.close().await;
    // The answer is JSON either way; `--json` changes nothing here.
    shell.terminal.document(&payload)?;
    Ok(())
}

/// The answer after "accepted".
async fn last_answer(
    client: &mut crate::client::Client,
    method: &str,
    params: &Value,
    within: Duration,
) -> CommandResult<Value> {
    let id = client.send(method, params).await?;
    let deadline = Instant::now() + within;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match client.next(left).await? {
            None => {
                return Err(CommandError::new(
                    Kind::Connect,
                    format!(
                        "no final answer to `{method}` within {} ms",
                        within.as_millis()
                    ),
                )
                .hint("wait longer: --timeout 600000"));
            }
            Some(Incoming::Answer { id: of, answer }) if of == id => {
                let payload = answer?;
                if payload.get("status") != Some(&json!("accepted")) {
                    return Ok(payload);
                }
            }
            Some(_) => {}
        }
    }
}
