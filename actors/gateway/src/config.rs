//! The configuration on disk: read, checked, changed and watched.
//!
//! Reading never fails: [`load`] always answers with a usable configuration and says what is wrong
//! in `issues`. The functions are plain, so the CLI uses them without a gateway.

mod actor;
mod dotenv;
pub mod edit;
pub mod environment;
mod include;
mod load;
mod shell;
mod snapshot;
mod source;
mod splice;
pub(crate) mod store;
mod substitute;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use openclaw_protocol::Config;
use openclaw_protocol::config::Issue;
use openclaw_protocol::config::Severity;
use openclaw_protocol::config::Tree;

pub use self::actor::ConfigActor;
pub use self::actor::ConfigArgs;
pub use self::actor::ConfigChange;
pub use self::actor::ConfigMail;
pub use self::actor::Reloaded;
pub(crate) use self::actor::is_change;
pub use self::edit::Change;
pub use self::edit::EditError;
pub use self::environment::Environment;
pub use self::load::load;
pub use self::snapshot::snapshot;
pub use self::source::hash;
pub use self::source::parse_value;

/// A configuration as it was read at one moment.
#[derive(Debug, Clone)]
pub struct LoadedConfig {
    /// The file.
    pub path: PathBuf,
    /// Whether the file is there; without it the defaults hold.
    pub exists: bool,
    /// Whether the file could not be read at all.
    pub is_fatal: bool,
    /// Whether `config` is an earlier one, as the file's present content can't be taken up.
    pub is_last_good: bool,
    /// The file's text.
    pub raw: Option<Text>,
    /// SHA-256 of the text in hex; of the empty text when there is no file.
    pub hash: String,
    /// The file's own tree, before includes, variables and aliases.
    pub parsed: Tree,
    /// The typed configuration; its `tree` is what is in force.
    pub config: Arc<Config>,
    /// What is wrong or odd.
    pub issues: Vec<Issue>,
    /// The files that were included.
    pub includes: Vec<PathBuf>,
    /// The variables in force, those of the process first.
    pub environment: Environment,
    /// What the login shell gave, so that a reload needn't ask it again.
    from_shell: Vec<(String, String)>,
}

/// The file's text: silent when printed, as it holds secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(pub String);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

impl LoadedConfig {
    /// The file's text, if it could be read.
    pub fn text(&self) -> Option<&str> {
        self.raw.as_ref().map(|raw| raw.0.as_str())
    }

    /// Tells whether the file is there and says nothing at all, not even `{}`.
    pub fn is_blank(&self) -> bool {
        self.text().is_some_and(|text| text.trim().is_empty())
    }

    /// Tells whether nothing is disabled.
    pub fn valid(&self) -> bool {
        !self
            .issues
            .iter()
            .any(|issue| issue.severity == Severity::Error)
    }
}
