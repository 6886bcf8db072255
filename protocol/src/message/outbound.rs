//! What goes out: where an answer goes and one part of it.

use serde::Deserialize;
use serde::Serialize;

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Route {
    /// The channel's kind, such as `telegram`.
    pub channel: String,
    /// The account under that channel.
    pub account: String,
    /// The chat's id at the platform.
    pub to: String,
    /// The topic or thread inside the chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// The message that is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

impl Route {
    /// The account the answer leaves by.
    pub fn account_key(&self) -> crate::AccountKey {
        crate::AccountKey::new(&self.channel, &self.account)
    }

    /// One name per destination: what is sent under the same lane keeps its order.
    pub fn lane(&self) -> String {
        match &self.thread {
            Some(thread) => format!("{}/{thread}", self.to),
            None => self.to.clone(),
        }
    }
}

/// One part of an answer, as the outbox row holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OutboundPayload {
    /// The text.
    pub text: String,
    /// How the text is to be read.
    pub format: TextFormat,
    /// Which part this is, from 1.
    pub part: u16,
    /// How many parts the answer has.
    pub parts: u16,
    /// What can be answered with one press, where the platform has buttons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Button>,
}

/// A button under a message. Pressing it is the same as typing its command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What stands on it.
    pub label: String,
    /// What it says.
    pub command: String,
}

/// How an outgoing text is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextFormat {
    /// Markdown; the channel translates it to what the platform shows.
    #[default]
    Markdown,
    /// Plain text, sent as it is.
    Plain,
}

impl OutboundPayload {
    /// A Markdown text in one part.
    pub fn markdown(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// The same with buttons.
    #[must_use]
    pub fn with_buttons(self, buttons: Vec<Button>) -> Self {
        Self { buttons, ..self }
    }

    /// A plain text in one part.
    pub fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            format: TextFormat::Plain,
            ..Self::default()
        }
    }
}

impl Default for OutboundPayload {
    fn default() -> Self {
        Self {
            text: String::new(),
            format: TextFormat::Markdown,
            part: 1,
            parts: 1,
            buttons: Vec::new(),
        }
    }
}
