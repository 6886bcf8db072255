//! Who decides whether a program is started.

use std::path::Path;
use std::path::PathBuf;

use openclaw_runtime::BoxFuture;

use super::Launch;
use crate::ToolCall;

/// Decides on a launch before it happens, and gives back what is started: the same, or wrapped in a sandbox.
pub trait Gate: Send + Sync {
    /// The launch as it will be executed, or why it isn't, for the model to read. It may wait for a person.
    fn check(&self, launch: &Launch, call: &ToolCall)
    -> BoxFuture<'static, Result<Launch, String>>;
}

/// What the configuration says by itself: nothing, programs of a list, or everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Security {
    /// Nothing is started.
    Deny,
    /// Only programs that stand on the list by their resolved path.
    Allowlist(Vec<PathBuf>),
    /// Everything is started.
    Full,
}

impl Security {
    /// Its word on a launch.
    pub fn verdict(&self, launch: &Launch) -> Result<(), String> {
        match self {
            Self::Full => Ok(()),
            Self::Deny => Err(
                "running programs is switched off here (tools.exec.security is \"deny\")"
                    .to_owned(),
            ),
            Self::Allowlist(list) => allowed(list, launch.program()),
        }
    }
}

fn allowed(list: &[PathBuf], program: &Path) -> Result<(), String> {
    if list.iter().any(|entry| entry == program) {
        return Ok(());
    }
    Err(format!(
        "{} is not on the list of programs that may be run here (tools.exec.security is \"allowlist\")",
        program.display()
    ))
}
