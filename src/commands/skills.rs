//! `skills`: what agents know how to do, and what is missing for it.

use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

use super::RemoteArgs;
use super::ask;
use super::health::string;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::render::Table;
use crate::render::Terminal;
use crate::render::Tone;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct SkillsArgs {
    #[command(subcommand)]
    command: SkillsCommand,
}

#[derive(Debug, Subcommand)]
enum SkillsCommand {
    /// Show the skills and where they come from.
    List {
        /// Only those that can be used.
        #[arg(long)]
        eligible: bool,
        #[command(flatten)]
        asked: Asked,
    },
    /// Show one: what it is for, where it lies, what it needs.
    Info {
        /// Its name.
        name: String,
        #[command(flatten)]
        asked: Asked,
    },
    /// Show what can't be used, and why.
    Check {
        #[command(flatten)]
        asked: Asked,
    },
}

#[derive(Debug, clap::Args)]
struct Asked {
    /// Another agent than the default one.
    #[arg(long, value_name = "id")]
    agent: Option<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(crate) async fn run(args: &SkillsArgs, shell: &Shell) -> CommandResult {
    let asked = match &args.command {
        SkillsCommand::List { asked, .. }
        | SkillsCommand::Info { asked, .. }
        | SkillsCommand::Check { asked } => asked,
    };
    let params = match &asked.agent {
        Some(agent) => json!({ "agentId": agent }),
        None => json!({}),
    };
    let answer = ask("skills.status", params, &asked.remote, shell).await?;
    let skills = answer.get("skills").and_then(Value::as_array);
    let skills: Vec<&Value> = skills.into_iter().flatten().collect();
    match &args.command {
        SkillsCommand::List { eligible, .. } => {
            let chosen = skills
                .into_iter()
                .filter(|skill| !eligible || is(skill, "eligible"));
            let chosen: Vec<&Value> = chosen.collect();
            shell
                .terminal
                .show(&json!({ "skills": chosen }), |terminal| {
                    list(&chosen, terminal)
                })?;
        }
        SkillsCommand::Info { name, .. } => {
            let called = |skill: &&&Value| {
                string(skill, "name") == *name || string(skill, "skillKey") == *name
            };
            let Some(skill) = skills.iter().find(called) else {
                return Err(
                    CommandError::new(Kind::No, format!("there is no skill \"{name}\""))
                        .hint("openclaw skills list shows their names"),
                );
            };
            shell
                .terminal
                .show(skill, |terminal| info(skill, terminal))?;
        }
        SkillsCommand::Check { .. } => {
            let lacking: Vec<&Value> = skills
                .iter()
                .filter(|skill| !is(skill, "eligible"))
                .copied()
                .collect();
            let count = skills.len();
            shell.terminal.show(
                &json!({ "total": count, "notEligible": lacking }),
                |terminal| check(count, &lacking, terminal),
            )?;
        }
    }
    Ok(())
}

fn is(skill: &Value, name: &str) -> bool {
    skill.get(name) == Some(&json!(true))
}

fn reasons(skill: &Value) -> String {
    let reasons = skill.get("reasons").and_then(Value::as_array);
    let reasons = reasons.into_iter().flatten().filter_map(Value::as_str);
    reasons.collect::<Vec<_>>().join("; ")
}

/// Where it comes from, without the word that all of them begin with.
fn source(skill: &Value) -> String {
    string(skill, "source")
        .trim_start_matches("openclaw-")
        .to_owned()
}

fn list(skills: &[&Value], terminal: &Terminal) -> String {
    let mut table = Table::new(&["SKILL", "STATE", "FROM", "WHAT FOR"]);
    for skill in skills {
        let (tone, state) = match (is(skill, "eligible"), is(skill, "disabled")) {
            (true, _) => (Tone::Good, "ready"),
            (false, true) => (Tone::Muted, "off"),
            (false, false) => (Tone::Warn, "lacks something"),
        };
        let what_for: String = string(skill, "description").chars().take(80).collect();
        table.row(vec![
            (Tone::Accent, string(skill, "name")),
            (tone, state.to_owned()),
            (Tone::Plain, source(skill)),
            (Tone::Muted, what_for),
        ]);
    }
    table.render(terminal)
}

fn info(skill: &Value, terminal: &Terminal) -> String {
    let mut text = format!("{}\n", terminal.paint(Tone::Accent, &string(skill, "name")));
    text.push_str(&format!("  {}\n", string(skill, "description")));
    text.push_str(&format!("  from      {}\n", source(skill)));
    text.push_str(&format!("  file      {}\n", string(skill, "filePath")));
    for (label, name) in [("homepage", "homepage"), ("key in", "primaryEnv")] {
        let value = string(skill, name);
        if !value.is_empty() {
            text.push_str(&format!("  {label:<8}  {value}\n"));
        }
    }
    let state = match reasons(skill) {
        why if why.is_empty() => terminal.paint(Tone::Good, "ready"),
        why => terminal.paint(Tone::Warn, &why),
    };
    text.push_str(&format!("  state     {state}\n"));
    text
}

fn check(count: usize, lacking: &[&Value], terminal: &Terminal) -> String {
    let ready = count - lacking.len();
    let mut text = format!("{ready} of {count} skills can be used.\n");
    for skill in lacking {
        let name = terminal.paint(Tone::Accent, &string(skill, "name"));
        text.push_str(&format!("  {name}: {}\n", reasons(skill)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_something_says_what() {
        let skill = json!({
            "name": "tides", "description": "When the sea comes", "source": "openclaw-managed",
            "filePath": "/s/tides/SKILL.md", "eligible": false, "disabled": false, "primaryEnv": "TIDE_KEY",
            "reasons": ["needs variables TIDE_KEY"],
        });
        assert_eq!(
            check(3, &[&skill], &Terminal::plain()),
            "2 of 3 skills can be used.\n  tides: needs variables TIDE_KEY\n"
        );
        let shown = info(&skill, &Terminal::plain());
        assert!(
            shown.contains("  key in    TIDE_KEY\n") && shown.contains("from      managed"),
            "{shown}"
        );
    }
}
