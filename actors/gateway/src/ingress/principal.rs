//! Who calls: the only thing that rights are read from.

use std::sync::Arc;

use openclaw_protocol::Protocol;
use openclaw_protocol::Scopes;
use openclaw_protocol::connect::ClientInfo;

use super::auth::Verified;

/// What a caller acts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A person or a program acting for one.
    Operator,
    /// A device that offers its abilities.
    Node,
}

impl Role {
    /// The role's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Node => "node",
        }
    }

    /// The role of a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Operator, Self::Node]
            .into_iter()
            .find(|role| role.as_str() == name)
    }
}

/// A caller whose credential was verified.
#[derive(Debug, Clone)]
pub struct Principal {
    /// What it proved.
    pub verified: Verified,
    /// What it acts as.
    pub role: Role,
    /// What it may do: never more than was asked for and than the credential gives.
    pub scopes: Scopes,
    /// What it speaks.
    pub version: Protocol,
    /// Which program it is, by its own word.
    pub client: Arc<ClientInfo>,
    /// The device whose key it proved.
    pub device: Option<Arc<str>>,
    /// The user whom a proxy or Tailscale named.
    pub user: Option<Arc<str>>,
    /// Whether it takes the tool events of its own runs.
    pub takes_tools: bool,
    /// Whether it connected from this machine; grants nothing, shown to people.
    pub is_local: bool,
    /// The connection's number; 0 for none.
    pub connection: u64,
}
