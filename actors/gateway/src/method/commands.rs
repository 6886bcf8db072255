//! `commands.list`: the words that begin with a slash.

use openclaw_session::command;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;

pub(super) fn list(_call: Call) -> Outcome {
    Outcome::now(Ok(json!({ "commands": commands() })))
}

/// Read from the help that people get, so that the two can't differ.
pub(super) fn commands() -> Vec<Value> {
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
