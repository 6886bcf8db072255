//! What sessions need from the house, given once at the start.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use openclaw_channel::TypingBoard;
use openclaw_ledger::Ledger;
use openclaw_protocol::AgentId;
use openclaw_protocol::RunId;
use openclaw_protocol::SessionKey;
use openclaw_protocol::config::Config;
use openclaw_protocol::config::ResolvedAgent;
use openclaw_runtime::Directory;
use openclaw_runtime::memory::Budget;
use openclaw_tool::Toolbox;
use openclaw_tool::approval::Desk;
use openclaw_tool::policy::Policy;

use crate::conversation::keep;
use crate::event::Events;
use crate::files::import::Foreign;
use crate::models::Models;
use crate::prompt::Prompts;
use crate::sessions::shelf::Shelf;
use crate::skill::NoSkills;
use crate::skill::Skills;
use crate::turns::Turns;

/// A session that nobody speaks to for so long gives its memory back.
pub const IDLE: Duration = Duration::from_secs(600);

/// The configuration as it is now.
pub type ConfigNow = Arc<dyn Fn() -> Arc<Config> + Send + Sync>;

/// What sessions need from the house.
pub struct Deps {
    pub ledger: Ledger,
    pub directory: Directory,
    pub models: Arc<dyn Models>,
    pub toolbox: Toolbox,
    pub events: Arc<dyn Events>,
    /// The configuration as it is now.
    pub config: ConfigNow,
    pub folders: Folders,
    pub typing: TypingBoard,
    /// Where questions about programs are answered.
    pub desk: Arc<dyn Desk>,
    pub shared: Shared,
}

/// Where an agent's workspace is: its id, whether it is the default agent, the configured path.
pub type WorkspaceOf = Arc<dyn Fn(&AgentId, bool, Option<&str>) -> PathBuf + Send + Sync>;

/// Where agents' things are on disk.
#[derive(Clone)]
pub struct Folders {
    /// `$OPENCLAW_STATE_DIR`.
    pub state_dir: PathBuf,
    pub workspace: WorkspaceOf,
}

/// What the actors of this crate share; made new with each gateway.
pub struct Shared {
    pub(crate) prompts: Prompts,
    pub(crate) turns: Turns,
    pub(crate) runs: Runs,
    pub(crate) foreign: Foreign,
    pub(crate) shelf: Shelf,
    pub(crate) skills: Arc<dyn Skills>,
    pub(crate) idle: Duration,
    /// What conversations may keep between turns.
    pub(crate) kept: &'static Budget,
}

/// Which runs are at work; read without asking anyone.
#[derive(Debug, Default)]
pub struct Runs {
    active: Mutex<HashMap<SessionKey, RunId>>,
}

impl Deps {
    /// The agent of a session with its defaults; none if it isn't configured or can't be used.
    pub(crate) fn agent(&self, id: &AgentId) -> Option<ResolvedAgent> {
        (self.config)().agents.resolve(id)
    }

    /// Which tools may be used, by the configuration as it is now.
    pub(crate) fn policy(&self) -> Policy {
        Policy::new((self.config)().tree.clone(), self.toolbox.clone())
    }

    pub(crate) fn workspace_of(&self, agent: &ResolvedAgent) -> PathBuf {
        (self.folders.workspace)(&agent.id, agent.is_default, agent.workspace.as_deref())
    }

    /// Takes up what the configuration says now; whoever waits for a place may get one.
    pub fn follow_config(&self) {
        let config = (self.config)();
        let limit = config.agents.defaults.or_default().max_concurrent;
        self.shared.turns.set_limit(limit);
    }

    /// The run a session is working on.
    pub fn active_run(&self, session: &SessionKey) -> Option<RunId> {
        self.shared.runs.of(session)
    }
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}

impl Folders {
    /// Where an agent's session files are.
    pub fn sessions(&self, agent: &str) -> PathBuf {
        self.state_dir.join("agents").join(agent).join("sessions")
    }

    /// The transcript of one session id.
    pub fn transcript(&self, agent: &str, session_id: &str) -> PathBuf {
        self.sessions(agent).join(format!("{session_id}.jsonl"))
    }
}

impl std::fmt::Debug for Folders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Folders")
            .field("state_dir", &self.state_dir)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub fn new() -> Self {
        Self {
            prompts: Prompts::default(),
            // The configured number is set before the first turn.
            turns: Turns::new(1, 1),
            runs: Runs::default(),
            foreign: Foreign::default(),
            shelf: Shelf::default(),
            skills: Arc::new(NoSkills),
            idle: IDLE,
            kept: &keep::KEPT,
        }
    }

    /// With skills.
    #[must_use]
    pub fn skills(mut self, skills: Arc<dyn Skills>) -> Self {
        self.skills = skills;
        self
    }

    /// With another budget for what conversations keep between turns.
    #[cfg(test)]
    pub(crate) fn kept_within(mut self, budget: &'static Budget) -> Self {
        self.kept = budget;
        self
    }

    /// With another time after which an idle session gives its memory back.
    #[must_use]
    pub fn idle_after(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Runs {
    pub(crate) fn of(&self, session: &SessionKey) -> Option<RunId> {
        self.lock().get(session).cloned()
    }

    /// All of them.
    pub(crate) fn all(&self) -> HashMap<SessionKey, RunId> {
        self.lock().clone()
    }

    pub(crate) fn begin(&self, session: &SessionKey, run: &RunId) {
        self.lock().insert(session.clone(), run.clone());
    }

    pub(crate) fn end(&self, session: &SessionKey) {
        self.lock().remove(session);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SessionKey, RunId>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
