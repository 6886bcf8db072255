//! Who decides whether a program is started.

use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use openclaw_protocol::AgentId;
use openclaw_runtime::BoxFuture;

use super::Launch;
use super::launch;
use super::tool::is_program;
use crate::ToolCall;

/// Decides on a launch before it happens, and gives back what is started: the same, or wrapped in a sandbox.
pub trait Gate: Send + Sync {
    /// The launch as it will be executed, or why it isn't, for the model to read. It may wait for a person.
    fn check(&self, launch: &Launch, call: &ToolCall)
    -> BoxFuture<'static, Result<Launch, String>>;
}

/// The gate that asks nobody: what the configuration says, it does.
pub struct ByConfig(pub SecurityNow);

/// What the configuration says now, for an agent.
pub type SecurityNow = Arc<dyn Fn(&AgentId) -> Security + Send + Sync>;

impl Gate for ByConfig {
    fn check(
        &self,
        launch: &Launch,
        call: &ToolCall,
    ) -> BoxFuture<'static, Result<Launch, String>> {
        let verdict = (self.0)(&call.agent)
            .verdict(launch)
            .map(|()| launch.clone());
        Box::pin(std::future::ready(verdict))
    }
}

impl fmt::Debug for ByConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ByConfig").finish_non_exhaustive()
    }
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
    /// What these words of a configuration mean; a word that isn't known means nothing is started. The names of a list
    /// stand for the programs that the search path finds.
    pub fn of(word: &str, names: &[String], path: &str) -> Self {
        match word {
            "full" => Self::Full,
            "allowlist" => {
                let search: Vec<PathBuf> = path.split(':').map(PathBuf::from).collect();
                let find =
                    |name: &String| launch::resolve(name, &search, Path::new("/"), is_program);
                Self::Allowlist(names.iter().filter_map(find).collect())
            }
            _ => Self::Deny,
        }
    }

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
