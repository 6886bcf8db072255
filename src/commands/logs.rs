//! `logs`: the gateway's log, over its protocol; from the file when no gateway answers.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use super::health::string;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::render;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

mod file;
mod record;

use self::record::Style;

#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    /// Keep showing what is added.
    #[arg(long)]
    follow: bool,
    /// How many lines to begin with.
    #[arg(long, value_name = "n", default_value_t = 200)]
    limit: usize,
    /// How many bytes to read at most.
    #[arg(long, value_name = "n", default_value_t = 250_000)]
    max_bytes: u64,
    /// How often to look for more, in milliseconds.
    #[arg(long, value_name = "ms", default_value_t = 1000)]
    interval: u64,
    /// No alignment and no colours.
    #[arg(long)]
    plain: bool,
    /// Show times of this machine's zone.
    #[arg(long)]
    local_time: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(crate) async fn run(args: &LogsArgs, shell: &Shell) -> CommandResult {
    let style = Style {
        terminal: shell.terminal,
        plain: args.plain,
        local_time: args.local_time,
    };
    match over_rpc(args, shell, &style).await {
        // Reading the file helps just when the gateway is gone.
        Err(error) if error.kind() == Kind::Connect && !args.follow => {
            let tail = file::newest(shell)?
                .map(|path| file::tail(&path, args.limit, args.max_bytes).map(|tail| (path, tail)))
                .transpose()
                .map_err(|error| {
                    CommandError::new(Kind::Io, format!("reading the log: {error}"))
                })?;
            let Some((path, lines)) = tail else {
                return Err(error);
            };
            style.notice(&format!("{error}; showing {}", path.display()))?;
            for line in lines {
                style.line(&line)?;
            }
            Ok(())
        }
        other => other,
    }
}

async fn over_rpc(args: &LogsArgs, shell: &Shell, style: &Style) -> CommandResult {
    let mut client = args.remote.connect(shell).await?;
    let mut cursor: Option<u64> = None;
    loop {
        let mut params = json!({ "limit": args.limit.clamp(1, 5000), "maxBytes": args.max_bytes.clamp(1, 1_000_000) });
        if let (Some(cursor), Some(params)) = (cursor, params.as_object_mut()) {
            params.insert("cursor".into(), cursor.into());
            params.insert("limit".into(), 5000.into());
        }
        let tail = client
            .call("logs.tail", &params, args.remote.timeout())
            .await?;
        if cursor.is_none() {
            style.meta(&tail, client.url())?;
        }
        if tail.get("reset").and_then(Value::as_bool) == Some(true) {
            style.notice("the log starts over")?;
        }
        let lines = tail.get("lines").and_then(Value::as_array);
        for line in lines.into_iter().flatten().filter_map(Value::as_str) {
            style.line(line)?;
        }
        if !args.follow {
            client.close().await;
            return Ok(());
        }
        cursor = tail.get("cursor").and_then(Value::as_u64);
        tokio::time::sleep(Duration::from_millis(args.interval.max(50))).await;
    }
}

impl Style {
    /// What is being read; JSON only.
    fn meta(&self, tail: &Value, url: &str) -> CommandResult {
        if self.terminal.json {
            self.terminal.json_line(&json!({
                "type": "meta", "file": string(tail, "file"), "url": url,
                "cursor": tail.get("cursor"), "size": tail.get("size"),
            }))?;
        }
        Ok(())
    }

    fn notice(&self, text: &str) -> CommandResult {
        if self.terminal.json {
            self.terminal
                .json_line(&json!({ "type": "notice", "message": text }))?;
        } else {
            self.terminal.note(Tone::Muted, &format!("({text})"));
        }
        Ok(())
    }
}

/// A line of the log without colours.
pub(crate) fn plain(line: &str, terminal: Terminal) -> String {
    let style = Style {
        terminal,
        plain: true,
        local_time: false,
    };
    record::Record::read(line).map_or_else(|| render::clean(line), |record| style.text(&record))
}
