//! What has to be sent, and what became of it.

use std::collections::BTreeMap;
use std::fmt;

use openclaw_protocol::key::{AccountKey, SessionKey};
use openclaw_protocol::message::{OutboundPayload, Route};
use serde::{Deserialize, Serialize};

use super::TurnNo;

/// A message that is about to enter an outbox.
#[derive(Debug, Clone)]
pub struct NewOutbound {
    pub account: AccountKey,
    pub route: Route,
    pub payload: OutboundPayload,
    pub session: Option<SessionKey>,
    pub turn: Option<TurnNo>,
    /// Handed to platforms that know idempotency keys.
    pub idem_key: String,
    pub expires_at_ms: Option<i64>,
    /// True for the gateway's own words (pairing codes, apologies), false for an agent's.
    pub notice: bool,
}

/// Names one row of an outbox.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OutboxKey {
    pub account: AccountKey,
    pub seq: u64,
}

impl fmt::Display for OutboxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.account, self.seq)
    }
}

/// One destination of an account; its messages leave one after the other, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lane(pub u64);

impl Lane {
    /// The lane of a route. (FNV-1a: the value is stored, so it must not depend on a library's
    /// version; a collision costs two chats their concurrency, nothing else.)
    #[must_use]
    pub fn of(route: &Route) -> Self {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        Self(route.lane().bytes().fold(OFFSET, step))
    }
}

/// The life of an outbox row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutboxState {
    Prepared,
    /// Handed to the platform, no answer on disk yet.
    Attempting,
    Sent,
    /// Nobody knows whether it arrived; kept for a person to decide.
    Unknown,
    Dead,
    /// Was dead or unknown until a person put it away; the end.
    Dropped,
}

impl OutboxState {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Attempting => "attempting",
            Self::Sent => "sent",
            Self::Unknown => "unknown",
            Self::Dead => "dead",
            Self::Dropped => "dropped",
        }
    }

    /// True while the account's sender still has work with it.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Prepared | Self::Attempting)
    }

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Prepared => 0,
            Self::Attempting => 1,
            Self::Sent => 2,
            Self::Unknown => 3,
            Self::Dead => 4,
            Self::Dropped => 5,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Prepared,
            1 => Self::Attempting,
            2 => Self::Sent,
            3 => Self::Unknown,
            4 => Self::Dead,
            5 => Self::Dropped,
            _ => return None,
        })
    }
}

/// A stored outbox row.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboxRow {
    pub key: OutboxKey,
    pub lane: Lane,
    pub state: OutboxState,
    /// How often it was handed to the platform, this time included.
    pub attempts: u32,
    pub created_at_ms: i64,
    pub changed_at_ms: i64,
    pub not_before_ms: i64,
    pub expires_at_ms: Option<i64>,
    pub route: Route,
    pub payload: OutboundPayload,
    pub session: Option<SessionKey>,
    pub turn: Option<TurnNo>,
    pub idem_key: String,
    pub notice: bool,
    /// Ids the platform gave, once sent.
    pub platform_ids: Vec<String>,
    /// The last error, or why it is dead or unknown.
    pub error: Option<String>,
}

/// The part of an outbox row that never changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OutboxBody {
    pub(crate) route: Route,
    pub(crate) payload: OutboundPayload,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<SessionKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) turn: Option<TurnNo>,
    pub(crate) idem_key: String,
    #[serde(default)]
    pub(crate) notice: bool,
    pub(crate) created_at_ms: i64,
}

/// What the platform said last; stored behind the row.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct OutboxNote {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ids: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// What to do with a send whose outcome nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownAction {
    /// Keep it as `unknown`, visible: never silently doubled.
    #[default]
    Hold,
    /// Send it again: never silently lost.
    Resend,
}

/// The action of each account.
#[derive(Debug, Clone, Default)]
pub struct UnknownPolicy {
    pub default: UnknownAction,
    pub accounts: BTreeMap<AccountKey, UnknownAction>,
}

impl UnknownPolicy {
    #[must_use]
    pub fn hold() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn resend() -> Self {
        Self {
            default: UnknownAction::Resend,
            accounts: BTreeMap::new(),
        }
    }

    #[must_use]
    pub fn with(mut self, account: AccountKey, action: UnknownAction) -> Self {
        self.accounts.insert(account, action);
        self
    }

    #[must_use]
    pub fn of(&self, account: &AccountKey) -> UnknownAction {
        self.accounts.get(account).copied().unwrap_or(self.default)
    }
}

/// Which outbox rows to list.
#[derive(Debug, Clone, Default)]
pub struct OutboxFilter {
    pub account: Option<AccountKey>,
    pub state: Option<OutboxState>,
    /// Only rows that the sender still has work with: reads the index, not the table.
    pub open_only: bool,
    /// At most this many (0 = 1000).
    pub limit: usize,
}
