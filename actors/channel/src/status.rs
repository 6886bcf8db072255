//! What is known of each account, readable by anyone without mail.
//!
//! A status is evidence, not configuration: "live" means that the platform answered a poll lately.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use openclaw_protocol::AccountKey;
use serde::Serialize;

/// How far an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountState {
    /// Not running: switched off, or something in its configuration is wrong.
    #[default]
    Disabled,
    Connecting,
    /// The platform answered the last poll.
    Live,
    /// The last try failed; it is tried again.
    Degraded,
    /// A person has to act; it is tried again, rarely.
    Parked,
}

/// The status of one account, named as clients of `channels.status` expect.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountStatus {
    pub account_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub enabled: bool,
    pub configured: bool,
    pub running: bool,
    pub connected: bool,
    pub state: AccountState,
    pub mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_source: Option<&'static str>,
    pub dm_policy: &'static str,
    pub group_policy: &'static str,
    pub allow_from: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bot: Option<Bot>,
    pub reconnect_attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_start_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_connected_at: Option<i64>,
    /// When the platform last answered a poll.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_poll_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_inbound_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_outbound_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error_at: Option<i64>,
    /// Messages taken in, refused at the gate, sent, and ended in an unknown state, since the start.
    pub admitted: u64,
    pub refused: u64,
    pub sent: u64,
    pub unknown: u64,
    /// The reason of the last refusal, so that silence can be explained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_refusal: Option<String>,
    /// What a person should mend, each with its remedy.
    pub issues: Vec<AccountIssue>,
    /// The poll actor that last wrote here.
    #[serde(skip)]
    pub(crate) incarnation: u64,
}

/// The bot behind an account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Bot {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// Something a person should mend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountIssue {
    /// Names the issue, so that the same one is not listed twice.
    pub kind: &'static str,
    pub message: String,
    pub fix: String,
}

/// The statuses of all accounts of a gateway. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct StatusBoard {
    accounts: Arc<Mutex<BTreeMap<AccountKey, AccountStatus>>>,
}

impl StatusBoard {
    /// Changes the status of an account.
    pub fn update(&self, key: &AccountKey, change: impl FnOnce(&mut AccountStatus)) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let status = accounts
            .entry(key.clone())
            .or_insert_with(|| AccountStatus {
                account_id: key.account.to_string(),
                mode: "polling",
                ..AccountStatus::default()
            });
        change(status);
    }

    pub fn get(&self, key: &AccountKey) -> Option<AccountStatus> {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.get(key).cloned()
    }

    /// All accounts, by channel and name.
    pub fn all(&self) -> Vec<(AccountKey, AccountStatus)> {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts
            .iter()
            .map(|(key, status)| (key.clone(), status.clone()))
            .collect()
    }

    /// Forgets the accounts that the configuration no longer has.
    pub fn retain(&self, keep: impl Fn(&AccountKey) -> bool) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.retain(|key, _| keep(key));
    }
}

impl AccountStatus {
    /// Lists an issue, in the place of an older one of its kind.
    pub fn raise(&mut self, issue: AccountIssue) {
        self.clear(issue.kind);
        self.issues.push(issue);
    }

    /// Takes an issue off the list.
    pub fn clear(&mut self, kind: &str) {
        self.issues.retain(|known| known.kind != kind);
    }

    /// Records a failure.
    pub fn failed(&mut self, error: impl Into<String>, now_ms: i64) {
        self.last_error = Some(error.into());
        self.last_error_at = Some(now_ms);
    }
}
