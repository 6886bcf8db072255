//! The ways a provider can be proved who calls: one account is one key, token or sign-in.

use openclaw_protocol::AgentId;

use crate::access::Access;

/// One account at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    /// A profile's id, or where the key is from.
    pub id: String,
    /// The agent whose own it is; none for all agents'.
    pub agent: Option<AgentId>,
    /// Its place among the kinds: sign-ins go before tokens, tokens before keys.
    pub rank: u8,
    /// How it proves itself.
    pub proof: Proof,
}

/// How an account proves itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Proof {
    /// With what is at hand.
    Ready(Access),
    /// With a token that runs out and is renewed by its keeper.
    Kept(Kept),
}

/// What a keeper keeps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kept {
    /// A sign-in in a file of credentials.
    SignIn {
        /// Whose.
        provider: String,
        /// The file.
        file: std::path::PathBuf,
    },
    /// A key of GitHub's that Copilot's tokens are fetched with.
    Copilot(openclaw_protocol::Secret),
}

impl Account {
    /// An account with a key at hand, open to all agents.
    pub fn ready(id: impl Into<String>, access: Access) -> Self {
        Self {
            id: id.into(),
            agent: None,
            rank: 2,
            proof: Proof::Ready(access),
        }
    }
}

impl Account {
    /// What it proves itself with, when that is at hand.
    pub fn access(&self) -> Option<Access> {
        match &self.proof {
            Proof::Ready(access) => Some(access.clone()),
            Proof::Kept(_) => None,
        }
    }
}
