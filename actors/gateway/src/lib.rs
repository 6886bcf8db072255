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

pub mod agent_tool;
pub mod approval;
pub mod config;
mod crashes;
pub mod cron;
pub mod device;
pub mod exec_desk;
pub mod explain;
mod facts;
pub mod gateway;
pub mod health;
mod house;
pub mod hub;
pub mod ingress;
mod memory;
pub mod method;
pub mod metrics;
mod models;
pub mod node;
mod notices;
pub mod paths;
pub mod presence;
mod programs;
pub mod services;
mod skills;
pub mod state_file;
mod tree;
pub mod wake_words;
