//! `channels` and `bindings`: over which chat apps, who may write, and who answers.

mod telegram;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Deserializer;

pub use self::telegram::Network;
pub use self::telegram::Retry;
pub use self::telegram::TelegramAccount;
pub use self::telegram::TelegramDirect;
pub use self::telegram::TelegramGroup;
pub use self::telegram::TelegramTopic;
pub use self::telegram::UnknownSend;
use super::Section;

/// Over which chat apps.
#[derive(Debug, Clone, Default)]
pub struct Channels {
    /// What holds for every channel that doesn't say otherwise.
    pub defaults: ChannelDefaults,
    /// The Telegram accounts by name, with what they inherit filled in. Empty without the section.
    pub telegram: BTreeMap<String, Section<TelegramAccount>>,
    /// The channels in the file that this version has no platform for.
    pub unsupported: Vec<String>,
}

/// What holds for every channel that doesn't say otherwise.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChannelDefaults {
    /// Which groups are answered.
    pub group_policy: Option<GroupPolicy>,
}

/// Who may write to the agent directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DmPolicy {
    /// Strangers get a code which the owner approves.
    #[default]
    Pairing,
    /// Only who is on the list.
    Allowlist,
    /// Everybody; needs `"*"` on the list.
    Open,
    /// Nobody.
    Disabled,
}

/// Which groups are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupPolicy {
    /// Groups and people on the lists.
    #[default]
    Allowlist,
    /// All groups.
    Open,
    /// None.
    Disabled,
}

impl DmPolicy {
    /// The word in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pairing => "pairing",
            Self::Allowlist => "allowlist",
            Self::Open => "open",
            Self::Disabled => "disabled",
        }
    }
}

/// Where a long answer is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChunkMode {
    /// When it is too long, at the best place.
    #[default]
    Length,
    /// At blank lines.
    Newline,
}

/// Which parts of an answer quote the message they answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplyToMode {
    /// None.
    #[default]
    Off,
    /// The first.
    First,
    /// All.
    All,
}

/// Which agent gets which chat; the most precise match wins.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// The agent.
    pub agent_id: crate::AgentId,
    /// Which chats.
    pub r#match: BindingMatch,
}

/// Which chats a binding takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BindingMatch {
    /// The channel's kind.
    pub channel: String,
    /// The account; absent: the default account; `*`: all.
    #[serde(default)]
    pub account_id: Option<String>,
    /// One chat.
    #[serde(default)]
    pub peer: Option<BindingPeer>,
    /// One server (Discord).
    #[serde(default)]
    pub guild_id: Option<String>,
    /// One team (Slack, Teams).
    #[serde(default)]
    pub team_id: Option<String>,
}

/// One chat.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BindingPeer {
    /// Its kind.
    pub kind: PeerKind,
    /// Its id at the platform.
    pub id: String,
}

/// The kind of a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeerKind {
    /// Between two.
    #[serde(alias = "dm")]
    Direct,
    /// Several people.
    Group,
    /// One to many.
    Channel,
}

/// Ids are written as numbers as often as in quotes.
fn ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Id {
        Text(String),
        Number(i64),
    }
    let ids: Option<Vec<Id>> = Option::deserialize(deserializer)?;
    Ok(ids.map(|ids| {
        ids.into_iter()
            .map(|id| match id {
                Id::Text(text) => text.trim().to_owned(),
                Id::Number(number) => number.to_string(),
            })
            .collect()
    }))
}
