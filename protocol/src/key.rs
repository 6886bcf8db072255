//! Names of sessions, agents, accounts, runs and models.
//!
//! A session key is the address of a conversation: `agent:<agent>:<rest>`, all lower case. Its
//! grammar is shared with existing stores, so a key written here is found there and the other way.

mod session;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;

pub use self::session::DmScope;
pub use self::session::SessionKey;

#[cfg(test)]
mod tests;

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There was nothing to read.
    #[error("empty {0}")]
    Empty(&'static str),
    /// A character or a length that names don't have.
    #[error("invalid {what} \"{value}\": {rule}")]
    Invalid {
        /// Which name.
        what: &'static str,
        /// What was given.
        value: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// `global` and `unknown` stand for "no session" in existing clients.
    #[error("\"{0}\" is a reserved word, not a session: name a session such as \"main\"")]
    Reserved(String),
}

/// The id of an agent: lower case, 1 to 64 of `a-z 0-9 _ -`, starting with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(Arc<str>);

impl AgentId {
    /// The agent that exists when none is configured.
    pub const MAIN: &'static str = "main";

    /// Reads and lower-cases an id.
    pub fn parse(value: &str) -> Result<Self, KeyError> {
        let value = value.trim();
        if value.is_empty() {
            return Err(KeyError::Empty("agent id"));
        }
        let lower = value.to_ascii_lowercase();
        let starts_well = lower.starts_with(|c: char| c.is_ascii_alphanumeric());
        let is_plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if !starts_well || lower.len() > 64 || !lower.chars().all(is_plain) {
            return Err(KeyError::Invalid {
                what: "agent id",
                value: value.to_owned(),
                rule: "use 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit",
            });
        }
        Ok(Self(lower.into()))
    }

    /// The agent `main`.
    pub fn main() -> Self {
        Self(Self::MAIN.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for AgentId {
    fn default() -> Self {
        Self::main()
    }
}

/// The id of one run (one answer to one message).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl RunId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for RunId {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl From<&str> for RunId {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

/// One account on one channel, written `telegram/home`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey {
    /// The channel's kind, such as `telegram`.
    pub channel: Arc<str>,
    /// The account's name under that channel, such as `default`.
    pub account: Arc<str>,
}

impl AccountKey {
    /// The account's name when the channel has only one.
    pub const DEFAULT: &'static str = "default";

    /// Names an account; both parts are lower-cased.
    pub fn new(channel: &str, account: &str) -> Self {
        Self {
            channel: channel.trim().to_lowercase().into(),
            account: account.trim().to_lowercase().into(),
        }
    }
}

/// A model by provider and name, written `provider/model`; the model's name may hold slashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelRef {
    /// The provider's id.
    pub provider: String,
    /// The model's id at that provider.
    pub model: String,
}

impl ModelRef {
    /// Names a model.
    pub fn new(provider: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            model: model.into(),
        }
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.channel, self.account)
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

impl FromStr for AgentId {
    type Err = KeyError;

    fn from_str(value: &str) -> Result<Self, KeyError> {
        Self::parse(value)
    }
}

impl FromStr for AccountKey {
    type Err = KeyError;

    fn from_str(value: &str) -> Result<Self, KeyError> {
        match value.trim().split_once('/') {
            Some((channel, account)) if !channel.is_empty() && !account.is_empty() => {
                Ok(Self::new(channel, account))
            }
            _ => Err(KeyError::Invalid {
                what: "account",
                value: value.to_owned(),
                rule: "write channel/account, for instance telegram/default",
            }),
        }
    }
}

impl FromStr for ModelRef {
    type Err = KeyError;

    fn from_str(value: &str) -> Result<Self, KeyError> {
        match value.trim().split_once('/') {
            Some((provider, model)) if !provider.is_empty() && !model.is_empty() => {
                Ok(Self::new(provider.trim(), model.trim()))
            }
            _ => Err(KeyError::Invalid {
                what: "model",
                value: value.to_owned(),
                rule: "write provider/model, for instance builtin/basic",
            }),
        }
    }
}

macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(AgentId, AccountKey, ModelRef, SessionKey);
