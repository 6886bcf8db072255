//! How much of conversations is kept between turns.
//!
//! Messages are rows, so to keep them only saves reading. All conversations share one budget: where it is full, the one
//! that comes later is read anew for each of its turns, and a flood of people takes nothing from who was there before.
//! Who is quiet leaves with all it kept, so the places change hands.

use openclaw_protocol::Content;
use openclaw_protocol::Message;
use openclaw_protocol::message::Extra;
use openclaw_runtime::memory::Budget;
use serde_json::Value;

/// Kept of all conversations together, by estimate: some thirty of two hundred short messages each. To read such a one
/// takes some milliseconds, a small part of what a model takes.
pub(crate) static KEPT: Budget = Budget::new(4 * 1024 * 1024, 0);

/// A message without its words: the allocations of its strings and lists, and what the allocator adds.
const FRAME: usize = 640;
/// A value inside another.
const VALUE: usize = 48;

/// The bytes that a message takes in memory, by estimate.
pub(crate) fn weight(message: &Message) -> usize {
    let extra = match message {
        Message::User(said) => of_fields(&said.extra),
        Message::Assistant(answer) => of_fields(&answer.extra),
        Message::ToolResult(result) => {
            of_fields(&result.extra) + result.details.as_ref().map_or(0, of_value)
        }
        Message::Other(value) => of_value(value),
    };
    let parts = message.content().iter().map(of_part);
    FRAME + extra + parts.sum::<usize>()
}

fn of_part(part: &Content) -> usize {
    match part {
        Content::Text { text, extra } => text.len() + of_fields(extra),
        Content::Thinking { thinking, extra } => thinking.len() + of_fields(extra),
        Content::Image { data, extra, .. } => data.len() + of_fields(extra),
        Content::ToolCall {
            arguments, extra, ..
        } => of_value(arguments) + of_fields(extra),
        Content::Other(value) => of_value(value),
    }
}

fn of_fields(fields: &Extra) -> usize {
    let fields = fields.iter();
    fields
        .map(|(name, value)| VALUE + name.len() + of_value(value))
        .sum()
}

fn of_value(value: &Value) -> usize {
    match value {
        Value::String(text) => VALUE + text.len(),
        Value::Array(values) => VALUE + values.iter().map(of_value).sum::<usize>(),
        Value::Object(fields) => VALUE + of_fields(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) => VALUE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_weighs_its_length_wherever_it_stands() {
        let long = "x".repeat(10_000);
        let text = Message::user(long.clone(), 1);
        let call = Message::Assistant(openclaw_protocol::message::AssistantMessage {
            content: vec![Content::ToolCall {
                id: "1".to_owned(),
                name: "write".to_owned(),
                arguments: serde_json::json!({ "lines": [long.clone()] }),
                extra: Extra::new(),
            }],
            ..Default::default()
        });
        let mut signed = Message::user("short", 1);
        if let Message::User(said) = &mut signed {
            said.extra.insert("signature".to_owned(), long.into());
        }
        for message in [text, call, signed] {
            assert!((10_000..11_000).contains(&weight(&message)), "{message:?}");
        }
        assert!(weight(&Message::user("short", 1)) < 1_000);
    }
}
