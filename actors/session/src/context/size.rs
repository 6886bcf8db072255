//! How much of a model's window something takes.
//!
//! Nobody but the provider knows exactly. What it counted at its last answer is believed; what came after is
//! estimated, rather too high than too low.

use openclaw_protocol::Content;
use openclaw_protocol::Message;
use openclaw_protocol::Prompt;
use openclaw_protocol::ToolSpec;
use openclaw_protocol::Tools;

/// What a message takes besides its text.
const FRAME: u64 = 4;
/// What a picture takes: providers count between 85 and 1,600.
const PICTURE: u64 = 1_500;

/// The tokens of a text: four bytes of ASCII, or one character of any other script.
pub(crate) fn text(text: &str) -> u64 {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    let other = text.chars().count() - ascii;
    (ascii.div_ceil(4) + other) as u64
}

/// The tokens of one message.
pub(crate) fn message(message: &Message) -> u64 {
    let parts = message.content().iter().map(|part| match part {
        Content::Text { text, .. } => self::text(text),
        Content::Thinking { thinking, .. } => self::text(thinking),
        Content::ToolCall {
            name, arguments, ..
        } => FRAME + self::text(name) + self::text(&arguments.to_string()),
        Content::Image { .. } => PICTURE,
        Content::Other(_) => 0,
    });
    FRAME + parts.sum::<u64>()
}

/// The tokens of messages, each estimated.
pub(crate) fn messages<'m>(messages: impl IntoIterator<Item = &'m Message>) -> u64 {
    messages.into_iter().map(message).sum()
}

/// The tokens of what stands before the messages.
pub(crate) fn head(system: &Prompt, tools: &Tools) -> u64 {
    system.size(text) + tools.size(|tools| tools.iter().map(tool).sum())
}

/// The tokens of what is said of one tool.
pub(crate) fn tool(tool: &ToolSpec) -> u64 {
    let (name, words) = (text(&tool.name), text(&tool.description));
    FRAME + name + words + text(&tool.parameters.to_string())
}

/// The tokens of a whole request: what was counted with the last answer in it, and what follows estimated.
pub(crate) fn request<'m>(
    head: u64,
    messages: impl DoubleEndedIterator<Item = &'m Message>,
) -> u64 {
    let mut after = 0;
    for message in messages.rev() {
        if let Message::Assistant(answer) = message {
            let usage = answer.usage;
            let counted = usage.input + usage.cache_read + usage.cache_write + usage.output;
            if counted > 0 {
                return counted + after;
            }
        }
        after += self::message(message);
    }
    head + after
}
