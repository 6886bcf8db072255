//! `sandbox`: what sessions may do, and what stands around them.

use clap::Subcommand;
use openclaw_gateway::explain::explain;
use openclaw_protocol::AgentId;
use openclaw_protocol::SessionKey;
use openclaw_protocol::key::KeyError;
use openclaw_tool::Toolbox;
use serde_json::Value;

use super::health::string;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct SandboxArgs {
    #[command(subcommand)]
    command: SandboxCommand,
}

#[derive(Debug, Subcommand)]
enum SandboxCommand {
    /// Show which tools a session may use, and which rule says so.
    Explain {
        /// The agent; the default agent without it.
        #[arg(long, value_name = "id")]
        agent: Option<String>,
        /// The session; the agent's main session without it.
        #[arg(long, value_name = "key")]
        session: Option<String>,
        /// For somebody who is no owner of this gateway.
        #[arg(long)]
        stranger: bool,
    },
}

pub(crate) fn run(args: &SandboxArgs, shell: &Shell) -> CommandResult {
    let SandboxCommand::Explain {
        agent,
        session,
        stranger,
    } = &args.command;
    let config = &shell.config()?.config;
    let invalid = |error: KeyError| CommandError::new(Kind::Usage, error.to_string());
    let agent = match agent {
        Some(agent) => AgentId::parse(agent).map_err(invalid)?,
        None => config.agents.default_id(),
    };
    let session = match session {
        Some(key) => SessionKey::expand(key, &agent).map_err(invalid)?,
        None => SessionKey::main(&agent),
    };
    let told = explain(config, &Toolbox::empty(), &session, !stranger);
    shell
        .terminal
        .show(&told, |terminal| render(&told, terminal))?;
    Ok(())
}

fn render(told: &Value, terminal: &Terminal) -> String {
    let sandbox = told.get("sandbox").unwrap_or(&Value::Null);
    let is_sandboxed = sandbox.get("sessionIsSandboxed") == Some(&Value::Bool(true));
    let mut lines = vec![
        format!("Session: {}", string(told, "sessionKey")),
        format!(
            "Sandbox: {} (mode {}, scope {}, workspace {})",
            if is_sandboxed { "yes" } else { "no" },
            string(sandbox, "mode"),
            string(sandbox, "scope"),
            string(sandbox, "workspaceAccess"),
        ),
        String::new(),
    ];
    let mut table = Table::new(&["TOOL", "MAY", "WHY"]);
    let tools = told.get("tools").and_then(Value::as_array);
    for tool in tools.into_iter().flatten() {
        let allowed = tool.get("allowed") == Some(&Value::Bool(true));
        let reasons = tool.get("reasons").and_then(Value::as_array);
        let told = reasons.into_iter().flatten().filter(|reason| {
            let allows = reason.get("allows") == Some(&Value::Bool(true));
            allows == allowed
        });
        let why: Vec<String> = told
            .map(|reason| format!("{}: {}", string(reason, "layer"), string(reason, "text")))
            .collect();
        let why = if why.is_empty() {
            "no rule names it".to_owned()
        } else {
            why.join("; ")
        };
        let (tone, may) = if allowed {
            (Tone::Good, "yes")
        } else {
            (Tone::Bad, "no")
        };
        table.row(vec![
            (Tone::Strong, string(tool, "tool")),
            (tone, may.to_owned()),
            (Tone::Muted, why),
        ]);
    }
    lines.push(table.render(terminal));
    lines.join("\n")
}
