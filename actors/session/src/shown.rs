//! What is shown beside an answer where somebody asked for it: the reasoning before it, the tools after it. Pure.

use openclaw_protocol::Content;
use openclaw_protocol::Message;

/// Longest reasoning that is shown, in characters.
const REASONING: usize = 3_000;

/// What a session wants to see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) tools: bool,
    pub(crate) reasoning: bool,
}

/// The answer with what is wanted beside it.
pub(crate) fn beside(text: String, said: &[Message], wanted: Wanted) -> String {
    let reasoning = reasoning(said).filter(|_| wanted.reasoning);
    let tools = tools(said).filter(|_| wanted.tools);
    let parts = [reasoning, Some(text), tools];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join("\n\n")
}

/// The reasoning of the last answer that has some.
fn reasoning(said: &[Message]) -> Option<String> {
    let found = said.iter().rev().find_map(|message| {
        let Message::Assistant(answer) = message else {
            return None;
        };
        let thoughts = answer.content.iter().filter_map(|part| match part {
            Content::Thinking { thinking, .. } => Some(thinking.trim()),
            _ => None,
        });
        let thoughts: Vec<&str> = thoughts.filter(|thought| !thought.is_empty()).collect();
        (!thoughts.is_empty()).then(|| thoughts.join("\n"))
    })?;
    let cut = found.char_indices().nth(REASONING).map(|(cut, _)| cut);
    let shown = match cut {
        Some(cut) => format!("{}…", found.get(..cut).unwrap_or_default()),
        None => found,
    };
    let quoted: Vec<String> = shown.lines().map(|line| format!("> {line}")).collect();
    Some(quoted.join("\n"))
}

/// One line of the tools that were used, in the order of their first use.
fn tools(said: &[Message]) -> Option<String> {
    let mut used: Vec<(&str, usize, usize)> = Vec::new();
    for message in said {
        let Message::ToolResult(result) = message else {
            continue;
        };
        let failed = usize::from(result.is_error);
        match used.iter_mut().find(|(name, ..)| *name == result.tool_name) {
            Some((_, times, failures)) => {
                *times += 1;
                *failures += failed;
            }
            None => used.push((&result.tool_name, 1, failed)),
        }
    }
    let words: Vec<String> = used
        .into_iter()
        .map(|(name, times, failed)| {
            let times = if times > 1 {
                format!(" ×{times}")
            } else {
                String::new()
            };
            let failed = if failed > 0 {
                format!(" ({failed} failed)")
            } else {
                String::new()
            };
            format!("{name}{times}{failed}")
        })
        .collect();
    (!words.is_empty()).then(|| format!("Tools: {}", words.join(", ")))
}

#[cfg(test)]
mod tests {
    use openclaw_protocol::message::AssistantMessage;
    use openclaw_protocol::message::ToolResultMessage;
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_wanted_stands_beside_the_answer() {
        let thinking = json!({"type": "thinking", "thinking": "two\nlines"});
        let result = |name: &str, is_error| {
            Message::ToolResult(ToolResultMessage {
                tool_name: name.to_owned(),
                is_error,
                ..ToolResultMessage::default()
            })
        };
        let said = [
            result("read", false),
            result("exec", true),
            result("read", false),
            Message::Assistant(AssistantMessage {
                content: vec![
                    serde_json::from_value(thinking).unwrap(),
                    Content::text("hi"),
                ],
                ..AssistantMessage::default()
            }),
        ];
        let with = |tools, reasoning| beside("hi".to_owned(), &said, Wanted { tools, reasoning });
        assert_eq!(with(false, false), "hi");
        assert_eq!(with(true, false), "hi\n\nTools: read ×2, exec (1 failed)");
        assert_eq!(with(false, true), "> two\n> lines\n\nhi");
        let nothing = beside(
            "hi".to_owned(),
            &[],
            Wanted {
                tools: true,
                reasoning: true,
            },
        );
        assert_eq!(nothing, "hi");
    }
}
