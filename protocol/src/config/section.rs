//! A part of the configuration that may be unusable by itself, and the tree behind all parts.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::Issue;

/// A part of the configuration: usable, or disabled with the reasons.
#[derive(Debug, Clone)]
pub enum Section<T> {
    /// It can be used.
    Valid(T),
    /// It can't: its owner stays off until these are mended.
    Invalid(Vec<Issue>),
}

impl<T> Section<T> {
    /// The part, if it can be used.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Valid(value) => Some(value),
            Self::Invalid(_) => None,
        }
    }

    /// Why it can't be used.
    pub fn issues(&self) -> &[Issue] {
        match self {
            Self::Valid(_) => &[],
            Self::Invalid(issues) => issues,
        }
    }

    /// Tells whether it can be used.
    pub fn is_valid(&self) -> bool {
        matches!(self, Self::Valid(_))
    }
}

impl<T: Clone + Default> Section<T> {
    /// The part, or its safe defaults.
    pub fn or_default(&self) -> T {
        self.get().cloned().unwrap_or_default()
    }
}

impl<T: Default> Default for Section<T> {
    fn default() -> Self {
        Self::Valid(T::default())
    }
}

/// The whole tree; cheap to clone, and silent when printed, as it holds secrets.
#[derive(Clone, PartialEq)]
pub struct Tree(Arc<Value>);

impl Tree {
    /// Wraps a tree.
    pub fn new(value: Value) -> Self {
        Self(Arc::new(value))
    }

    /// The tree, with its secrets.
    pub fn value(&self) -> &Value {
        &self.0
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self::new(Value::Object(serde_json::Map::new()))
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tree(***)")
    }
}
