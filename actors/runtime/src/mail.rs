//! The only way to talk to an actor.

mod address;
mod reply;

pub use address::{Address, SendError};
pub use reply::{AskError, Reply};
