//! `config`: read, change and check the configuration. Works with and without a gateway, which takes changes up by itself.

use clap::Subcommand;
use openclaw_gateway::config::Change;
use openclaw_gateway::config::EditError;
use openclaw_gateway::config::LoadedConfig;
use openclaw_gateway::config::edit;
use openclaw_protocol::config::Issue;
use openclaw_protocol::config::Path;
use openclaw_protocol::config::Severity;
use serde_json::Value;
use serde_json::json;

use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the value at a path, secrets too.
    Get {
        /// gateway.auth.token, agents.list[0].id, channels.telegram …
        path: String,
    },
    /// Set the value at a path.
    Set {
        /// gateway.port, channels.telegram.botToken …
        path: String,
        /// JSON5, or a plain word; with --json it must be JSON5.
        value: String,
    },
    /// Remove what is at a path.
    Unset {
        /// gateway.port, agents.list[0] …
        path: String,
    },
    /// Say what is wrong, and what mends it.
    Validate {
        /// Fail on warnings too, such as unknown keys.
        #[arg(long)]
        strict: bool,
    },
    /// Print where the file is.
    File,
}

pub(crate) fn run(args: &ConfigArgs, shell: &Shell) -> CommandResult {
    match &args.command {
        ConfigCommand::Get { path } => get(&parse(path)?, shell),
        ConfigCommand::Set { path, value } => set(&parse(path)?, value, shell),
        ConfigCommand::Unset { path } => {
            let path = parse(path)?;
            let change = edit::unset(shell.paths()?, &shell.environment, &path);
            changed("Removed", &path, &change.map_err(refused)?, shell)
        }
        ConfigCommand::Validate { strict } => validate(*strict, shell),
        ConfigCommand::File => {
            let loaded = shell.config()?;
            let document = json!({ "path": loaded.path, "exists": loaded.exists });
            shell
                .terminal
                .show(&document, |_| loaded.path.display().to_string())?;
            Ok(())
        }
    }
}

fn parse(path: &str) -> CommandResult<Path> {
    path.parse().map_err(|error| {
        let error: openclaw_protocol::config::path::PathError = error;
        CommandError::new(Kind::Usage, error.to_string())
    })
}

fn get(path: &Path, shell: &Shell) -> CommandResult {
    let loaded = shell.config()?;
    let Some(value) = edit::get(loaded, path) else {
        return Err(CommandError::new(
            Kind::No,
            format!("{path} is not set in {}", loaded.path.display()),
        )
        .hint("the file: openclaw config file"));
    };
    shell.terminal.show(value, |_| match value {
        Value::String(text) => text.clone(),
        other => format!("{other:#}"),
    })?;
    Ok(())
}

fn set(path: &Path, word: &str, shell: &Shell) -> CommandResult {
    let value = if shell.globals.json {
        json5::from_str(word).map_err(|error| {
            CommandError::new(Kind::Usage, format!("the value is no JSON5: {error}"))
                .hint("without --json a plain word is taken as text")
        })?
    } else {
        edit::value_for(path, word)
    };
    let change = edit::set(shell.paths()?, &shell.environment, path, value);
    changed("Set", path, &change.map_err(refused)?, shell)
}

/// Says what a change did, and what is odd about the outcome near it.
fn changed(verb: &str, path: &Path, change: &Change, shell: &Shell) -> CommandResult {
    let paths: Vec<String> = change.changed.iter().map(ToString::to_string).collect();
    let near: Vec<&Issue> = change
        .after
        .issues
        .iter()
        .filter(|issue| issue.path.starts_with(&path.to_string()))
        .collect();
    let document = json!({
        "ok": true, "path": change.after.path, "changed": paths, "written": change.is_written,
        "issues": near,
    });
    shell.terminal.show(&document, |terminal| {
        let mut text = if change.is_written {
            format!("{verb} {path} in {}.", change.after.path.display())
        } else {
            format!("{path} was so already; nothing was written.")
        };
        for issue in near {
            text.push('\n');
            text.push_str(&line(issue, terminal));
        }
        text
    })?;
    Ok(())
}

fn validate(strict: bool, shell: &Shell) -> CommandResult {
    let loaded = shell.config()?;
    let fails = fails(loaded, strict);
    let document = json!({
        "path": loaded.path, "exists": loaded.exists, "valid": !fails, "issues": loaded.issues,
    });
    shell.terminal.show(&document, |terminal| {
        let mut lines: Vec<String> = loaded
            .issues
            .iter()
            .map(|issue| line(issue, terminal))
            .collect();
        lines.push(match (loaded.exists, fails) {
            (_, true) => terminal.paint(
                Tone::Bad,
                &format!("{} is not valid.", loaded.path.display()),
            ),
            (false, false) => format!("There is no {}: the defaults hold.", loaded.path.display()),
            (true, false) => {
                terminal.paint(Tone::Good, &format!("{} is valid.", loaded.path.display()))
            }
        });
        lines.join("\n")
    })?;
    if fails {
        return Err(CommandError::reported(Kind::Config));
    }
    Ok(())
}

fn fails(loaded: &LoadedConfig, strict: bool) -> bool {
    let limit = if strict {
        Severity::Warning
    } else {
        Severity::Error
    };
    loaded.issues.iter().any(|issue| issue.severity >= limit)
}

/// An issue as a line.
pub(crate) fn line(issue: &Issue, terminal: &Terminal) -> String {
    let (tone, word) = match issue.severity {
        Severity::Error => (Tone::Bad, "error"),
        Severity::Warning => (Tone::Warn, "warning"),
        Severity::Note => (Tone::Muted, "note"),
    };
    format!("{} {issue}", terminal.paint(tone, &format!("{word}:")))
}

/// A change that was not made.
pub(crate) fn refused(error: EditError) -> CommandError {
    let kind = match &error {
        EditError::Path(_) | EditError::Text(_) | EditError::NotAnObject => Kind::Usage,
        EditError::NotSet(..) => Kind::No,
        EditError::Io { .. } => Kind::Io,
        _ => Kind::Config,
    };
    let text = format!("the configuration was not changed: {error}");
    match error {
        EditError::Unreadable(_) => {
            CommandError::new(kind, text).hint("what is wrong: openclaw config validate")
        }
        _ => CommandError::new(kind, text),
    }
}
