//! What is known of a panic: who, handling what, where.

use std::fmt;
use std::sync::Arc;

use crate::path::ActorPath;
use crate::trace::TraceContext;

/// Names one crash: `c-81f2…`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CrashId(pub(crate) Arc<str>);

/// One panic.
#[derive(Clone, Debug)]
pub struct CrashRecord {
    pub id: CrashId,
    pub path: ActorPath,
    pub kind: &'static str,
    /// The mail being handled, `"init"`, `"child_exited"` or the task's kind.
    pub mail: &'static str,
    pub generation: u64,
    pub message: Arc<str>,
    /// `file:line:column`.
    pub location: Arc<str>,
    pub backtrace: Arc<str>,
    pub trace: Option<TraceContext>,
    pub at_ms: i64,
    pub thread: Arc<str>,
}

impl CrashId {
    pub fn parse(id: &str) -> Self {
        Self(Arc::from(id))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CrashId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CrashId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
