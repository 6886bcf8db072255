//! The parts of the Bot API's objects that are read or written. Unknown fields are skipped.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct User {
    pub id: i64,
    #[serde(default)]
    pub is_bot: bool,
    #[serde(default)]
    pub first_name: String,
    pub last_name: Option<String>,
    pub username: Option<String>,
    /// Only of the bot itself.
    pub can_read_all_group_messages: Option<bool>,
}

impl User {
    pub(crate) fn full_name(&self) -> String {
        match &self.last_name {
            Some(last) => format!("{} {last}", self.first_name).trim().to_owned(),
            None => self.first_name.trim().to_owned(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WebhookInfo {
    #[serde(default)]
    pub url: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Update {
    pub message: Option<Message>,
    pub channel_post: Option<Message>,
    pub edited_message: Option<Value>,
    pub edited_channel_post: Option<Value>,
    pub callback_query: Option<CallbackQuery>,
    pub my_chat_member: Option<Value>,
}

/// A button that somebody pressed.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CallbackQuery {
    pub from: User,
    /// The message it stands under; none of an inline message, and little of an old one.
    pub message: Option<Message>,
    pub data: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Chat {
    pub id: i64,
    #[serde(rename = "type")]
    pub kind: String,
    pub title: Option<String>,
    #[serde(default)]
    pub is_forum: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Message {
    pub message_id: i64,
    pub message_thread_id: Option<i64>,
    #[serde(default)]
    pub is_topic_message: bool,
    pub from: Option<User>,
    pub sender_chat: Option<Chat>,
    #[serde(default)]
    pub date: i64,
    pub chat: Chat,
    pub reply_to_message: Option<Box<Message>>,
    pub quote: Option<Quote>,
    pub forward_origin: Option<Origin>,
    pub text: Option<String>,
    #[serde(default)]
    pub entities: Vec<Entity>,
    pub caption: Option<String>,
    #[serde(default)]
    pub caption_entities: Vec<Entity>,
    pub photo: Option<Value>,
    pub video: Option<Value>,
    pub video_note: Option<Value>,
    pub animation: Option<Value>,
    pub voice: Option<Value>,
    pub audio: Option<Value>,
    pub document: Option<Value>,
    pub sticker: Option<Sticker>,
    pub location: Option<Location>,
    pub contact: Option<Contact>,
    pub forum_topic_created: Option<Value>,
}

/// Who said first what was forwarded; without a user it was somebody who hides, or a chat.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Origin {
    pub sender_user: Option<User>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Quote {
    #[serde(default)]
    pub text: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Entity {
    #[serde(rename = "type")]
    pub kind: String,
    pub offset: usize,
    pub length: usize,
    pub user: Option<User>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Sticker {
    pub emoji: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Location {
    pub latitude: f64,
    pub longitude: f64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Contact {
    #[serde(default)]
    pub phone_number: String,
    #[serde(default)]
    pub first_name: String,
    pub last_name: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct GetUpdates {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    pub timeout: u64,
    pub allowed_updates: [&'static str; 3],
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct SendMessage {
    pub chat_id: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_thread_id: Option<Value>,
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parse_mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_parameters: Option<ReplyParameters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_preview_options: Option<LinkPreviewOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_markup: Option<InlineKeyboardMarkup>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct InlineKeyboardMarkup {
    pub inline_keyboard: Vec<Vec<InlineKeyboardButton>>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct InlineKeyboardButton {
    pub text: String,
    pub callback_data: String,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct AnswerCallbackQuery {
    pub callback_query_id: String,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ReplyParameters {
    pub message_id: Value,
    pub allow_sending_without_reply: bool,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct LinkPreviewOptions {
    pub is_disabled: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct SendChatAction {
    pub chat_id: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_thread_id: Option<Value>,
    pub action: &'static str,
}
