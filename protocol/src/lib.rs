//! The words the parts of the gateway speak: keys, messages, wire frames and config shapes.
//!
//! Values only. There is no runtime, no clock and no file access in this crate, so everything here
//! can be tested as plain functions and shared by the gateway, the CLI and the tests.

#![warn(missing_docs)]
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
pub mod connect;
pub mod device;
pub mod error;
pub mod events;
pub mod frame;
pub mod hello;
pub mod key;
pub mod message;
pub mod method;
pub mod prompt;
pub mod schema;
pub mod secret;
pub mod shape;
pub mod tool;
pub mod written;

pub use config::Config;
pub use connect::ConnectParams;
pub use error::ErrorCode;
pub use error::ErrorShape;
pub use frame::Protocol;
pub use key::AccountKey;
pub use key::AgentId;
pub use key::DmScope;
pub use key::KeyError;
pub use key::ModelRef;
pub use key::RunId;
pub use key::SessionKey;
pub use message::Button;
pub use message::Chat;
pub use message::ChatKind;
pub use message::Content;
pub use message::Inbound;
pub use message::Message;
pub use message::OutboundPayload;
pub use message::Route;
pub use message::Sender;
pub use message::StopReason;
pub use message::TranscriptEntry;
pub use message::Usage;
pub use method::Method;
pub use method::Scope;
pub use method::Scopes;
pub use prompt::Prompt;
pub use secret::Secret;
pub use tool::ToolSpec;
pub use tool::Tools;
