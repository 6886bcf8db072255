//! The only way to talk to an actor.

mod address;
mod envelope;
mod gate;
mod inlet;
#[cfg(all(test, openclaw_loom))]
mod interleavings;
mod reply;
mod sync;

pub use address::{Address, SendError};
pub use reply::{AskError, Reply};

pub(crate) use envelope::{Alarm, Envelope, Letter, Parcel};
pub(crate) use gate::Gate;
pub(crate) use inlet::{AnySlot, Inlet, Reins, Slot};
