//! Chat channels: the common layer and one folder a platform.
//!
//! A platform only translates (trait [`Platform`]). Who may talk (`access`), pairing, chunking and retry
//! are decided here, the same for all. An account is a supervisor with two actors: one takes events in and
//! stores them before it acknowledges them, the other sends what stands in the outbox.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod access;
pub mod chunk;
pub mod pairing;
pub mod platform;
pub mod retry;
pub mod status;
pub mod typing;

pub use platform::Platform;
pub use status::StatusBoard;
pub use typing::TypingBoard;
