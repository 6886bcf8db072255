//! Who did what, in a chain: each entry carries a hash over itself and the one before.

use openclaw_protocol::{AgentId, SessionKey};
use serde::{Deserialize, Serialize};

/// Something that shall be written into the chain. Holds names and hashes, no secret and no message's text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditEntry {
    pub at_ms: i64,
    /// `tool`, `approval`, `config`, `pairing`.
    pub kind: String,
    /// What was done: the name of a tool or method, or the places that changed.
    pub what: String,
    /// Who did it: a session, a device, a client.
    pub actor: String,
    /// SHA-256 of what it was done with, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// How it ended: `started`, `done`, `failed`, `refused`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The turn and step, or the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// An entry where it stands in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRow {
    pub n: u64,
    #[serde(flatten)]
    pub entry: AuditEntry,
    /// In hex.
    pub hash: String,
}

/// Which entries are asked for, newest first. What is `None` narrows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    pub kind: Option<String>,
    pub outcome: Option<String>,
    /// Only what this session did.
    pub session: Option<String>,
    /// Only what sessions of this agent did.
    pub agent: Option<AgentId>,
    /// Only from this moment on.
    pub after_ms: Option<i64>,
    /// Only until this moment.
    pub before_ms: Option<i64>,
    /// Only entries with a lower number.
    pub cursor: Option<u64>,
    pub limit: usize,
}

impl AuditFilter {
    /// Whether an entry is among those asked for.
    pub(crate) fn lets(&self, entry: &AuditEntry) -> bool {
        let is = |asked: &Option<String>, has: Option<&str>| {
            asked.as_deref().is_none_or(|asked| has == Some(asked))
        };
        let is_of = |agent: &AgentId| {
            let session = SessionKey::parse(&entry.actor);
            session.is_ok_and(|session| session.agent() == *agent)
        };
        is(&self.kind, Some(&entry.kind))
            && is(&self.outcome, entry.outcome.as_deref())
            && is(&self.session, Some(&entry.actor))
            && self.agent.as_ref().is_none_or(is_of)
            && self.after_ms.is_none_or(|after| entry.at_ms >= after)
            && self.before_ms.is_none_or(|before| entry.at_ms <= before)
    }
}

/// What a look over the whole chain found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditCheck {
    pub entries: u64,
    /// The first and the last entry that are there; 0 when there are none.
    pub first: u64,
    pub last: u64,
    /// The last hash, in hex: written down elsewhere it proves the chain up to here.
    pub head: String,
    /// The first thing that is wrong.
    pub problem: Option<AuditProblem>,
}

/// What is wrong with the chain, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum AuditProblem {
    #[error("entry {n} is missing")]
    Missing { n: u64 },
    #[error("entry {n} is not what was written, or stands in another place")]
    Changed { n: u64 },
    #[error("entry {n} can't be read")]
    Unreadable { n: u64 },
    #[error("the end of the chain is entry {n}, and that is not what was written last")]
    End { n: u64 },
}
