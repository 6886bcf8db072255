//! What comes in: one message of one person on one channel.

use serde::Deserialize;
use serde::Serialize;

use crate::Route;
use crate::Scopes;
use crate::SessionKey;

/// One message from outside, as the inbox row holds it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Inbound {
    /// What was said; a caption or a placeholder when it is media.
    pub text: String,
    /// Who said it; none for the operator's own clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
    /// Where it was said.
    pub chat: Chat,
    /// The platform's id of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The message it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<ReplyContext>,
    /// When it was said, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Whether the agent was addressed by name or by a reply.
    pub mentioned: bool,
    /// Pictures and files that came with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// A line for the system prompt of this turn only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_system_prompt: Option<String>,
    /// The thinking level of this turn only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Tools of the client that asks: a call of one ends the turn, and the client makes it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client_tools: Vec<crate::ToolSpec>,
    /// Whether the answer also goes out over the session's channel.
    pub deliver: bool,
    /// What the client that sent it was granted. The gateway writes it down when it takes the message in; no client can.
    #[serde(skip_serializing_if = "grants_nothing")]
    pub scopes: Scopes,
    /// Which turn gave this task to a sub-agent. The gateway writes it down; no client can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spawn: Option<Box<Spawn>>,
    /// Whose words it holds that are nobody's who may tell the agent what to do: what was forwarded, what a sub-agent read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outside: Option<String>,
    /// It is a button that was pressed, and no words of anybody's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_press: bool,
}

/// Where the task of a sub-agent comes from, and where its outcome goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spawn {
    /// The session that gave it, and gets the outcome.
    pub parent: SessionKey,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How long it may take, in seconds; as long as any turn where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_timeout_seconds: Option<u64>,
    /// Where the parent answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Route>,
    /// The account by which the parent was asked, such as `telegram/home`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The platform's id of whoever asked the parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The chat in which the parent was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<Chat>,
}

fn grants_nothing(scopes: &Scopes) -> bool {
    scopes.is_empty()
}

/// Who said it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sender {
    /// The platform's id; the only part that authorises.
    pub id: String,
    /// The name to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The user name without `@`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// Where it was said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Chat {
    /// Between two, in a group, or in a broadcast channel.
    pub kind: ChatKind,
    /// The platform's id of the chat.
    pub id: String,
    /// The group's title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The topic or thread inside the chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
}

/// The kind of a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChatKind {
    /// Between one person and the agent.
    #[default]
    Direct,
    /// Several people.
    Group,
    /// One to many.
    Channel,
}

impl ChatKind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Group => "group",
            Self::Channel => "channel",
        }
    }
}

/// The message that is being answered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplyContext {
    /// The platform's id of that message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Who said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// What was said.
    pub text: String,
}

/// A picture or file that came with a message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Attachment {
    /// Such as `image/png`.
    pub mime_type: String,
    /// The file's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// The bytes in base64.
    pub data: String,
}
