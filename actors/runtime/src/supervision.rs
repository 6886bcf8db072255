//! Who starts, watches, restarts and stops whom.

mod handle;
mod root;
mod spec;

pub use handle::{Diff, OrderError, Started, SupervisorHandle};
pub use root::{Root, RootExit, ShutdownReport};
pub use spec::{Backoff, ChildSpec, Intensity, Past, Restart, Shutdown, Strategy};
