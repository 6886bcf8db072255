//! Supervised actors: mail, supervision, vitals, crash records and fault points.
//!
//! An [`Actor`] owns its state and handles one mail at a time in a *synchronous* handler: it cannot wait, so it cannot
//! hang on the network. Whatever waits runs in a child, a task ([`Context::task`]) or an actor ([`Context::child`]), which its
//! parent can always kill. A [`ChildSpec`] says how a supervisor treats an actor that ends; a tree of specs is a value.
//! Mail dies with its actor: what must not be lost is a row in the ledger before anyone is told so.
//!
//! The crate knows nothing of channels, sessions or models. `ractor` carries the actors and is named nowhere else.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod actor;
pub mod child;
mod context;
pub mod cpu;
pub mod crash;
mod directory;
mod exit;
pub mod fault;
mod incarnation;
mod mail;
pub mod memory;
mod path;
mod poison;
pub mod stall;
mod supervision;
pub mod trace;
mod tree;
mod vitals;
pub mod watchdog;

pub use actor::{Actor, BoxFuture, Mail};
pub use context::{Context, Task, Timer};
pub use crash::{CrashId, CrashRecord};
pub use directory::{Change, Counters, Directory, Parking, SupervisionEvent};
pub use exit::{ChildExit, Exit, ExitError, KillReason, StartError};
pub use mail::{Address, AskError, Reply, SendError};
pub use path::{ActorPath, ChildId};
pub use poison::Poison;
pub use stall::Stall;
pub use supervision::{
    Backoff, ChildSpec, Diff, Intensity, OrderError, Past, Restart, Root, RootExit, Shutdown,
    ShutdownReport, Started, Strategy, SupervisorHandle,
};
pub use trace::TraceContext;
pub use tree::TreeNode;
pub use vitals::{Health, State, Vitals};
