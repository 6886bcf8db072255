//! `commands.list`: the words that begin with a slash.

use std::collections::HashSet;

use openclaw_protocol::AgentId;
use openclaw_protocol::SessionKey;
use openclaw_session::command;
use openclaw_session::skill::Skill;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;

pub(super) fn list(call: Call) -> Outcome {
    Outcome::later(async move { Ok(json!({ "commands": all(&call).await })) })
}

/// The commands, and the skills that can be called like them.
pub(super) async fn all(call: &Call) -> Vec<Value> {
    let mut all = commands();
    let services = &call.services;
    let config = services.configuration();
    let of_session = || SessionKey::parse(call.text("sessionKey")?).ok();
    let named = call.text("agentId").and_then(|id| AgentId::parse(id).ok());
    let agent = named
        .or_else(|| of_session().map(|session| session.agent()))
        .unwrap_or_else(|| config.agents.default_id());
    let Some(agent) = config.agents.resolve(&agent) else {
        return all;
    };
    let configured = agent.workspace.as_deref();
    let workspace = services
        .paths
        .workspace(&agent.id, agent.is_default, configured);
    let skills = services.skills.clone();
    let reading = tokio::task::spawn_blocking(move || skills.now(&agent.id, &workspace));
    if let Ok(skills) = reading.await {
        add(&mut all, skills.skills());
    }
    all
}

/// Adds what can be called by a slash; a command goes before a skill of its name.
fn add(all: &mut Vec<Value>, skills: &[Skill]) {
    let mut taken: HashSet<String> = all
        .iter()
        .filter_map(|command| Some(command.get("name")?.as_str()?.to_owned()))
        .collect();
    for skill in skills.iter().filter(|skill| skill.by_slash) {
        let name = skill.slash_name();
        if taken.insert(name.clone()) {
            all.push(json!({
                "name": name,
                "textAliases": [format!("/{name}")],
                "description": skill.description,
                "category": "tools",
                "source": "skill",
                "scope": "text",
                "acceptsArgs": true,
            }));
        }
    }
}

/// Read from the help that people get, so that the two can't differ.
fn commands() -> Vec<Value> {
    let help = command::help();
    let lines = help.lines().filter_map(|line| {
        let line = line.trim().trim_start_matches(['-', '*', '•', ' ', '`']);
        let (word, rest) = line.strip_prefix('/')?.split_once([' ', '`', ':'])?;
        let description = rest.split_once(": ").map_or(rest, |(_, rest)| rest);
        Some((word.to_owned(), description.trim().to_owned()))
    });
    lines
        .map(|(name, description)| {
            json!({
                "name": name,
                "textAliases": [format!("/{name}")],
                "description": description,
                "category": "session",
                "source": "native",
                "scope": "text",
                "acceptsArgs": matches!(
                    name.as_str(), "new" | "model" | "think" | "compact" | "context" | "usage" | "queue" | "verbose" | "reasoning" | "send"
                ),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use openclaw_session::skill::Source;

    use super::*;

    #[test]
    fn a_skill_is_listed_like_a_command_and_takes_no_command_s_name() {
        let skill = |name: &str, more: &str| {
            let text = format!("---\nname: {name}\ndescription: For {name}\n{more}\n---\n");
            Skill::read(Path::new("/w/x/SKILL.md"), Source::Managed, &text).unwrap()
        };
        let skills = [
            skill("plan-work", ""),
            skill("new", ""),
            skill("quiet", "user-invocable: false"),
        ];
        let mut all = commands();
        let before = all.len();
        add(&mut all, &skills);
        assert_eq!(all.len(), before + 1);
        let last = all.last().unwrap();
        assert_eq!(
            (&last["name"], &last["source"]),
            (&json!("plan_work"), &json!("skill"))
        );
    }

    #[test]
    fn every_command_of_the_help_is_listed() {
        let commands = super::commands();
        let help = openclaw_session::command::help();
        let slashes = help.lines().filter(|line| {
            line.trim_start_matches(['-', '*', '•', ' ', '`'])
                .starts_with('/')
        });
        assert_eq!(commands.len(), slashes.count());
        assert!(
            commands.iter().any(|command| command["name"] == "new"),
            "{commands:?}"
        );
    }
}
