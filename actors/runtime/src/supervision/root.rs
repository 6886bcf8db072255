//! The top of the tree, as the process sees it.

use std::time::Duration;

use crate::directory::Directory;
use crate::path::ActorPath;
use crate::supervision::handle::SupervisorHandle;
use crate::supervision::spec::ChildSpec;

/// A running tree: rest-for-one, restarts nothing above itself.
#[derive(Debug)]
pub struct Root {}

/// Why the tree ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootExit {
    /// The process exit code: 0 after a shutdown, 70 after an escalation, or what a fatal error asked for.
    pub code: i32,
    pub reason: String,
}

/// How a shutdown went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShutdownReport {
    pub took: Duration,
    /// Whom only a kill could stop.
    pub killed: Vec<ActorPath>,
}

impl Root {
    /// Starts a tree and its watchdog; returns when each child had its first start.
    pub async fn start(directory: Directory, name: &str, children: Vec<ChildSpec>) -> Root {
        let _ = (directory, name, children);
        todo!()
    }

    /// The root as a supervisor.
    pub fn handle(&self) -> SupervisorHandle {
        todo!()
    }

    /// Waits for the tree to end, by shutdown or by escalation.
    pub async fn ended(&self) -> RootExit {
        todo!()
    }

    /// Stops the tree in reverse order; what is left after the budget is killed.
    pub async fn shutdown(&self, budget: Duration) -> ShutdownReport {
        let _ = budget;
        todo!()
    }
}
