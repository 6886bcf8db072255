//! Who is where: one per gateway, no process-wide names.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::actor::Mail;
use crate::crash::CrashId;
use crate::crash::CrashRecord;
use crate::exit::Exit;
use crate::exit::KillReason;
use crate::mail::Address;
use crate::path::ActorPath;
use crate::path::ChildId;
use crate::supervision::SupervisorHandle;
use crate::tree::TreeNode;

/// The addresses and counters of one tree.
#[derive(Clone)]
pub struct Directory {
    _inner: Arc<()>,
}

/// Something happened in the tree.
#[derive(Clone, Debug)]
pub struct SupervisionEvent {
    pub path: ActorPath,
    pub what: Change,
    pub at_ms: i64,
    pub generation: u64,
    pub crash: Option<CrashId>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Change {
    Started,
    Exited(Exit),
    Restarting {
        after: Duration,
    },
    Parked {
        until_ms: Option<i64>,
    },
    Unparked,
    /// Stopped on purpose.
    Stopped,
}

/// Totals since the start of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub mail: u64,
    pub started: u64,
    pub restarts: u64,
    pub panics: u64,
    pub errors: u64,
    pub kills: u64,
    pub parked: u64,
    pub abandoned: u64,
}

impl Directory {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        todo!()
    }

    /// The address of a path, before or after the actor exists.
    pub fn address<M: Mail>(&self, path: &ActorPath) -> Address<M> {
        let _ = path;
        todo!()
    }

    /// The supervisor at a path.
    pub fn supervisor(&self, path: &ActorPath) -> SupervisorHandle {
        let _ = path;
        todo!()
    }

    /// Who supervises the actor at a path, and under which id.
    pub fn supervisor_of(&self, path: &ActorPath) -> Option<(SupervisorHandle, ChildId)> {
        let _ = path;
        todo!()
    }

    /// Kills what is at a path; its parent decides what follows. False = nothing is there.
    pub fn kill(&self, path: &ActorPath, why: KillReason) -> bool {
        let _ = (path, why);
        todo!()
    }

    /// The tree as of now, from counters only: it answers even when every actor hangs.
    pub fn tree(&self, root: Option<&ActorPath>, depth: Option<usize>) -> Option<TreeNode> {
        let _ = (root, depth);
        todo!()
    }

    /// What happens from now on. A slow reader misses events and is told how many.
    pub fn watch(&self) -> broadcast::Receiver<SupervisionEvent> {
        todo!()
    }

    /// Waits until the node at a path satisfies the predicate (`None` = nobody there). False = not within the deadline.
    pub async fn wait_for(
        &self,
        path: &ActorPath,
        predicate: impl Fn(Option<&TreeNode>) -> bool,
        deadline: Duration,
    ) -> bool {
        let _ = (path, predicate, deadline);
        todo!()
    }

    pub fn crashes(&self) -> Vec<CrashRecord> {
        todo!()
    }

    pub fn crash(&self, id: &CrashId) -> Option<CrashRecord> {
        let _ = id;
        todo!()
    }

    /// Hands every further crash record to a sink. It must not block.
    pub fn on_crash(&self, sink: Arc<dyn Fn(CrashRecord) + Send + Sync>) {
        let _ = sink;
        todo!()
    }

    pub fn counters(&self) -> Counters {
        todo!()
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Directory")
    }
}
