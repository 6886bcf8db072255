//! Orders to a supervisor.

use std::fmt;
use std::time::Duration;

use crate::mail::Address;
use crate::mail::AskError;
use crate::mail::Reply;
use crate::path::ActorPath;
use crate::path::ChildId;
use crate::supervision::spec::ChildSpec;
use crate::supervision::supervisor::Collector;
use crate::supervision::supervisor::Order;

/// Supervisors answer in microseconds; one that takes longer is itself in trouble.
const PATIENCE: Duration = Duration::from_secs(5);

/// A supervisor's address. It outlives restarts.
#[derive(Clone)]
pub struct SupervisorHandle {
    address: Address<Order>,
}

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
    pub(crate) fn new(address: Address<Order>) -> Self {
        Self { address }
    }

    pub fn path(&self) -> &ActorPath {
        self.address.path()
    }

    pub fn is_up(&self) -> bool {
        self.address.is_up()
    }

    /// Starts a child.
    pub async fn start(&self, spec: ChildSpec) -> Result<Started, OrderError> {
        self.ask(|reply| Order::Start(spec, reply)).await?
    }

    /// Starts a child unless it is there. Does not wait and can be repeated; a child that is leaving comes back. False = the supervisor is
    /// down or swamped: whoever needs the child asks again.
    pub fn ensure(&self, spec: ChildSpec) -> bool {
        self.address.try_send(Order::Ensure(spec)).is_ok()
    }

    /// Stops a child on purpose: it stays stopped until it is restarted by hand or its fingerprint changes.
    pub async fn stop(&self, id: &ChildId) -> Result<(), OrderError> {
        self.ask(|reply| Order::Stop(id.clone(), reply)).await?
    }

    /// Stops and starts a child, whatever state it is in, and forgets its failures.
    pub async fn restart(&self, id: &ChildId) -> Result<(), OrderError> {
        self.ask(|reply| Order::Restart(id.clone(), reply)).await?
    }

    /// Sets a child aside until it is unparked.
    pub async fn park(&self, id: &ChildId) -> Result<(), OrderError> {
        self.ask(|reply| Order::Park(id.clone(), reply)).await?
    }

    pub async fn unpark(&self, id: &ChildId) -> Result<(), OrderError> {
        self.ask(|reply| Order::Unpark(id.clone(), reply)).await?
    }

    /// Makes the children those of the specs, touching only what differs. Children added by `start` and `ensure` are not its business.
    pub async fn reconcile(&self, specs: Vec<ChildSpec>) -> Result<Diff, OrderError> {
        let specs = specs.into();
        self.ask(|reply| Order::Reconcile(specs, Collector::new(reply).into()))
            .await
    }

    async fn ask<R: Send + 'static>(
        &self,
        order: impl FnOnce(Reply<R>) -> Order,
    ) -> Result<R, OrderError> {
        let path = || self.path().clone();
        self.address
            .ask(PATIENCE, order)
            .await
            .map_err(|error| match error {
                AskError::Timeout | AskError::Full => OrderError::Timeout { path: path() },
                AskError::Down | AskError::Dropped => OrderError::Down { path: path() },
            })
    }
}

impl fmt::Debug for SupervisorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SupervisorHandle")
            .field(self.path())
            .finish()
    }
}
