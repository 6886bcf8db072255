//! The only way to talk to an actor.

mod address;
mod envelope;
mod gate;
mod inlet;
mod reply;

pub use address::{Address, SendError};
pub use reply::{AskError, Reply};

pub(crate) use envelope::{Alarm, Envelope, Parcel};
pub(crate) use gate::Gate;
pub(crate) use inlet::{AnySlot, Inlet, Reins, Slot};
