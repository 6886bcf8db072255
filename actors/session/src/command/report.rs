//! The answer to `/context`: what a model gets to see, and how much room it takes.

use openclaw_protocol::Message;
use openclaw_protocol::Prompt;
use openclaw_protocol::Tools;
use serde_json::Value;
use serde_json::json;

use super::Form;
use crate::budget::grouped;
use crate::context::room::Window;
use crate::context::size;

/// What is reported.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) model: String,
    pub(crate) window: Window,
    pub(crate) system: &'a Prompt,
    pub(crate) tools: &'a Tools,
    pub(crate) history: Vec<&'a Message>,
    /// How often the conversation was summed up.
    pub(crate) compactions: u64,
}

/// A part of what a model sees, with its tokens.
type Part = (String, u64);

/// The report.
pub(crate) fn report(form: Form, facts: &Facts<'_>) -> String {
    let head = size::head(facts.system, facts.tools);
    let whole = size::request(head, facts.history.iter().copied());
    let files = sections(facts.system);
    let tools: Vec<Part> = facts
        .tools
        .iter()
        .map(|tool| (tool.name.clone(), size::tool(tool)))
        .collect();
    let roles: Vec<Part> = ["user", "assistant", "toolResult"]
        .into_iter()
        .map(|role| {
            let of_role = facts
                .history
                .iter()
                .filter(|message| message.role() == role);
            (role.to_owned(), size::messages(of_role.copied()))
        })
        .collect();
    let window = &facts.window;
    if form == Form::Json {
        let object = |parts: &[Part]| -> Value {
            parts
                .iter()
                .map(|(name, tokens)| (name.clone(), json!(tokens)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let report = json!({
            "model": facts.model,
            "window": window.whole,
            "limit": window.limit,
            "tokens": whole,
            "system": { "tokens": size::text(facts.system), "sections": object(&files) },
            "tools": { "count": facts.tools.len(), "tokens": object(&tools) },
            "messages": { "count": facts.history.len(), "tokens": object(&roles) },
            "compactions": facts.compactions,
        });
        let text = serde_json::to_string_pretty(&report).unwrap_or_default();
        return format!("```json\n{text}\n```");
    }
    let sum = |parts: &[Part]| grouped(parts.iter().map(|(_, tokens)| tokens).sum());
    let mut lines = vec![
        format!(
            "About {} of {} tokens for {}; from {} on the conversation is summed up.",
            grouped(whole),
            grouped(window.whole),
            facts.model,
            grouped(window.limit)
        ),
        format!(
            "System prompt: {} tokens",
            grouped(size::text(facts.system))
        ),
    ];
    let detail = |lines: &mut Vec<String>, parts: &[Part]| {
        if form == Form::Detail {
            let shown = parts.iter().filter(|(_, tokens)| *tokens > 0);
            lines.extend(shown.map(|(name, tokens)| format!("- {name}: {}", grouped(*tokens))));
        }
    };
    detail(&mut lines, &files);
    lines.push(format!(
        "Tools: {}, {} tokens",
        facts.tools.len(),
        sum(&tools)
    ));
    detail(&mut lines, &tools);
    lines.push(format!(
        "Messages: {}, {} tokens",
        facts.history.len(),
        sum(&roles)
    ));
    detail(&mut lines, &roles);
    lines.push(format!("Summed up: {} times", facts.compactions));
    lines.join("\n")
}

/// The parts of a system prompt by their headings.
fn sections(system: &str) -> Vec<Part> {
    let mut parts: Vec<(String, String)> = vec![("opening".to_owned(), String::new())];
    for line in system.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            parts.push((name.to_owned(), String::new()));
        }
        if let Some((_, text)) = parts.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    parts
        .into_iter()
        .map(|(name, text)| (name, size::text(&text)))
        .collect()
}
