//! Orders to a supervisor.

use crate::path::ActorPath;
use crate::path::ChildId;
use crate::supervision::spec::ChildSpec;

/// A supervisor's address. It outlives restarts.
#[derive(Clone, Debug)]
pub struct SupervisorHandle {}

/// What [`SupervisorHandle::start`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    New,
    /// A child of that id and fingerprint exists; it was left alone.
    Already,
}

/// Why an order was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    #[error("supervisor {path} is down")]
    Down { path: ActorPath },
    #[error("supervisor {path} did not answer in time")]
    Timeout { path: ActorPath },
    #[error("{path} exists with another configuration: stop it, or reconcile")]
    Duplicate { path: ActorPath },
    #[error("supervisor {path} has no child {id}: `openclaw supervisor tree` lists them")]
    Unknown { path: ActorPath, id: ChildId },
    #[error("supervisor {path} is shutting down")]
    Ending { path: ActorPath },
}

/// What a reconcile did, as paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    pub added: Vec<ActorPath>,
    pub removed: Vec<ActorPath>,
    /// Stopped and started with the new configuration.
    pub changed: Vec<ActorPath>,
    /// Took the new configuration while running.
    pub live: Vec<ActorPath>,
    pub untouched: Vec<ActorPath>,
}

impl SupervisorHandle {
    /// Starts a child.
    pub async fn start(&self, spec: ChildSpec) -> Result<Started, OrderError> {
        let _ = spec;
        todo!()
    }

    /// Starts a child unless it is there. Does not wait and can be repeated.
    pub fn ensure(&self, spec: ChildSpec) {
        let _ = spec;
        todo!()
    }

    /// Stops a child on purpose: it stays stopped until it is restarted by hand or its fingerprint changes.
    pub async fn stop(&self, id: &ChildId) -> Result<(), OrderError> {
        let _ = id;
        todo!()
    }

    /// Stops and starts a child, whatever state it is in, and forgets its failures.
    pub async fn restart(&self, id: &ChildId) -> Result<(), OrderError> {
        let _ = id;
        todo!()
    }

    /// Sets a child aside until it is unparked.
    pub async fn park(&self, id: &ChildId) -> Result<(), OrderError> {
        let _ = id;
        todo!()
    }

    pub async fn unpark(&self, id: &ChildId) -> Result<(), OrderError> {
        let _ = id;
        todo!()
    }

    /// Makes the children those of the specs, touching only what differs. Children added by `start` and `ensure` are not its business.
    pub async fn reconcile(&self, specs: Vec<ChildSpec>) -> Result<Diff, OrderError> {
        let _ = specs;
        todo!()
    }
}
