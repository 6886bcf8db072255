//! `gateway probe` and `gateway discover`: which gateways can be reached from here, and what they say.

use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::client::Client;
use crate::commands::RemoteArgs;
use crate::commands::health::string;
use crate::error::CommandResult;
use crate::render::Tone;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct ProbeArgs {
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DiscoverArgs {
    /// How long to look, in milliseconds.
    #[arg(long, value_name = "ms", default_value_t = 2000)]
    timeout: u64,
}

/// Asks a gateway what OpenClaw's own probe asks.
pub(crate) async fn run(args: &ProbeArgs, shell: &Shell) -> CommandResult {
    let begun = Instant::now();
    let mut client = args.remote.connect(shell).await?;
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let within = args.remote.timeout();
    let mut answers = serde_json::Map::new();
    for (name, method) in [
        ("health", "health"),
        ("status", "status"),
        ("presence", "system-presence"),
        ("config", "config.get"),
    ] {
        let answer = client.call(method, &json!({}), within).await?;
        answers.insert(name.to_owned(), answer);
    }
    let report = json!({
        "ok": true,
        "url": client.url(),
        "connectMs": took_ms,
        "server": client.hello().get("server"),
        "protocol": client.hello().get("protocol"),
        "health": answers.get("health"),
        "summary": answers.get("status"),
        "presence": answers.get("presence"),
        "configValid": answers.get("config").and_then(|config| config.get("valid")),
    });
    client.close().await;
    shell.terminal.show(&report, |terminal| {
        let server = report.get("server").unwrap_or(&Value::Null);
        let who = report
            .get("presence")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        format!(
            "{} {} in {took_ms} ms, version {}, protocol {}, {who} present",
            terminal.paint(Tone::Good, "reached"),
            string(&report, "url"),
            string(server, "version"),
            report.get("protocol").unwrap_or(&Value::Null),
        )
    })?;
    Ok(())
}

/// Looks for gateways. Nothing is announced in the network yet, so only the one that is configured is found.
pub(crate) async fn discover(args: &DiscoverArgs, shell: &Shell) -> CommandResult {
    let endpoint = RemoteArgs::default().endpoint(shell)?;
    let url = endpoint.url.clone();
    let within = Duration::from_millis(args.timeout.max(1));
    let mut found = Vec::new();
    if let Ok(client) = Client::connect(endpoint, within).await {
        let server = client.hello().get("server").cloned();
        found.push(json!({ "url": url, "server": server }));
        client.close().await;
    }
    let report = json!({ "count": found.len(), "beacons": found });
    shell.terminal.show(&report, |_| match found.first() {
        Some(_) => format!("1 gateway: {url}"),
        None => format!("No gateway answers at {url}; other machines are not looked for yet."),
    })?;
    Ok(())
}
