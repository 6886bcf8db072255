//! `session`: how conversations are kept apart and reset.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::DmScope;

/// How conversations are kept apart and reset.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Session {
    /// Whether there are several conversations at all.
    pub scope: SessionScope,
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
    /// How many sessions are kept, and for how long.
    pub maintenance: Maintenance,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            scope: SessionScope::PerSender,
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
            maintenance: Maintenance::default(),
        }
    }
}

/// Whether an agent has several conversations at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionScope {
    /// One for each person, group and channel, as `dmScope` says.
    #[default]
    PerSender,
    /// Everything is said in the agent's main session.
    Global,
}

impl SessionScope {
    /// The word in files and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PerSender => "per-sender",
            Self::Global => "global",
        }
    }
}

/// How many sessions are kept, and for how long.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Maintenance {
    /// Whether sessions over the bounds are only named, or forgotten.
    pub mode: MaintenanceMode,
    /// After how much silence a session is old: `30d`, `12h`; a number means days.
    pub prune_after: Option<Value>,
    /// An older spelling of the same, in days.
    pub prune_days: Option<u64>,
    /// How many sessions an agent keeps.
    pub max_entries: usize,
}

/// What happens to sessions over the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaintenanceMode {
    /// They are named in the log.
    #[default]
    Warn,
    /// They are forgotten; their transcripts are archived.
    Enforce,
}

impl Maintenance {
    /// After how many days a session is old where nothing is set.
    const DAYS: u64 = 30;

    /// After how much silence a session is old.
    pub fn prune_after(&self) -> Duration {
        let written = match &self.prune_after {
            Some(Value::Number(days)) => days.as_f64().and_then(|days| span(days, "d")),
            Some(Value::String(text)) => {
                let text = text.trim();
                let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
                let number = text
                    .strip_suffix(unit)
                    .and_then(|number| number.parse().ok());
                number.and_then(|number| span(number, unit.trim()))
            }
            _ => None,
        };
        let days = self.prune_days.unwrap_or(Self::DAYS);
        written.unwrap_or_else(|| Duration::from_secs(days.saturating_mul(86_400)))
    }
}

impl Default for Maintenance {
    fn default() -> Self {
        Self {
            mode: MaintenanceMode::Warn,
            prune_after: None,
            prune_days: None,
            max_entries: 500,
        }
    }
}

/// So many of a unit; days where none is named.
fn span(number: f64, unit: &str) -> Option<Duration> {
    let seconds = match unit.to_ascii_lowercase().as_str() {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "" | "d" => 86_400.0,
        "w" => 604_800.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_age_of_an_old_session_is_read_in_every_spelling() {
        let days = |value: Value| {
            let maintenance: Maintenance = serde_json::from_value(value).unwrap();
            maintenance.prune_after().as_secs_f64() / 86_400.0
        };
        assert_eq!(days(json!({})), 30.0);
        assert_eq!(days(json!({"pruneDays": 7})), 7.0);
        assert_eq!(days(json!({"pruneAfter": "30d", "pruneDays": 7})), 30.0);
        assert_eq!(days(json!({"pruneAfter": "12h"})), 0.5);
        assert_eq!(days(json!({"pruneAfter": 3})), 3.0);
        assert_eq!(days(json!({"pruneAfter": "soon"})), 30.0);
    }
}
