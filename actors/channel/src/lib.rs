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
mod account;
pub mod chunk;
mod gate;
pub mod pairing;
pub mod platform;
mod poll;
pub mod retry;
mod send;
pub mod status;
pub mod telegram;
pub mod typing;

pub use account::Account;
pub use account::AccountConfig;
pub use account::CHANNELS;
pub use account::ChannelDeps;
pub use account::Configured;
pub use account::InboundEnvelope;
pub use account::Lease;
pub use account::Leases;
pub use account::PlatformConfig;
pub use account::RouteInbound;
pub use account::Wake;
pub use account::account_spec;
pub use account::configured;
pub use account::nudge_outbox;
pub use account::send_path;
pub use account::spec_for;
pub use account::tell;
pub use pairing::PairingStore;
pub use platform::Platform;
pub use poll::PollMail;
pub use send::SendMail;
pub use status::AccountState;
pub use status::StatusBoard;
pub use typing::TypingBoard;
pub use typing::TypingGuard;

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
