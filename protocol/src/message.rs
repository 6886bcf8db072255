//! The neutral message model: what a transcript holds, what comes in and what goes out.
//!
//! The transcript types are the lines of the session files, version 3. Fields that this version
//! does not know are kept in `extra` and written back, so a file edited by another program keeps
//! what that program stored. These types need a self-describing format (JSON), not postcard.

mod inbound;
mod outbound;
mod read;
mod transcript;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

pub use self::inbound::Attachment;
pub use self::inbound::Chat;
pub use self::inbound::ChatKind;
pub use self::inbound::Inbound;
pub use self::inbound::ReplyContext;
pub use self::inbound::Sender;
pub use self::inbound::Spawn;
pub use self::outbound::Button;
pub use self::outbound::OutboundPayload;
pub use self::outbound::Route;
pub use self::outbound::TextFormat;
pub use self::transcript::Link;
pub use self::transcript::SessionHeader;
pub use self::transcript::TranscriptEntry;

#[cfg(test)]
mod tests;

/// Fields that this version does not know, kept as they came.
pub type Extra = Map<String, Value>;

/// One message of a conversation, tagged by `role`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "camelCase")]
pub enum Message {
    /// What a person (or another session) said.
    User(UserMessage),
    /// What the model answered.
    Assistant(AssistantMessage),
    /// What a tool gave back.
    ToolResult(ToolResultMessage),
    /// A role this version does not know, kept as it came.
    #[serde(untagged)]
    Other(Value),
}

/// What a person said.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserMessage {
    /// The parts; a bare string reads as one text part.
    #[serde(default, deserialize_with = "parts_or_text")]
    pub content: Vec<Content>,
    /// When, in milliseconds since 1970.
    #[serde(default)]
    pub timestamp: i64,
    /// Unknown fields (`provenance`, …).
    #[serde(flatten)]
    pub extra: Extra,
}

/// What the model answered.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssistantMessage {
    /// The parts, in the order the model gave them.
    #[serde(default, deserialize_with = "parts_or_text")]
    pub content: Vec<Content>,
    /// The wire the answer came over, such as `openai-completions`.
    #[serde(default)]
    pub api: String,
    /// The provider's id.
    #[serde(default)]
    pub provider: String,
    /// The model's id at the provider.
    #[serde(default)]
    pub model: String,
    /// What it cost.
    #[serde(default)]
    pub usage: Usage,
    /// Why it ended.
    #[serde(default)]
    pub stop_reason: StopReason,
    /// What went wrong, when it ended in an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// When, in milliseconds since 1970.
    #[serde(default)]
    pub timestamp: i64,
    /// Unknown fields.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a tool gave back.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolResultMessage {
    /// The id of the call it answers.
    pub tool_call_id: String,
    /// The tool's name.
    #[serde(default)]
    pub tool_name: String,
    /// The parts.
    #[serde(default, deserialize_with = "parts_or_text")]
    pub content: Vec<Content>,
    /// Facts for people and tests; the model doesn't see them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// Whether the tool failed.
    #[serde(default)]
    pub is_error: bool,
    /// When, in milliseconds since 1970.
    #[serde(default)]
    pub timestamp: i64,
    /// Unknown fields.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One part of a message, tagged by `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Content {
    /// Plain or Markdown text.
    Text {
        /// The text.
        text: String,
        /// Unknown fields (`textSignature`, …).
        #[serde(flatten)]
        extra: Extra,
    },
    /// The model's reasoning.
    Thinking {
        /// The reasoning's text.
        thinking: String,
        /// Unknown fields (`thinkingSignature`, …).
        #[serde(flatten)]
        extra: Extra,
    },
    /// A picture.
    Image {
        /// The bytes in base64.
        data: String,
        /// Such as `image/png`.
        mime_type: String,
        /// Unknown fields.
        #[serde(flatten)]
        extra: Extra,
    },
    /// The model asks for a tool.
    ToolCall {
        /// The call's id, echoed by its result.
        id: String,
        /// The tool's name.
        name: String,
        /// The arguments, an object.
        #[serde(default)]
        arguments: Value,
        /// Unknown fields (`thoughtSignature`, …).
        #[serde(flatten)]
        extra: Extra,
    },
    /// A part this version does not know, kept as it came.
    #[serde(untagged)]
    Other(Value),
}

/// Tokens and money of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// Tokens read at full price.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// Tokens read from the provider's cache.
    pub cache_read: u64,
    /// Tokens written to the provider's cache.
    pub cache_write: u64,
    /// The part of `output` that was thought and not said, where the provider tells.
    #[serde(skip_serializing_if = "is_zero")]
    pub reasoning: u64,
    /// All of them.
    pub total_tokens: u64,
    /// In US dollars.
    pub cost: Cost,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Money of one answer in US dollars.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cost {
    /// For what was read.
    pub input: f64,
    /// For what was written.
    pub output: f64,
    /// For what was read from the cache.
    pub cache_read: f64,
    /// For what was written to the cache.
    pub cache_write: f64,
    /// All of it.
    pub total: f64,
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StopReason {
    /// The model was done.
    #[default]
    Stop,
    /// The model ran into its length limit.
    Length,
    /// The model waits for tool results.
    ToolUse,
    /// The call failed.
    Error,
    /// A person or a deadline ended it.
    Aborted,
    /// A reason this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl Message {
    /// A person's text.
    pub fn user(text: impl Into<String>, timestamp: i64) -> Self {
        Self::User(UserMessage {
            content: vec![Content::text(text)],
            timestamp,
            extra: Extra::new(),
        })
    }

    /// The role's name on the wire.
    pub fn role(&self) -> &str {
        match self {
            Self::User(_) => "user",
            Self::Assistant(_) => "assistant",
            Self::ToolResult(_) => "toolResult",
            Self::Other(value) => value.get("role").and_then(Value::as_str).unwrap_or(""),
        }
    }

    /// The parts; empty for a role that this version does not know.
    pub fn content(&self) -> &[Content] {
        match self {
            Self::User(message) => &message.content,
            Self::Assistant(message) => &message.content,
            Self::ToolResult(message) => &message.content,
            Self::Other(_) => &[],
        }
    }

    /// The text parts, one after the other.
    pub fn text(&self) -> String {
        plain_text(self.content())
    }

    /// When, in milliseconds since 1970.
    pub fn timestamp(&self) -> i64 {
        match self {
            Self::User(message) => message.timestamp,
            Self::Assistant(message) => message.timestamp,
            Self::ToolResult(message) => message.timestamp,
            Self::Other(value) => value.get("timestamp").and_then(Value::as_i64).unwrap_or(0),
        }
    }
}

impl Content {
    /// A text part.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text {
            text: text.into(),
            extra: Extra::new(),
        }
    }

    /// A reasoning part.
    pub fn thinking(thinking: impl Into<String>) -> Self {
        Self::Thinking {
            thinking: thinking.into(),
            extra: Extra::new(),
        }
    }

    /// A picture, its bytes in base64.
    pub fn image(data: impl Into<String>, mime_type: impl Into<String>) -> Self {
        Self::Image {
            data: data.into(),
            mime_type: mime_type.into(),
            extra: Extra::new(),
        }
    }

    /// A call of a tool.
    pub fn tool_call(id: impl Into<String>, name: impl Into<String>, arguments: Value) -> Self {
        Self::ToolCall {
            id: id.into(),
            name: name.into(),
            arguments,
            extra: Extra::new(),
        }
    }
}

impl Usage {
    /// Adds another answer's usage.
    pub fn add(&mut self, other: &Self) {
        self.input += other.input;
        self.output += other.output;
        self.cache_read += other.cache_read;
        self.cache_write += other.cache_write;
        self.reasoning += other.reasoning;
        self.total_tokens += other.total_tokens;
        self.cost.input += other.cost.input;
        self.cost.output += other.cost.output;
        self.cost.cache_read += other.cost.cache_read;
        self.cost.cache_write += other.cost.cache_write;
        self.cost.total += other.cost.total;
    }
}

/// The text parts of a message, one after the other.
pub fn plain_text(parts: &[Content]) -> String {
    let mut text = String::new();
    for part in parts {
        if let Content::Text { text: more, .. } = part {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(more);
        }
    }
    text
}

fn parts_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Content>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Parts(Vec<Content>),
        Nothing(()),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Text(text) => vec![Content::text(text)],
        Either::Parts(parts) => parts,
        Either::Nothing(()) => Vec::new(),
    })
}
