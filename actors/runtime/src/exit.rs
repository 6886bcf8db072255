//! How an actor ends. There are five ways, and a supervisor treats them differently.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::crash::CrashId;
use crate::path::ActorPath;
use crate::path::ChildId;

/// How an actor or task ended.
#[derive(Clone, Debug)]
pub enum Exit {
    /// It was done.
    Normal,
    /// Its parent asked it to stop and it did.
    Ordered,
    /// It was ended from outside, in the middle of whatever it did.
    Killed(KillReason),
    /// It gave up with a reason.
    Failed(ExitError),
    /// It hit a bug; the record has the place.
    Panicked(CrashId),
}

/// Why something was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KillReason {
    /// One handler ran longer than its limit.
    Hung,
    /// Its deadline passed.
    Deadline,
    Operator,
    Chaos,
    /// Nobody wants the result any more.
    Abort,
    /// It did not stop in time when ordered to, or its parent ended.
    Shutdown,
}

/// The end of one child.
#[derive(Clone, Debug)]
pub struct ChildExit {
    pub id: ChildId,
    pub exit: Exit,
}

/// A deliberate end with a reason. The typed cause stays reachable through [`ExitError::cause`].
#[derive(Clone)]
pub struct ExitError {
    reason: Arc<str>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
    code: Option<i32>,
}

/// Why a child was not started. The children that exist are untouched.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StartError {
    #[error("{path} already exists: stop it first, or choose another id")]
    Duplicate { path: ActorPath },
    #[error("{parent} is ending and starts no more children")]
    Ending { parent: ActorPath },
}

// === impl Exit ===

impl Exit {
    /// Whether nothing went wrong.
    pub fn is_clean(&self) -> bool {
        matches!(self, Exit::Normal | Exit::Ordered)
    }

    /// How it ended, in one word.
    pub fn class(&self) -> &'static str {
        match self {
            Exit::Normal => "normal",
            Exit::Ordered => "ordered",
            Exit::Killed(_) => "killed",
            Exit::Failed(_) => "failed",
            Exit::Panicked(_) => "panicked",
        }
    }

    /// The crash record that belongs to it.
    pub fn crash(&self) -> Option<&CrashId> {
        match self {
            Exit::Panicked(id) => Some(id),
            _ => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Normal => f.write_str("normal"),
            Exit::Ordered => f.write_str("ordered"),
            Exit::Killed(why) => write!(f, "killed: {why}"),
            Exit::Failed(error) => write!(f, "failed: {error}"),
            Exit::Panicked(id) => write!(f, "panicked: {id}"),
        }
    }
}

// === impl KillReason ===

impl KillReason {
    pub fn as_str(self) -> &'static str {
        match self {
            KillReason::Hung => "hung",
            KillReason::Deadline => "deadline",
            KillReason::Operator => "operator",
            KillReason::Chaos => "chaos",
            KillReason::Abort => "abort",
            KillReason::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for KillReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl ExitError ===

impl ExitError {
    pub fn new(reason: impl Into<Arc<str>>) -> Self {
        Self {
            reason: reason.into(),
            cause: None,
            code: None,
        }
    }

    /// Ends the process with this exit code, past every restart rule: for what no restart can mend.
    pub fn fatal(code: i32, reason: impl Into<Arc<str>>) -> Self {
        Self {
            reason: reason.into(),
            cause: None,
            code: Some(code),
        }
    }

    /// Passes a child's end on as one's own.
    pub fn child(exit: ChildExit) -> Self {
        let code = match &exit.exit {
            Exit::Failed(error) => error.code,
            _ => None,
        };
        Self {
            reason: format!("child {} ended: {}", exit.id, exit.exit).into(),
            cause: None,
            code,
        }
    }

    /// Adds what was being done.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.reason = format!("{doing}: {}", self.reason).into();
        self
    }

    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The error it was made from, for `downcast_ref`.
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }

    /// The process exit code of a fatal end.
    pub fn code(&self) -> Option<i32> {
        self.code
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for ExitError {
    fn from(error: E) -> Self {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(deeper) = source {
            reason.push_str(": ");
            reason.push_str(&deeper.to_string());
            source = deeper.source();
        }
        Self {
            reason: reason.into(),
            cause: Some(Arc::new(error)),
            code: None,
        }
    }
}

impl fmt::Display for ExitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl fmt::Debug for ExitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExitError")
            .field("reason", &self.reason)
            .field("cause", &self.cause)
            .field("code", &self.code)
            .finish()
    }
}
