//! The ways a provider can be proved who calls: one account is one key, token or sign-in.

use std::path::PathBuf;

use openclaw_protocol::AgentId;

use crate::access::Access;
use crate::bedrock::AwsFiles;

/// The rank of what is in no file of credentials.
pub(crate) const UNSTORED: u8 = 3;

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
    /// The file of credentials that remembers how it fared.
    pub file: Option<PathBuf>,
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
        file: PathBuf,
    },
    /// A pair of keys in Amazon's own files, which other programs renew.
    Amazon {
        /// The files and the profile.
        files: AwsFiles,
        /// Where the calls go.
        region: String,
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
            file: None,
        }
    }
}

impl Account {
    /// Its name in the file of credentials, where those of all providers are.
    pub(crate) fn name_in_file(&self, provider: &str) -> String {
        match self.id.contains(':') {
            true => self.id.clone(),
            false => format!("{}:{provider}", self.id),
        }
    }

    /// Tells its key from another one; says nothing about it. None where the key changes by itself.
    pub(crate) fn mark(&self) -> Option<String> {
        let key = self.access()?.key?;
        let digest = ring::digest::digest(&ring::digest::SHA256, key.expose().as_bytes());
        let first = digest.as_ref().iter().take(4);
        Some(first.map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whether a stored credential is behind it, rather than a variable or the configuration.
    pub(crate) fn is_stored(&self) -> bool {
        self.rank < UNSTORED
    }

    /// What it proves itself with, when that is at hand.
    pub fn access(&self) -> Option<Access> {
        match &self.proof {
            Proof::Ready(access) => Some(access.clone()),
            Proof::Kept(_) => None,
        }
    }
}
