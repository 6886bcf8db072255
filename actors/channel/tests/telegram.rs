//! The channel's actors against the strict Telegram: what comes in is stored once, what goes out arrives in
//! order, and what goes wrong stays where it happened.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_debug_implementations
)]

#[path = "telegram/rig.rs"]
mod rig;

#[path = "telegram/inbound.rs"]
mod inbound;
#[path = "telegram/outbound.rs"]
mod outbound;
#[path = "telegram/third_party.rs"]
mod third_party;
#[path = "telegram/trouble.rs"]
mod trouble;
