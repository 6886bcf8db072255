//! `sessions`: the conversations, newest first. Without a gateway they are read from the files.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use super::health::string;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::render;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct SessionsArgs {
    /// Only those with something new in this many minutes.
    #[arg(long, value_name = "minutes", value_parser = clap::value_parser!(u32).range(1..))]
    active: Option<u32>,
    /// Read this sessions.json instead of asking the gateway.
    #[arg(long, value_name = "path")]
    store: Option<PathBuf>,
    /// Show the session ids too.
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(crate) async fn run(args: &SessionsArgs, shell: &Shell) -> CommandResult {
    let listed = match &args.store {
        Some(path) => from_files(std::slice::from_ref(path), args.active)?,
        None => match from_gateway(args, shell).await {
            Ok(listed) => listed,
            Err(error) if error.kind() == Kind::Connect => {
                shell.terminal.note(
                    Tone::Muted,
                    &format!("({error}; read from the files instead)"),
                );
                from_files(&stores(&shell.paths()?.state_dir), args.active)?
            }
            Err(error) => return Err(error),
        },
    };
    shell.terminal.show(&listed, |terminal| {
        render(&listed, args.verbose, render::now_ms(), terminal)
    })?;
    Ok(())
}

async fn from_gateway(args: &SessionsArgs, shell: &Shell) -> CommandResult<Value> {
    let mut client = args.remote.connect(shell).await?;
    let mut params = json!({});
    if let (Some(minutes), Some(params)) = (args.active, params.as_object_mut()) {
        params.insert("activeMinutes".into(), minutes.into());
    }
    let listed = client
        .call("sessions.list", &params, args.remote.timeout())
        .await?;
    client.close().await;
    Ok(listed)
}

/// The session stores of all agents that have a folder.
fn stores(state_dir: &Path) -> Vec<PathBuf> {
    let agents = fs::read_dir(state_dir.join("agents"));
    let mut stores: Vec<PathBuf> = agents
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|agent| agent.path().join("sessions").join("sessions.json"))
        .filter(|store| store.is_file())
        .collect();
    stores.sort();
    stores
}

/// The rows of session stores, in the shape of `sessions.list`.
fn from_files(paths: &[PathBuf], active_minutes: Option<u32>) -> CommandResult<Value> {
    let now = render::now_ms();
    let oldest = active_minutes.map(|minutes| now - i64::from(minutes) * 60_000);
    let mut rows = Vec::new();
    for path in paths {
        let unreadable = |why: String| {
            CommandError::new(Kind::Io, format!("can't read {}: {why}", path.display()))
        };
        let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        let entries: serde_json::Map<String, Value> =
            serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        for (key, mut entry) in entries {
            let updated = entry.get("updatedAt").and_then(Value::as_i64).unwrap_or(0);
            if oldest.is_some_and(|oldest| updated < oldest) {
                continue;
            }
            if let Some(entry) = entry.as_object_mut() {
                entry.insert("key".into(), key.into());
            }
            rows.push((updated, entry));
        }
    }
    rows.sort_by_key(|(updated, _)| std::cmp::Reverse(*updated));
    let path = match paths {
        [path] => json!(path),
        _ => json!("(multiple)"),
    };
    let sessions: Vec<Value> = rows.into_iter().map(|(_, row)| row).collect();
    Ok(json!({ "ts": now, "path": path, "count": sessions.len(), "sessions": sessions }))
}

fn render(listed: &Value, verbose: bool, now_ms: i64, terminal: &Terminal) -> String {
    let rows = listed.get("sessions").and_then(Value::as_array);
    let mut head = vec!["SESSION", "UPDATED", "TOKENS", "MODEL"];
    if verbose {
        head.push("ID");
    }
    let mut table = Table::new(&head);
    let mut count = 0;
    for row in rows.into_iter().flatten() {
        count += 1;
        let updated = row.get("updatedAt").and_then(Value::as_i64);
        let tokens = row.get("totalTokens").and_then(Value::as_u64);
        let mut cells = vec![
            (Tone::Strong, string(row, "key")),
            (
                Tone::Plain,
                updated.map_or_else(|| "-".into(), |at| render::ago(at, now_ms)),
            ),
            (
                Tone::Plain,
                tokens.map_or_else(|| "-".into(), |tokens| tokens.to_string()),
            ),
            (
                Tone::Muted,
                [string(row, "modelProvider"), string(row, "model")]
                    .into_iter()
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join("/"),
            ),
        ];
        if verbose {
            cells.push((Tone::Muted, string(row, "sessionId")));
        }
        table.row(cells);
    }
    if count == 0 {
        return "No conversations yet. Begin one: openclaw agent --message hello".to_owned();
    }
    table.render(terminal)
}
