//! `session`: how conversations are kept apart and reset.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::DmScope;

/// How conversations are kept apart and reset.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Session {
    /// How far direct messages share one conversation; `per-channel-peer` unless told otherwise,
    /// so that one person's messages are never shown to another.
    pub dm_scope: DmScope,
    /// The name of an agent's main session.
    pub main_key: Option<String>,
    /// One person's ids on several channels, by a name of your choice.
    pub identity_links: BTreeMap<String, Vec<String>>,
    /// Words that begin a new conversation, besides `/new` and `/reset`.
    pub reset_triggers: Vec<String>,
    /// When a conversation begins anew by itself; never unless told otherwise.
    pub reset: Reset,
    /// The same by kind of chat: `direct`, `group`, `thread`.
    pub reset_by_type: BTreeMap<String, Reset>,
    /// The same by channel.
    pub reset_by_channel: BTreeMap<String, Reset>,
    /// How often "typing" is shown.
    pub typing_interval_seconds: Option<u64>,
    /// When "typing" begins.
    pub typing_mode: Option<String>,
    /// Whom answers may reach.
    pub send_policy: Option<Value>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            dm_scope: DmScope::PerChannelPeer,
            main_key: None,
            identity_links: BTreeMap::new(),
            reset_triggers: vec!["/new".to_owned(), "/reset".to_owned()],
            reset: Reset::default(),
            reset_by_type: BTreeMap::new(),
            reset_by_channel: BTreeMap::new(),
            typing_interval_seconds: None,
            typing_mode: None,
            send_policy: None,
        }
    }
}

/// When a conversation begins anew by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reset {
    /// By which rule.
    pub mode: ResetMode,
    /// At which hour of the day, for `daily`; 4 unless told otherwise.
    pub at_hour: Option<u8>,
    /// After how many minutes of silence.
    pub idle_minutes: Option<u64>,
}

/// The rule of a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResetMode {
    /// Never.
    #[default]
    None,
    /// Once a day.
    Daily,
    /// After silence.
    Idle,
}
