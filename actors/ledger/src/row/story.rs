//! Where a message stands, and how it came there.

use std::fmt;
use std::str::FromStr;

use openclaw_protocol::key::{AccountKey, SessionKey};
use serde::Serialize;

use super::{InboxKey, InboxRow, OutboxKey, OutboxRow};

/// One move of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    pub at_ms: i64,
    /// What the row became; none for a state that this binary does not know.
    pub state: Option<&'static str>,
    /// How often it had been tried by then.
    pub attempts: u8,
    pub why: String,
}

/// A row and its moves, oldest first.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Story<R> {
    /// Its name, as commands take it.
    pub id: String,
    #[serde(flatten)]
    pub row: R,
    /// Empty for a row that has not moved since a version which kept none.
    pub moves: Vec<Move>,
    /// Moves after the first that are no longer kept.
    pub moves_left_out: u16,
}

/// All that the ledger has of a message: what came in under an id, and what went out for it.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    pub inbound: Vec<Story<InboxRow>>,
    pub outbound: Vec<Story<OutboxRow>>,
    /// More rows have this id than are shown.
    pub more: bool,
}

impl Trace {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inbound.is_empty() && self.outbound.is_empty()
    }
}

/// The name of a row: `agent:main:main#3` came in, `telegram/home#7` goes out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RowId {
    In(InboxKey),
    Out(OutboxKey),
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::In(key) => key.fmt(f),
            Self::Out(key) => key.fmt(f),
        }
    }
}

/// A text that names no row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" names no message: write it as a list prints it, like agent:main:main#3 or telegram/home#7"
)]
pub struct NoRowId(String);

impl FromStr for RowId {
    type Err = NoRowId;

    fn from_str(text: &str) -> Result<Self, NoRowId> {
        let none = || NoRowId(text.to_owned());
        // A session key may hold a '#' of its own; the number is behind the last.
        let (owner, seq) = text.rsplit_once('#').ok_or_else(none)?;
        let seq = seq.parse().map_err(|_| none())?;
        if let Ok(session) = SessionKey::parse(owner) {
            return Ok(Self::In(InboxKey { session, seq }));
        }
        let account: AccountKey = owner.parse().map_err(|_| none())?;
        Ok(Self::Out(OutboxKey { account, seq }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_printed() {
        for text in [
            "agent:main:main#3",
            "agent:main:telegram:group:-100:topic:3#12",
            "telegram/home#7",
        ] {
            let id: RowId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
            assert_eq!(matches!(id, RowId::In(_)), text.starts_with("agent:"));
        }
        for text in [
            "",
            "#",
            "3",
            "telegram/home",
            "telegram/home#x",
            "telegram#",
        ] {
            text.parse::<RowId>().unwrap_err();
        }
    }
}
