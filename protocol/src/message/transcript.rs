//! The lines of a session file, version 3.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use super::Extra;
use super::Message;

/// The version of the session file that is written.
const VERSION: u32 = 3;

/// One line of a session file, tagged by `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all lines are messages, the large variant"
)]
#[serde(
    tag = "type",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum TranscriptEntry {
    /// The first line.
    Session(SessionHeader),
    /// From here on another model answers.
    ModelChange {
        /// Place in the chain.
        #[serde(flatten)]
        link: Link,
        /// The provider's id.
        provider: String,
        /// The model's id.
        model_id: String,
        /// Unknown fields.
        #[serde(flatten)]
        extra: Extra,
    },
    /// From here on the model thinks more or less.
    ThinkingLevelChange {
        /// Place in the chain.
        #[serde(flatten)]
        link: Link,
        /// `off`, `minimal`, `low`, …
        thinking_level: String,
        /// Unknown fields.
        #[serde(flatten)]
        extra: Extra,
    },
    /// A message of the conversation.
    Message {
        /// Place in the chain.
        #[serde(flatten)]
        link: Link,
        /// The message.
        message: Message,
        /// Unknown fields.
        #[serde(flatten)]
        extra: Extra,
    },
    /// A note of the gateway that the model doesn't see.
    Custom {
        /// Place in the chain.
        #[serde(flatten)]
        link: Link,
        /// The note's kind, such as `model-snapshot`.
        custom_type: String,
        /// The note.
        #[serde(default)]
        data: Value,
        /// Unknown fields.
        #[serde(flatten)]
        extra: Extra,
    },
    /// What came before is replaced by a summary.
    Compaction {
        /// Place in the chain.
        #[serde(flatten)]
        link: Link,
        /// The summary.
        summary: String,
        /// The first entry that stays as it is.
        first_kept_entry_id: String,
        /// How long the context was.
        #[serde(default)]
        tokens_before: u64,
        /// Unknown fields.
        #[serde(flatten)]
        extra: Extra,
    },
    /// A line this version does not know (`label`, `branch_summary`, …), kept as it came.
    #[serde(untagged)]
    Other(Value),
}

/// The first line of a session file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionHeader {
    /// The format's version.
    #[serde(default)]
    pub version: u32,
    /// The session's id.
    pub id: String,
    /// When the file was begun, ISO 8601.
    #[serde(default)]
    pub timestamp: String,
    /// The agent's working folder.
    #[serde(default)]
    pub cwd: String,
    /// Unknown fields.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Where an entry stands in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// The entry's id, 8 hex digits.
    pub id: String,
    /// The entry before it.
    #[serde(default)]
    pub parent_id: Option<String>,
    /// When it was written, ISO 8601.
    #[serde(default)]
    pub timestamp: String,
}

impl TranscriptEntry {
    /// The first line of a new file.
    pub fn header(id: impl Into<String>, timestamp: impl Into<String>, cwd: &str) -> Self {
        Self::Session(SessionHeader {
            version: VERSION,
            id: id.into(),
            timestamp: timestamp.into(),
            cwd: cwd.to_owned(),
            extra: Extra::new(),
        })
    }

    /// A message's line.
    pub fn message(link: Link, message: Message) -> Self {
        Self::Message {
            link,
            message,
            extra: Extra::new(),
        }
    }

    /// The entry's id; the session's id for the first line.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Session(header) => Some(&header.id),
            Self::ModelChange { link, .. }
            | Self::ThinkingLevelChange { link, .. }
            | Self::Message { link, .. }
            | Self::Custom { link, .. }
            | Self::Compaction { link, .. } => Some(&link.id),
            Self::Other(value) => value.get("id").and_then(Value::as_str),
        }
    }

    /// The entry before it.
    pub fn parent_id(&self) -> Option<&str> {
        match self {
            Self::Session(_) => None,
            Self::ModelChange { link, .. }
            | Self::ThinkingLevelChange { link, .. }
            | Self::Message { link, .. }
            | Self::Custom { link, .. }
            | Self::Compaction { link, .. } => link.parent_id.as_deref(),
            Self::Other(value) => value.get("parentId").and_then(Value::as_str),
        }
    }
}
