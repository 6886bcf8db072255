//! The answers to chat commands.

use openclaw_ledger::InboxRow;
use openclaw_protocol::ModelRef;
use openclaw_protocol::SessionKey;

use crate::command;
use crate::command::Command;
use crate::elevated;
use crate::entry;
use crate::entry::Entry;
use crate::queue::Rules;

/// What the answers are made of.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) key: &'a SessionKey,
    pub(crate) row: &'a InboxRow,
    pub(crate) entry: Option<&'a Entry>,
    pub(crate) model: &'a Result<ModelRef, String>,
    /// Rows behind this one.
    pub(crate) waiting: usize,
    pub(crate) messages: usize,
    /// How messages are queued.
    pub(crate) rules: &'a Rules,
    /// Whether answers go out.
    pub(crate) may_send: bool,
}

/// The text of an answer.
pub(crate) fn answer(command: &Command, facts: &Facts<'_>) -> String {
    match command {
        Command::Stop => "Stopped.".to_owned(),
        Command::Reset { .. } => "A new session begins. The old one is kept.".to_owned(),
        Command::Help => command::help(),
        Command::WhoAmI => who(facts.row),
        Command::Status => status(facts),
        // Answered where more is known than here.
        Command::Compact { .. }
        | Command::Context(_)
        | Command::Usage(_)
        | Command::Model { .. }
        | Command::Approve { .. }
        | Command::Think { .. }
        | Command::Queue { .. }
        | Command::Verbose { .. }
        | Command::Reasoning { .. }
        | Command::Send { .. }
        | Command::Elevated { .. }
        | Command::Activation
        | Command::SubAgents(_) => match facts.model {
            Ok(_) => String::new(),
            Err(error) => error.clone(),
        },
    }
}

fn who(row: &InboxRow) -> String {
    let Some(sender) = &row.body.sender else {
        return format!("You are the operator, over {}.", row.source);
    };
    let username = sender
        .username
        .as_deref()
        .map(|name| format!(" (@{name})"))
        .unwrap_or_default();
    let name = sender.name.as_deref().unwrap_or("no name");
    format!(
        "You are {name}{username}, id {}, over {}.",
        sender.id, row.source
    )
}

fn status(facts: &Facts<'_>) -> String {
    let model = match facts.model {
        Ok(model) => model.to_string(),
        Err(error) => format!("none ({error})"),
    };
    let mut lines = vec![
        format!("**OpenClaw** {}", env!("CARGO_PKG_VERSION")),
        format!("Model: {model}"),
        format!("Session: {}", facts.key),
        format!("Messages in context: {}", facts.messages),
    ];
    if let Some(entry) = facts.entry {
        let number = |name: &str| entry.get(name).and_then(serde_json::Value::as_u64);
        if let Some(used) = number("totalTokens") {
            let of = number("contextTokens")
                .map(|window| format!(" of {window}"))
                .unwrap_or_default();
            lines.push(format!("Tokens in context: {used}{of}"));
        }
        if let Some(count) = number("compactionCount").filter(|count| *count > 0) {
            lines.push(format!("Summed up: {count} times"));
        }
        if let (Some(input), Some(output)) = (number("inputTokens"), number("outputTokens")) {
            lines.push(format!("Last answer: {input} tokens in, {output} out"));
        }
        let chosen = [
            ("Thinking", "thinkingLevel"),
            ("Tools named", "verboseLevel"),
            ("Reasoning shown", "reasoningLevel"),
            ("Usage shown", "responseUsage"),
            ("Elevated", elevated::FIELD),
        ];
        for (name, field) in chosen {
            if let Some(value) = entry::text(entry, field) {
                lines.push(format!("{name}: {value}"));
            }
        }
    }
    let waiting = match facts.waiting {
        0 => "empty".to_owned(),
        1 => "1 message waits".to_owned(),
        n => format!("{n} messages wait"),
    };
    lines.push(format!("Queue: {waiting} ({})", facts.rules.mode.name()));
    if !facts.may_send {
        lines.push("Answers stay in the session: /send on".to_owned());
    }
    lines.join("\n")
}
