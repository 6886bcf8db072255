//! What whole-process tests stand on: the gateway under test, and strict fakes of the outside world.
//!
//! A failing assumption here is a failing test, so this crate panics where the product must not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

pub mod client;
pub mod device;
pub mod dice;
pub mod disk;
pub mod gateway;
pub mod line;
pub mod model;
pub mod proxy;
pub mod skip;
pub mod telegram;
