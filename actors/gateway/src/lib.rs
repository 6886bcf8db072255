//! The gateway: the tree of actors, the configuration, and the port that clients talk to.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod config;
pub mod gateway;
pub mod health;
pub mod hub;
pub mod ingress;
pub mod method;
pub mod metrics;
pub mod paths;
pub mod presence;
pub mod services;
