//! `nodes invoke` and `nodes run`: a command goes to a node.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use super::find;
use crate::client::Client;
use crate::commands::RemoteArgs;
use crate::commands::health::string;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::render::Tone;
use crate::shell::Shell;

/// How much longer the gateway is waited for than the node.
const WAY: Duration = Duration::from_secs(15);
/// How long somebody may think about whether a program is run.
const DECISION: Duration = Duration::from_secs(120);

#[derive(Debug, clap::Args)]
pub(super) struct InvokeArgs {
    /// The node: its id, the beginning of it, or its name.
    #[arg(long, value_name = "node")]
    node: String,
    /// The command, as `nodes describe` lists it.
    #[arg(long, value_name = "command")]
    command: String,
    /// The command's parameters, a JSON object.
    #[arg(long, value_name = "json", default_value = "{}")]
    params: String,
    /// How long the node may take, in milliseconds.
    #[arg(long, value_name = "ms", default_value_t = 15_000)]
    invoke_timeout: u64,
    /// A name for the request: a repeat under the same name gets the first answer.
    #[arg(long, value_name = "key")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// The node: its id, the beginning of it, or its name.
    #[arg(long, value_name = "node")]
    node: String,
    /// In which folder.
    #[arg(long, value_name = "path")]
    cwd: Option<String>,
    /// The agent whose rules hold.
    #[arg(long, value_name = "id", default_value = "main")]
    agent: String,
    /// How long the program may take, in milliseconds.
    #[arg(long, value_name = "ms", default_value_t = 30_000)]
    command_timeout: u64,
    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) async fn invoke(args: &InvokeArgs, shell: &Shell) -> CommandResult {
    let params: Value = serde_json::from_str(&args.params)
        .map_err(|error| CommandError::new(Kind::Usage, format!("--params is no JSON: {error}")))?;
    let mut client = args.remote.connect(shell).await?;
    let node = find(&mut client, &args.node, &args.remote).await?;
    let key = args.idempotency_key.clone();
    let request = json!({
        "nodeId": node, "command": args.command, "params": params,
        "timeoutMs": args.invoke_timeout,
        "idempotencyKey": key.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
    });
    let within = Duration::from_millis(args.invoke_timeout) + WAY;
    let answer = client.call("node.invoke", &request, within).await?;
    client.close().await;
    shell.terminal.show(&answer, |_| {
        let payload = answer.get("payload").cloned().unwrap_or_default();
        format!("{payload:#}")
    })?;
    Ok(())
}

pub(super) async fn run(args: &RunArgs, shell: &Shell) -> CommandResult {
    let mut client = args.remote.connect(shell).await?;
    let node = find(&mut client, &args.node, &args.remote).await?;
    let decision = allowed(&mut client, &node, args, shell).await?;
    let request = json!({
        "nodeId": node, "command": "system.run",
        "timeoutMs": args.command_timeout + 5_000,
        "idempotencyKey": uuid::Uuid::new_v4().to_string(),
        "params": {
            "command": args.command, "cwd": args.cwd, "timeoutMs": args.command_timeout,
            "agentId": args.agent, "approved": decision.is_some(), "approvalDecision": decision,
        },
    });
    let within = Duration::from_millis(args.command_timeout) + WAY;
    let answer = client.call("node.invoke", &request, within).await?;
    client.close().await;
    let payload = answer.get("payload").cloned().unwrap_or_default();
    shell.terminal.show(&payload, |_| {
        let out = string(&payload, "stdout");
        out.trim_end_matches('\n').to_owned()
    })?;
    let problem = string(&payload, "stderr");
    if !problem.trim().is_empty() {
        shell.terminal.note(Tone::Muted, problem.trim_end());
    }
    if payload.get("timedOut") == Some(&json!(true)) {
        return Err(CommandError::new(
            Kind::No,
            "the program did not end in time",
        ));
    }
    match payload.get("exitCode").and_then(Value::as_i64) {
        Some(0) => Ok(()),
        Some(code) => {
            let code = u8::try_from(code).unwrap_or(1);
            Err(CommandError::reported(Kind::Code(code)))
        }
        None => Err(CommandError::new(Kind::No, string(&payload, "error"))),
    }
}

/// Asks whoever may allow it, if the node's rules want that; the word that the node is then told.
async fn allowed(
    client: &mut Client,
    node: &str,
    args: &RunArgs,
    shell: &Shell,
) -> CommandResult<Option<String>> {
    let wanted = json!({ "nodeId": node });
    let rules = client
        .call(
            "exec.approvals.node.get",
            &wanted,
            args.remote.timeout() + WAY,
        )
        .await?;
    let rule = |name: &str| rule(&rules, &args.agent, name);
    let security = rule("security").unwrap_or_else(|| "deny".to_owned());
    let ask = rule("ask").unwrap_or_else(|| "on-miss".to_owned());
    let denied = |why: &str| CommandError::new(Kind::No, format!("not run: {why}"));
    if security == "deny" {
        let hint = "the rules are in exec-approvals.json on the node; its defaults deny everything";
        return Err(denied("the node's rules deny it").hint(hint));
    }
    if ask == "off" {
        return Ok(None);
    }
    shell.terminal.note(
        Tone::Muted,
        "waiting for somebody to allow it: openclaw approvals waiting",
    );
    let question = json!({
        "command": args.command.join(" "), "cwd": args.cwd, "host": "node",
        "security": security, "ask": ask, "agentId": args.agent,
        "timeoutMs": u64::try_from(DECISION.as_millis()).unwrap_or(u64::MAX),
    });
    let answer = client
        .call("exec.approval.request", &question, DECISION + WAY)
        .await?;
    match string(&answer, "decision").as_str() {
        "deny" => Err(denied("it was refused")),
        "" => Err(denied("nobody allowed it in time")),
        decision => Ok(Some(decision.to_owned())),
    }
}

/// A rule for an agent: its own, that of all agents, or the default.
fn rule(rules: &Value, agent: &str, name: &str) -> Option<String> {
    let file = rules.get("file")?;
    let agents = file.get("agents");
    let of = |agent: &str| agents.and_then(|agents| agents.get(agent));
    let places = [of(agent), of("*"), file.get("defaults")];
    let mut found = places
        .into_iter()
        .flatten()
        .filter_map(|place| place.get(name)?.as_str().map(str::to_owned));
    found.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_s_own_rule_goes_before_the_common_ones() {
        let rules = json!({ "file": {
            "defaults": { "security": "deny", "ask": "always" },
            "agents": { "*": { "security": "allowlist" }, "main": { "security": "full" } },
        } });
        let rule = |agent, name| rule(&rules, agent, name);
        assert_eq!(rule("main", "security").as_deref(), Some("full"));
        assert_eq!(rule("other", "security").as_deref(), Some("allowlist"));
        assert_eq!(rule("main", "ask").as_deref(), Some("always"));
        assert_eq!(rule("main", "askFallback"), None);
    }
}
