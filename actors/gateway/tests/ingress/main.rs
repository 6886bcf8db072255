//! The port of a gateway whose ledger is in memory and whose model follows a script.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod agent_tools;
mod chat;
mod deadletters;
mod devices;
mod families;
mod handshake;
mod house;
mod http;
mod methods;
mod named;
mod nodes;
mod openai;
mod outside;
mod pressure;
mod replay;
