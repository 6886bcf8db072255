//! Variables that hold secrets: given to a program as it starts, and to nobody else.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use openclaw_protocol::AgentId;

use super::environment;

/// A shorter value would be found in words that have nothing to do with it.
const SHORTEST_HIDDEN: usize = 6;

/// Variables that hold secrets, by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, String>);

/// The secrets of an agent's programs, in this workspace. May read files: not for a worker.
pub type SecretsOf = Arc<dyn Fn(&AgentId, &Path) -> Secrets + Send + Sync>;

impl Secrets {
    /// These variables, but for those that would change which program runs, or what that loads.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let allowed = variables.into_iter().filter(|(name, value)| {
            let is_usable = environment::may_be_set(name) && environment::is_usable(value);
            if !is_usable {
                tracing::warn!(name, "a variable of a skill can't be given to programs");
            }
            is_usable
        });
        Self(allowed.collect())
    }

    /// Adds them to an environment; what stands there already stays.
    pub(super) fn fill(&self, env: &mut BTreeMap<String, String>) {
        for (name, value) in &self.0 {
            env.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }

    /// The text with their names in place of their values, for whoever reads what a program said.
    pub(super) fn hide(&self, text: String) -> String {
        let long = |(_, value): &(&String, &String)| value.len() >= SHORTEST_HIDDEN;
        let mut hidden: Vec<_> = self.0.iter().filter(long).collect();
        // A value that is part of another would leave the rest of that to read.
        hidden.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        let found = |text: String, (name, value): (&String, &String)| {
            if text.contains(value.as_str()) {
                text.replace(value.as_str(), &format!("[{name}]"))
            } else {
                text
            }
        };
        hidden.into_iter().fold(text, found)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(variables: &[(&str, &str)]) -> Secrets {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Secrets::new(variables.iter().map(owned))
    }

    #[test]
    fn what_chooses_programs_is_no_secret() {
        let secrets = secrets(&[
            ("LD_PRELOAD", "/x.so"),
            ("OPENCLAW_STATE_DIR", "/x"),
            ("TIDE_KEY", "low-and-high"),
            ("BROKEN", "a\0b"),
        ]);
        let mut env = BTreeMap::from([("HOME".to_owned(), "/h".to_owned())]);
        secrets.fill(&mut env);
        assert_eq!(env.keys().collect::<Vec<_>>(), ["HOME", "TIDE_KEY"]);
        let said = format!("{secrets:?}");
        assert!(said.contains("TIDE_KEY") && !said.contains("low"), "{said}");
    }

    #[test]
    fn a_value_is_hidden_whole_and_a_short_one_not_at_all() {
        let secrets = secrets(&[("A", "secret"), ("B", "secret-and-more"), ("C", "on")]);
        let said = secrets.hide("B=secret-and-more A=secret C=on".to_owned());
        assert_eq!(said, "B=[B] A=[A] C=on");
    }
}
