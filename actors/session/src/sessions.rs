//! What clients can ask of sessions and do to them.
//!
//! Questions read rows. Changes go to the session's own actor or are one row each; nobody edits a
//! file behind its owner's back.

use std::sync::Arc;
use std::time::Duration;

use openclaw_ledger::LedgerError;
use openclaw_protocol::AgentId;
use openclaw_protocol::RunId;
use openclaw_protocol::SessionKey;
use openclaw_runtime::Reply;
use serde_json::Map;
use serde_json::Value;

use crate::compact::Done;
use crate::conversation;
use crate::deps::Deps;
use crate::entry;
use crate::entry::Entry;
use crate::event::now_ms;
use crate::files;
use crate::files::import;
use crate::router;
use crate::session::Operation;
use crate::session::SessionMail;
use crate::session::operation::Deleted;
use crate::session::operation::Injected;

mod change;
mod history;
mod list;
mod row;
mod said;
pub(crate) mod shelf;

pub use self::history::History;
pub use self::history::Preview;
pub use self::list::Filter;
pub use self::list::Listed;
pub use self::list::Page;
pub use crate::turns::LaneLoad;
pub use crate::turns::Load;

/// How long a change may take; a turn in the way is ended, which takes milliseconds.
const CHANGE: Duration = Duration::from_secs(15);

/// How long a summary may take: a model writes it.
const SUMMING_UP: Duration = Duration::from_secs(300);

/// What clients can ask of sessions and do to them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sessions {
    deps: Arc<Deps>,
}

/// Why a question or a change was refused.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The request makes no sense; the text says what would.
    #[error("{0}")]
    Invalid(String),
    #[error("Session {0} is still active; try again in a moment.")]
    Busy(SessionKey),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Sessions {
    pub fn new(deps: Arc<Deps>) -> Self {
        Self { deps }
    }

    pub(crate) fn deps(&self) -> &Deps {
        &self.deps
    }

    /// How the places for turns are taken.
    pub fn load(&self) -> Load {
        self.deps.shared.turns.load()
    }

    /// The run a session works on.
    pub fn active_run(&self, key: &SessionKey) -> Option<RunId> {
        self.deps.active_run(key)
    }

    /// A session's entry; taken in from existing files if it was never spoken to.
    pub async fn entry(&self, key: &SessionKey) -> Result<Option<Entry>, SessionError> {
        match conversation::entry_of(&self.deps.ledger, key) {
            Some(entry) => Ok(Some(entry)),
            None => Ok(import::first_touch(&self.deps, key).await?),
        }
    }

    /// Begins a new session under the key; the old transcript stays. A running turn is ended.
    pub async fn reset(&self, key: &SessionKey) -> Result<Entry, SessionError> {
        let entry = self.change(key, Operation::Reset).await??;
        Ok(entry)
    }

    /// Forgets a session; its transcript is archived unless it is to be kept.
    pub async fn delete(
        &self,
        key: &SessionKey,
        delete_transcript: bool,
    ) -> Result<Deleted, SessionError> {
        if *key == SessionKey::main(&key.agent()) {
            return Err(SessionError::Invalid(format!(
                "Cannot delete the main session ({key})."
            )));
        }
        let deleted = self
            .change(key, |reply| Operation::Delete {
                keep_transcript: !delete_transcript,
                reply,
            })
            .await??;
        Ok(deleted)
    }

    /// Sums the conversation up, when its turn comes; none when it is short.
    pub async fn compact(&self, key: &SessionKey) -> Result<Option<Done>, SessionError> {
        self.change_within(key, SUMMING_UP, Operation::Compact)
            .await?
    }

    /// Puts a note into the conversation without a run.
    pub async fn inject(
        &self,
        key: &SessionKey,
        text: String,
        label: Option<String>,
    ) -> Result<Injected, SessionError> {
        let injected = self
            .change(key, |reply| Operation::Inject { text, label, reply })
            .await??;
        Ok(injected)
    }

    /// The agents' session stores as clients name them.
    pub fn store_path(&self, agent: &AgentId) -> String {
        let dir = self.deps.folders.sessions(agent.as_str());
        dir.join("sessions.json").to_string_lossy().into_owned()
    }

    /// Waits until an agent's files agree with the ledger.
    pub async fn settle_files(&self, agent: &AgentId, within: Duration) -> bool {
        files::settle(&self.deps, agent.as_str(), within).await
    }

    /// Has the session do something in its own place in the queue.
    async fn change<R: Send + 'static>(
        &self,
        key: &SessionKey,
        operation: impl FnOnce(Reply<R>) -> Operation,
    ) -> Result<R, SessionError> {
        self.change_within(key, CHANGE, operation).await
    }

    async fn change_within<R: Send + 'static>(
        &self,
        key: &SessionKey,
        within: Duration,
        operation: impl FnOnce(Reply<R>) -> Operation,
    ) -> Result<R, SessionError> {
        let address = router::address(&self.deps.directory, key);
        let busy = || SessionError::Busy(key.clone());
        router::started(&self.deps, key).await.map_err(|_| busy())?;
        let question = |reply| SessionMail::Operate(operation(reply));
        let changed = address.ask(within, question).await;
        changed.map_err(|_| busy())
    }
}
