//! Conversations: from a row in the inbox to a committed answer.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod command;
pub mod context;
pub mod entry;
pub mod envelope;
pub mod event;
pub mod plan;
pub mod reply;
pub mod transcript;

pub use event::Events;
pub use event::SessionEvent;
pub use event::What;
