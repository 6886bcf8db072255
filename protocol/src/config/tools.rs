//! `tools`: which tools agents may use.

use serde::Deserialize;

use super::Config;
use super::web::Web;
use crate::AgentId;

/// Which tools agents may use.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tools {
    /// The basis: `minimal`, `coding`, `messaging`, `full`.
    pub profile: Option<String>,
    /// Only these.
    pub allow: Vec<String>,
    /// These too.
    pub also_allow: Vec<String>,
    /// Never these.
    pub deny: Vec<String>,
    /// How they read and search the web.
    pub web: Web,
    /// How programs are run.
    pub exec: ExecTools,
    /// Where file tools may go.
    pub fs: FileTools,
}

/// What an agent has of its own instead.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentTools {
    /// How programs are run.
    pub exec: ExecTools,
    /// Where file tools may go.
    pub fs: FileTools,
}

/// How programs are run; what isn't said is usual.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecTools {
    /// `deny`, `allowlist` or `full`.
    pub security: Option<String>,
    /// Folders that programs are looked for in first.
    pub path_prepend: Option<Vec<String>>,
    /// Programs that run without a question, by name.
    pub safe_bins: Option<Vec<String>>,
    /// After so many milliseconds a run goes on in the background.
    pub background_ms: Option<u64>,
    /// A run is ended after so many seconds.
    pub timeout_sec: Option<u64>,
    /// What ended in the background can be asked for so many milliseconds.
    pub cleanup_ms: Option<u64>,
    /// Whether a session is told when a run in its background ends.
    pub notify_on_exit: Option<bool>,
}

/// Where file tools may go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileTools {
    /// Whether everything outside the workspace is off limits.
    pub workspace_only: Option<bool>,
}

impl ExecTools {
    /// These settings, with those where nothing is said.
    #[must_use]
    pub fn or(self, usual: &Self) -> Self {
        Self {
            security: self.security.or_else(|| usual.security.clone()),
            path_prepend: self.path_prepend.or_else(|| usual.path_prepend.clone()),
            safe_bins: self.safe_bins.or_else(|| usual.safe_bins.clone()),
            background_ms: self.background_ms.or(usual.background_ms),
            timeout_sec: self.timeout_sec.or(usual.timeout_sec),
            cleanup_ms: self.cleanup_ms.or(usual.cleanup_ms),
            notify_on_exit: self.notify_on_exit.or(usual.notify_on_exit),
        }
    }
}

impl Config {
    /// How an agent runs programs. None if that can't be read: then none are run.
    pub fn exec_tools(&self, agent: &AgentId) -> Option<ExecTools> {
        let usual = &self.tools.get()?.exec;
        let own = self.agents.tools(agent)?;
        Some(own.exec.or(usual))
    }

    /// Whether an agent's file tools stay in its workspace; what can't be read counts as yes.
    pub fn is_workspace_only(&self, agent: &AgentId) -> bool {
        let (Some(usual), Some(own)) = (self.tools.get(), self.agents.tools(agent)) else {
            return true;
        };
        let own = own.fs.workspace_only;
        own.or(usual.fs.workspace_only).unwrap_or(false)
    }
}
