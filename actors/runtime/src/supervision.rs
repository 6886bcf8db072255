//! Who starts, watches, restarts and stops whom.
//!
//! [`policy`] decides, over values; [`supervisor`] is the actor that carries decisions out.

mod backoff;
mod handle;
mod policy;
mod root;
mod spec;
mod supervisor;

pub use handle::{Diff, OrderError, Started, SupervisorHandle};
pub use root::{Root, RootExit, ShutdownReport};
pub use spec::{Backoff, ChildSpec, Intensity, Past, Restart, Shutdown, Strategy};

pub(crate) use supervisor::{Order, SUPERVISOR};
