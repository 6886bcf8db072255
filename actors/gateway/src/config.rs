//! The configuration on disk: read, checked, changed and watched.
//!
//! Reading never fails: [`load`] always answers with a usable configuration and says what is wrong
//! in `issues`. The functions are plain, so the CLI uses them without a gateway.

pub mod environment;

use std::path::PathBuf;
use std::sync::Arc;

use openclaw_protocol::Config;
use openclaw_protocol::config::Issue;
use openclaw_protocol::config::Severity;
use openclaw_protocol::config::Tree;

pub use self::environment::Environment;
use crate::paths::Paths;

/// A configuration as it was read at one moment.
#[derive(Debug, Clone)]
pub struct LoadedConfig {
    /// The file.
    pub path: PathBuf,
    /// Whether the file is there; without it the defaults hold.
    pub exists: bool,
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
    /// Tells whether nothing is disabled.
    pub fn valid(&self) -> bool {
        !self
            .issues
            .iter()
            .any(|issue| issue.severity == Severity::Error)
    }
}

/// Reads the configuration: the file, its includes, the variables. Never fails.
pub fn load(_paths: &Paths, _env: &Environment) -> LoadedConfig {
    todo!()
}
