//! Models: the clients of model providers, the catalogue of what can be called and why, and the
//! actor that hands out permits.
//!
//! Everything that decides is a plain function: what a transcript becomes on a wire
//! ([`conversation`]), what an answer means (a folder for each wire, such as [`openai`]), how a failure
//! is sorted ([`error`]), which model is chosen and for what reason ([`catalogue`]). Sockets are opened in
//! `call.rs` and `discovery.rs` only.

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
pub mod account;
pub mod anthropic;
pub mod basic;
pub mod bedrock;
pub mod body;
pub mod breaker;
pub mod catalogue;
pub mod conversation;
pub mod cooldown;
pub mod deadline;
pub mod discovery;
pub mod embedding;
pub mod endpoint;
pub mod error;
pub mod failover;
pub mod google;
pub mod history;
pub mod http;
pub mod keeper;
pub mod model;
pub mod ollama;
pub mod openai;
pub mod probe;
pub mod profile;
pub mod provider;
pub mod quota;
pub mod responses;
pub mod scan;
pub mod signin;
pub mod store;
pub mod thinking;

mod answer;
mod call;
mod client;
mod framing;
mod minilm;
mod picture;

pub use access::Access;
pub use account::Account;
pub use account::Proof;
pub use catalogue::Catalogue;
pub use catalogue::Choice;
pub use catalogue::LocalServer;
pub use client::client;
pub use deadline::Deadlines;
pub use embedding::embed;
pub use endpoint::Endpoint;
pub use error::ModelError;
pub use error::ModelErrorKind;
pub use error::Phase;
pub use model::Model;
pub use model::ModelEvent;
pub use model::ModelRequest;
pub use model::ModelStream;
pub use provider::CallOutcome;
pub use provider::Lease;
pub use provider::NoLease;
pub use provider::ProviderActor;
pub use provider::ProviderMail;
pub use provider::Want;
pub use provider::lease;
pub use provider::specs;
