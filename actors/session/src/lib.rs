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
pub mod plan;
pub mod reply;
pub mod transcript;
