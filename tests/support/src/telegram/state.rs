//! What the server knows.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use serde_json::Value;
use serde_json::json;

use super::fault::Fault;
use super::fault::FaultKind;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: i64,
    pub first_name: String,
    pub username: Option<String>,
}

/// A group; with topics it is a forum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub id: i64,
    pub title: String,
    pub is_forum: bool,
    pub topics: Vec<i64>,
}

/// A message the server took.
#[derive(Debug, Clone)]
pub struct Sent {
    pub at: Instant,
    pub bot: i64,
    pub message_id: i64,
    pub chat: i64,
    pub thread: Option<i64>,
    pub reply_to: Option<i64>,
    /// As it was sent.
    pub raw: String,
    /// As it is shown.
    pub text: String,
    pub parse_mode: Option<String>,
    pub has_preview: bool,
    /// The buttons under it: what stands on each, and what it says.
    pub buttons: Vec<(String, String)>,
}

/// A call.
#[derive(Debug, Clone)]
pub struct Call {
    pub at: Instant,
    pub token: String,
    pub method: String,
    pub params: Value,
    pub status: u16,
}

#[derive(Debug)]
pub(crate) struct Bot {
    pub id: i64,
    pub username: String,
    pub next_update: i64,
    pub updates: VecDeque<Value>,
    pub allowed: Option<Vec<String>>,
    pub webhook: String,
    /// The poll under way; another number ends it.
    pub poll: u64,
    pub is_polled: bool,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub bots: BTreeMap<String, Bot>,
    pub chats: BTreeMap<i64, ChatState>,
    pub blocked: BTreeSet<i64>,
    pub faults: Vec<Fault>,
    pub sent: Vec<Sent>,
    pub calls: Vec<Call>,
    /// Buttons that were pressed and not answered.
    pub pressed: BTreeSet<String>,
    next_press: u64,
    next_message: i64,
}

#[derive(Debug, Default)]
pub(crate) struct ChatState {
    pub chat: Value,
    pub topics: BTreeSet<i64>,
    pub messages: BTreeSet<i64>,
}

impl Person {
    pub fn new(id: i64, first_name: &str) -> Self {
        Self {
            id,
            first_name: first_name.to_owned(),
            username: None,
        }
    }

    #[must_use]
    pub fn username(mut self, username: &str) -> Self {
        self.username = Some(username.to_owned());
        self
    }

    /// The User object.
    pub fn to_user(&self) -> Value {
        let mut user = json!({"id": self.id, "is_bot": false, "first_name": self.first_name});
        if let Some(username) = &self.username {
            user["username"] = username.clone().into();
        }
        user
    }

    /// The Chat object of the private chat with the person.
    pub fn to_chat(&self) -> Value {
        json!({"id": self.id, "type": "private", "first_name": self.first_name})
    }
}

impl Group {
    pub fn new(id: i64, title: &str) -> Self {
        Self {
            id,
            title: title.to_owned(),
            is_forum: false,
            topics: Vec::new(),
        }
    }

    pub fn forum(id: i64, title: &str, topics: &[i64]) -> Self {
        Self {
            is_forum: true,
            topics: topics.to_vec(),
            ..Self::new(id, title)
        }
    }

    /// The Chat object.
    pub fn to_chat(&self) -> Value {
        let mut chat = json!({"id": self.id, "type": "supergroup", "title": self.title});
        if self.is_forum {
            chat["is_forum"] = true.into();
        }
        chat
    }
}

impl State {
    pub(crate) fn add_bot(&mut self, token: &str, username: &str) {
        let id = token.split(':').next().unwrap().parse().unwrap();
        let bot = Bot {
            id,
            username: username.to_owned(),
            next_update: 700_000_001,
            updates: VecDeque::new(),
            allowed: None,
            webhook: String::new(),
            poll: 0,
            is_polled: false,
        };
        self.bots.insert(token.to_owned(), bot);
    }

    pub(crate) fn bot(&mut self, token: &str) -> &mut Bot {
        self.bots
            .get_mut(token)
            .unwrap_or_else(|| panic!("no bot has this token"))
    }

    pub(crate) fn add_chat(&mut self, chat: Value, topics: Vec<i64>) {
        let id = chat["id"].as_i64().unwrap();
        let known = self.chats.entry(id).or_default();
        known.chat = chat;
        known.topics.extend(topics);
    }

    pub(crate) fn next_message(&mut self, chat: i64) -> i64 {
        self.next_message += 1;
        self.chats
            .entry(chat)
            .or_default()
            .messages
            .insert(self.next_message);
        self.next_message
    }

    /// Names a press of a button, which waits for its answer.
    pub(crate) fn next_press(&mut self) -> String {
        self.next_press += 1;
        let id = format!("press-{}", self.next_press);
        self.pressed.insert(id.clone());
        id
    }

    pub(crate) fn push_update(&mut self, token: &str, mut update: Value) -> i64 {
        let bot = self.bot(token);
        let id = bot.next_update;
        bot.next_update += 1;
        update["update_id"] = id.into();
        bot.updates.push_back(update);
        id
    }

    /// The fault that hits this call, counted down.
    pub(crate) fn take_fault(&mut self, method: &str, params: &Value) -> Option<FaultKind> {
        let chat = params.get("chat_id").and_then(Value::as_i64);
        let hit = self.faults.iter().position(|fault| {
            fault.times > 0
                && fault
                    .method
                    .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
                && (fault.chat.is_none() || fault.chat == chat)
        })?;
        self.faults[hit].times -= 1;
        let kind = self.faults[hit].kind.clone();
        self.faults.retain(|fault| fault.times > 0);
        Some(kind)
    }
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}
