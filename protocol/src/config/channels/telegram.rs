//! `channels.telegram`: one bot an account.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::ChunkMode;
use super::DmPolicy;
use super::GroupPolicy;
use super::ReplyToMode;
use super::ids;
use crate::Secret;

/// One bot, with what it inherits from the section filled in.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TelegramAccount {
    /// Its name.
    pub name: Option<String>,
    /// `false` keeps it off.
    pub enabled: Option<bool>,
    /// The bot's token.
    pub bot_token: Option<Secret>,
    /// A file that holds the token.
    pub token_file: Option<String>,
    /// Who may write to it directly.
    pub dm_policy: DmPolicy,
    /// Who may write to it: numeric ids, `@name` (resolved once to an id), or `*`.
    #[serde(deserialize_with = "ids")]
    pub allow_from: Option<Vec<String>>,
    /// Which groups it answers in; absent: `channels.defaults.groupPolicy`, else `allowlist`.
    pub group_policy: Option<GroupPolicy>,
    /// Who may address it in groups; absent: `allowFrom`.
    #[serde(deserialize_with = "ids")]
    pub group_allow_from: Option<Vec<String>>,
    /// Groups by id, `*` for all; naming a group admits it.
    pub groups: BTreeMap<String, TelegramGroup>,
    /// Longest part of an answer in characters; 4000 unless told otherwise.
    pub text_chunk_limit: Option<usize>,
    /// Where a long answer is cut.
    pub chunk_mode: ChunkMode,
    /// Which parts of an answer quote the message they answer.
    pub reply_to_mode: ReplyToMode,
    /// The Bot API server, when it isn't Telegram's own.
    pub api_root: Option<String>,
    /// A proxy for all calls.
    pub proxy: Option<String>,
    /// Which address family is used.
    pub network: Network,
    /// How failed sends are repeated.
    pub retry: Retry,
    /// How long a call may take.
    pub timeout_seconds: Option<u64>,
    /// Whether links get a preview; they do unless told otherwise.
    pub link_preview: Option<bool>,
    /// Largest file taken in.
    pub media_max_mb: Option<f64>,
    /// How many unanswered group messages the model gets to see; none with 0.
    pub history_limit: Option<usize>,
    /// How many of a person's messages, with what was answered, the model gets to see of a direct chat; all with 0.
    pub dm_history_limit: Option<usize>,
    /// Direct chats by the person's id.
    pub dms: BTreeMap<String, TelegramDirect>,
    /// Set before each answer.
    pub response_prefix: Option<String>,
    /// What happens to a part of which nobody knows whether it went out.
    pub on_unknown_send: UnknownSend,
}

/// What happens to a part of an answer of which nobody knows whether it went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownSend {
    /// It stays visible as `unknown` and isn't sent again.
    #[default]
    Hold,
    /// It is sent again; it may arrive twice.
    Resend,
}

/// Rules of one direct chat.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TelegramDirect {
    /// How many of the person's messages the model gets to see; all with 0.
    pub history_limit: Option<usize>,
}

/// Rules of one group.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TelegramGroup {
    /// Whether the bot must be addressed; it must unless told otherwise.
    pub require_mention: Option<bool>,
    /// `false` keeps it out of the group.
    pub enabled: Option<bool>,
    /// Who is answered here, when it differs.
    pub group_policy: Option<GroupPolicy>,
    /// Who may address it here.
    #[serde(deserialize_with = "ids")]
    pub allow_from: Option<Vec<String>>,
    /// A line for the system prompt.
    pub system_prompt: Option<String>,
    /// Rules of single topics by id.
    pub topics: BTreeMap<String, TelegramTopic>,
}

/// Rules of one topic; what is absent comes from the group.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TelegramTopic {
    /// Whether the bot must be addressed.
    pub require_mention: Option<bool>,
    /// `false` keeps it out of the topic.
    pub enabled: Option<bool>,
    /// Who is answered here, when it differs.
    pub group_policy: Option<GroupPolicy>,
    /// Who may address it here.
    #[serde(deserialize_with = "ids")]
    pub allow_from: Option<Vec<String>>,
    /// A line for the system prompt.
    pub system_prompt: Option<String>,
}

/// Which address family is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Network {
    /// `false` uses IPv4 only.
    pub auto_select_family: Option<bool>,
}

/// How failed sends are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Retry {
    /// How many times in all.
    pub attempts: u32,
    /// The first wait.
    pub min_delay_ms: u64,
    /// The longest wait.
    pub max_delay_ms: u64,
    /// The share of each wait that is random, 0 to 1.
    pub jitter: f64,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 3,
            min_delay_ms: 400,
            max_delay_ms: 30_000,
            jitter: 0.1,
        }
    }
}

impl TelegramAccount {
    /// Tells whether it is switched on.
    pub fn is_enabled(&self) -> bool {
        self.enabled != Some(false)
    }

    /// How many of a person's messages the model gets to see of their direct chat; none is all.
    pub fn direct_history(&self, person: &str) -> Option<usize> {
        let own = self.dms.get(person).and_then(|chat| chat.history_limit);
        own.or(self.dm_history_limit).filter(|limit| *limit > 0)
    }

    /// Who may address it in groups: `groupAllowFrom`, else `allowFrom`.
    pub fn group_senders(&self) -> &[String] {
        self.group_allow_from
            .as_deref()
            .or(self.allow_from.as_deref())
            .unwrap_or_default()
    }
}
