//! Names in the tree: a child's id under its parent, and the slash path of an actor.

use std::fmt;
use std::sync::Arc;

/// A child's name under its parent: one segment or several (`"poll"`, `"telegram/home"`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildId(Arc<str>);

/// Where an actor stands in the tree: `"channels/telegram/home/poll"`. The root's path is empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorPath(Arc<str>);

// === impl ChildId ===

impl ChildId {
    pub fn new(id: impl AsRef<str>) -> Self {
        Self(Arc::from(id.as_ref().trim_matches('/')))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ChildId {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}

impl From<String> for ChildId {
    fn from(id: String) -> Self {
        Self::new(id)
    }
}

impl From<&ChildId> for ChildId {
    fn from(id: &ChildId) -> Self {
        id.clone()
    }
}

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl ActorPath ===

impl ActorPath {
    pub fn new(path: impl AsRef<str>) -> Self {
        Self(Arc::from(path.as_ref().trim_matches('/')))
    }

    /// The path of the tree's root.
    pub fn root() -> Self {
        Self(Arc::from(""))
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path of a child.
    pub fn join(&self, id: &ChildId) -> Self {
        if self.is_root() {
            Self(Arc::clone(&id.0))
        } else {
            Self(Arc::from(format!("{}/{}", self.0, id.0)))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `other` or lies under it.
    pub fn is_within(&self, other: &ActorPath) -> bool {
        other.is_root()
            || self
                .0
                .strip_prefix(&*other.0)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl From<&str> for ActorPath {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

impl From<String> for ActorPath {
    fn from(path: String) -> Self {
        Self::new(path)
    }
}

impl fmt::Display for ActorPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_root() { "/" } else { &self.0 })
    }
}

impl fmt::Debug for ActorPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
