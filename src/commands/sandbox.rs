//! `sandbox`: what sessions may do, and what stands around them.

use std::path::Path;
use std::path::PathBuf;

use clap::Subcommand;
use openclaw_gateway::explain::explain;
use openclaw_protocol::AgentId;
use openclaw_protocol::SessionKey;
use openclaw_protocol::key::KeyError;
use openclaw_tool::Toolbox;
use openclaw_tool::sandbox::Docker;
use openclaw_tool::sandbox::Scope;
use openclaw_tool::sandbox::containers;
use openclaw_tool::sandbox::name_of;
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
    /// List the sandboxes that keep files, and their containers.
    List,
    /// Throw a sandbox's files and container away; the next program in it finds it empty.
    #[command(group = clap::ArgGroup::new("which").required(true))]
    Recreate {
        /// All of them.
        #[arg(long, group = "which")]
        all: bool,
        /// That of this session.
        #[arg(long, value_name = "key", group = "which")]
        session: Option<String>,
        /// That of this agent.
        #[arg(long, value_name = "id", group = "which")]
        agent: Option<String>,
        /// Don't ask first; it never does.
        #[arg(long)]
        force: bool,
    },
}

pub(crate) fn run(args: &SandboxArgs, shell: &Shell) -> CommandResult {
    let (agent, session, stranger) = match &args.command {
        SandboxCommand::Explain {
            agent,
            session,
            stranger,
        } => (agent, session, stranger),
        SandboxCommand::List => return list(shell),
        SandboxCommand::Recreate {
            session,
            agent,
            all,
            ..
        } => return recreate(session.as_deref(), agent.as_deref(), *all, shell),
    };
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

/// The sandboxes' folders by name, with when each was last changed.
fn folders(shell: &Shell) -> CommandResult<Vec<(String, PathBuf)>> {
    let folder = shell.paths()?.state_dir.join("sandboxes");
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(&folder, &error)),
    };
    let mut found: Vec<(String, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        // What is noted of containers is no sandbox.
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        .map(|entry| {
            (
                entry.file_name().to_string_lossy().into_owned(),
                entry.path(),
            )
        })
        .collect();
    found.sort();
    Ok(found)
}

fn list(shell: &Shell) -> CommandResult {
    let found = folders(shell)?;
    let notes = containers(&shell.paths()?.state_dir.join("sandboxes"));
    let of = |name: &str| notes.iter().find(|note| note.sandbox == name);
    let told: Value = found
        .iter()
        .map(|(name, path)| {
            let note = of(name);
            let container = note.map(|note| &note.container);
            let image = note.map(|note| &note.image);
            serde_json::json!({ "name": name, "path": path, "container": container, "image": image })
        })
        .collect();
    shell.terminal.show(&told, |terminal| {
        if found.is_empty() {
            return "There is none.".to_owned();
        }
        let mut table = Table::new(&["SANDBOX", "FILES", "CONTAINER"]);
        for (name, path) in &found {
            table.row(vec![
                (Tone::Strong, name.clone()),
                (Tone::Muted, path.display().to_string()),
                (
                    Tone::Muted,
                    of(name).map_or_else(String::new, |note| {
                        format!("{} ({})", note.container, note.image)
                    }),
                ),
            ]);
        }
        table.render(terminal)
    })?;
    Ok(())
}

fn recreate(session: Option<&str>, agent: Option<&str>, all: bool, shell: &Shell) -> CommandResult {
    let invalid = |error: KeyError| CommandError::new(Kind::Usage, error.to_string());
    let default = shell.config()?.config.agents.default_id();
    let wanted = match (session, agent) {
        (Some(key), _) => {
            let key = SessionKey::expand(key, &default).map_err(invalid)?;
            Some(name_of(Scope::Session, &key))
        }
        (None, Some(agent)) => {
            let agent = AgentId::parse(agent).map_err(invalid)?;
            Some(name_of(Scope::Agent, &SessionKey::main(&agent)))
        }
        (None, None) => None,
    };
    let is_meant = |name: &str| all || wanted.as_deref() == Some(name);
    // The container first: it holds the files.
    let sandboxes = shell.paths()?.state_dir.join("sandboxes");
    let removed = Docker::find().remove(&sandboxes, |note| is_meant(&note.sandbox));
    let removed = removed.map_err(|why| CommandError::new(Kind::Io, why))?;
    let removed: Vec<String> = removed.into_iter().map(|note| note.container).collect();
    let mut gone = Vec::new();
    for (name, path) in folders(shell)? {
        if is_meant(&name) {
            std::fs::remove_dir_all(&path).map_err(|error| unreadable(&path, &error))?;
            gone.push(name);
        }
    }
    let told = serde_json::json!({ "removed": gone, "containers": removed });
    shell
        .terminal
        .show(&told, |terminal| match gone.is_empty() {
            true => "There was none.".to_owned(),
            false => terminal.paint(Tone::Good, &format!("thrown away: {}", gone.join(", "))),
        })?;
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::new(Kind::Io, format!("{}: {error}", path.display()))
}

fn render(told: &Value, terminal: &Terminal) -> String {
    let sandbox = told.get("sandbox").unwrap_or(&Value::Null);
    let is_sandboxed = sandbox.get("sessionIsSandboxed") == Some(&Value::Bool(true));
    let mut lines = vec![
        format!("Session: {}", string(told, "sessionKey")),
        format!(
            "Sandbox: {} (mode {}, scope {}, workspace {}, walls {}){}",
            if is_sandboxed { "yes" } else { "no" },
            string(sandbox, "mode"),
            string(sandbox, "scope"),
            string(sandbox, "workspaceAccess"),
            string(sandbox, "backend"),
            container(sandbox.get("docker").unwrap_or(&Value::Null)),
        ),
        elevated(told.get("elevated").unwrap_or(&Value::Null), is_sandboxed),
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
    lines.extend(outside(told.get("outside").unwrap_or(&Value::Null)));
    lines.join("\n")
}

/// What is set about containers, where there are any.
fn container(docker: &Value) -> String {
    if docker.is_null() {
        return String::new();
    }
    let refused = docker.get("refused").and_then(Value::as_str);
    let told = format!(
        "\nContainer: {}, network {}",
        string(docker, "image"),
        string(docker, "network")
    );
    match refused {
        Some(why) => format!("{told}\n  none is made: {why}"),
        None => told,
    }
}

/// Who can have programs run outside the walls.
fn elevated(told: &Value, is_sandboxed: bool) -> String {
    let named = |name: &str| {
        let lists = told.get(name)?.as_object()?;
        let named = lists.iter().map(|(channel, list)| {
            let list = list.as_array().into_iter().flatten();
            let list: Vec<String> = list.map(|one| one.to_string().replace('"', "")).collect();
            format!("{channel} {}", list.join(", "))
        });
        Some(named.collect::<Vec<String>>().join("; "))
    };
    let who = match (named("allowFrom"), named("agentAllowFrom")) {
        (Some(all), None) => all,
        (Some(all), Some(own)) => format!("{all} if also named for the agent: {own}"),
        (None, _) => "nobody on a channel (tools.elevated.allowFrom)".to_owned(),
    };
    match told.get("enabled") == Some(&Value::Bool(true)) {
        _ if !is_sandboxed => "Elevated: nothing to leave".to_owned(),
        false => "Elevated: switched off (tools.elevated.enabled)".to_owned(),
        true => format!(
            "Elevated: {} unless a session says otherwise (/elevated); for clients with operator.admin, and {who}",
            string(told, "usual")
        ),
    }
}

/// What holds once a conversation has words from outside in it.
fn outside(told: &Value) -> Vec<String> {
    let rules = told.get("rules").unwrap_or(&Value::Null);
    let list = |name: &str| {
        let list = rules
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let words: Vec<&str> = list.filter_map(Value::as_str).collect();
        match words.is_empty() {
            true => "none".to_owned(),
            false => words.join(", "),
        }
    };
    let is = match string(rules, "mode").as_str() {
        "off" => {
            return vec![
                String::new(),
                "After words from outside: nothing is held back (tools.outside.mode is \"off\")."
                    .to_owned(),
            ];
        }
        "refuse" => "refused",
        _ => "asked about each time",
    };
    let mut lines = vec![
        String::new(),
        format!(
            "After words from outside (the web, other people, files from elsewhere), these are {is} (tools.outside: \
             hosts {}; folders {}):",
            list("hosts"),
            list("folders"),
        ),
    ];
    let holds = told.get("holds").and_then(Value::as_array);
    lines.extend(
        holds
            .into_iter()
            .flatten()
            .map(|held| format!("  {}: {}", string(held, "tools"), string(held, "what"))),
    );
    lines
}
