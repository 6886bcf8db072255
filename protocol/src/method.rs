//! The methods: what each takes, who may call it, since when it exists.
//!
//! The table is the only source of rights. A method that is not in it has no scope, and what has no
//! scope can't be routed.

mod known;
mod row;
mod table;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde_json::Value;

use crate::frame::Protocol;
use crate::shape::Fields;

pub use self::known::Need;
pub use self::known::is_for_nodes;
pub use self::known::known_names;
pub use self::known::need;
pub use self::known::scope_of_missing;
pub use self::table::METHODS;

#[cfg(test)]
mod tests;

/// A right of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everything.
    Admin,
    /// Reading methods and events.
    Read,
    /// Writing methods; includes reading.
    Write,
    /// Approvals.
    Approvals,
    /// Devices and nodes.
    Pairing,
    /// Questions (protocol 4).
    Questions,
    /// Talk mode (protocol 4).
    Talk,
    /// Talk mode's keys (protocol 4).
    TalkSecrets,
    /// Reading sessions only (protocol 4).
    SessionsRead,
    /// Writing sessions only (protocol 4).
    SessionsWrite,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Admin,
        Self::Read,
        Self::Write,
        Self::Approvals,
        Self::Pairing,
        Self::Questions,
        Self::Talk,
        Self::TalkSecrets,
        Self::SessionsRead,
        Self::SessionsWrite,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "operator.admin",
            Self::Read => "operator.read",
            Self::Write => "operator.write",
            Self::Approvals => "operator.approvals",
            Self::Pairing => "operator.pairing",
            Self::Questions => "operator.questions",
            Self::Talk => "operator.talk",
            Self::TalkSecrets => "operator.talk.secrets",
            Self::SessionsRead => "operator.sessions.read",
            Self::SessionsWrite => "operator.sessions.write",
        }
    }

    /// The scope of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u16);

impl Scopes {
    /// No right at all.
    pub const NONE: Self = Self(0);

    /// Reads names; what is unknown grants nothing.
    pub fn named(names: &[String]) -> Self {
        names.iter().filter_map(|name| Scope::parse(name)).collect()
    }

    /// Every scope.
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    /// What is in both.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Tells whether the scope itself is in the set.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u16) != 0
    }

    /// Tells whether the set gives the right, with what scopes include.
    pub fn allows(self, scope: Scope) -> bool {
        let has = |scope| self.contains(scope);
        has(Scope::Admin)
            || has(scope)
            || match scope {
                Scope::Read | Scope::Talk => has(Scope::Write),
                Scope::SessionsRead => {
                    has(Scope::Read) || has(Scope::Write) || has(Scope::SessionsWrite)
                }
                Scope::SessionsWrite => has(Scope::Write),
                _ => false,
            }
    }

    /// What of this set another set gives, with what its scopes include.
    #[must_use]
    pub fn granted_by(self, grant: Self) -> Self {
        Scope::ALL
            .into_iter()
            .filter(|scope| self.contains(*scope) && grant.allows(*scope))
            .collect()
    }

    /// Tells whether another set gives all of this one.
    pub fn is_within(self, grant: Self) -> bool {
        self.granted_by(grant) == self
    }

    /// What is in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Tells whether there is no scope in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names, in the table's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Scope::ALL
            .into_iter()
            .filter(move |scope| self.contains(*scope))
            .map(Scope::as_str)
    }
}

/// As the list of its names.
impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

/// From a list of names; what is unknown grants nothing.
impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::named(&Vec::<String>::deserialize(deserializer)?))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(
            scopes
                .into_iter()
                .fold(0, |bits, scope| bits | 1 << scope as u16),
        )
    }
}

/// Which scope a call needs.
#[derive(Debug, Clone, Copy)]
pub enum Access {
    /// Always this one.
    Scope(Scope),
    /// One for protocol 3, one for protocol 4.
    ByVersion(Scope, Scope),
    /// It depends on the parameters.
    Dynamic(fn(&Value, Protocol) -> Scope),
    /// No operator may call it: it belongs to nodes.
    Node,
}

/// One method.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// Which scope a call needs, or that only nodes call it.
    pub access: Access,
    /// Its parameters.
    pub params: Fields,
    /// The version it came with.
    pub since: Protocol,
    /// Whether a repeat under the same `idempotencyKey` gets the first answer.
    pub is_idempotent: bool,
    /// Whether it is listed in the greeting.
    pub is_advertised: bool,
}

impl Method {
    /// The method of a name.
    pub fn find(name: &str) -> Option<&'static Self> {
        METHODS.iter().find(|method| method.name == name)
    }

    /// Tells whether nodes call it, and only they.
    pub fn is_of_nodes(&self) -> bool {
        matches!(self.access, Access::Node)
    }

    /// The scope that a call of an operator needs.
    pub fn scope(&self, params: &Value, version: Protocol) -> Scope {
        match self.access {
            Access::Scope(scope) => scope,
            Access::ByVersion(early, late) => match version {
                Protocol::V3 => early,
                Protocol::V4 => late,
            },
            Access::Dynamic(scope) => scope(params, version),
            Access::Node => Scope::Admin,
        }
    }
}
