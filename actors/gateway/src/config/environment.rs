//! The variables in force: the process's own, then the `.env` files, then the configuration's.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The variables in force; a source never overrides one before it. Cheap to clone, and silent when
/// printed, as it holds secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    vars: Arc<BTreeMap<String, String>>,
}

impl Environment {
    /// The process's own variables.
    pub fn process() -> Self {
        std::env::vars().collect()
    }

    /// The value of a variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.vars
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Adds variables that are not set yet.
    #[must_use]
    pub fn with_missing(mut self, more: impl IntoIterator<Item = (String, String)>) -> Self {
        let vars = Arc::make_mut(&mut self.vars);
        for (name, value) in more {
            let slot = vars.entry(name).or_default();
            if slot.is_empty() {
                *slot = value;
            }
        }
        self
    }

    /// A lookup, as [`crate::paths::Paths::from_env`] takes it.
    pub fn lookup(&self) -> impl Fn(&str) -> Option<String> + '_ {
        |name| self.get(name).map(str::to_owned)
    }

    /// All variables, for child processes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.vars
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(vars: I) -> Self {
        Self {
            vars: Arc::new(vars.into_iter().collect()),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} variables)", self.vars.len())
    }
}
