//! The tree as a value, joined with the counters of the moment.

use std::sync::Arc;
use std::time::Duration;

use crate::crash::CrashId;
use crate::path::ActorPath;
use crate::vitals::Health;
use crate::vitals::State;

/// One actor or task, and what is under it.
#[derive(Clone, Debug)]
pub struct TreeNode {
    pub path: ActorPath,
    /// What to call it under its parent.
    pub name: Arc<str>,
    pub kind: &'static str,
    pub state: State,
    pub health: Health,
    pub generation: u64,
    pub restarts: u32,
    pub queued: usize,
    pub capacity: usize,
    pub handled: u64,
    /// How long the handler at work has been running.
    pub busy: Option<Duration>,
    /// The mail it is handling.
    pub current: Option<&'static str>,
    pub started_at_ms: Option<i64>,
    /// When a parked or pausing actor is tried again.
    pub until_ms: Option<i64>,
    pub last_exit: Option<Arc<str>>,
    pub crash: Option<CrashId>,
    pub note: Option<Arc<str>>,
    pub children: Vec<TreeNode>,
}

impl TreeNode {
    /// Draws the tree as text, as of `now_ms`.
    pub fn render(&self, now_ms: i64) -> String {
        let _ = now_ms;
        todo!()
    }
}
