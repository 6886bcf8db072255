//! Conversations: from a row in the inbox to a committed answer.
//!
//! A message is a row before anyone hears that it was taken ([`Intake`]). The `router` wakes the
//! row's `session`, which works on one row at a time. Each row is a `turn`: it performs what the
//! pure `plan` decides, with the model call and the tools in tasks of their own. A turn ends in one
//! transaction (`commit`): transcript, entry, outbox rows, usage and the row itself. The files that
//! people know (`sessions.json`, transcripts) follow the rows (`files`).
//!
//! Pure rooms: `plan`, `context`, `budget`, `transcript`, `elevated`, `entry`, `envelope`, `command`, `reply`, `binding`,
//! `outbound`, `queue`, `reset`, `send`, `shown`.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod binding;
mod budget;
mod call;
mod caller;
pub mod command;
mod commit;
mod compact;
mod context;
mod conversation;
pub mod deps;
pub mod elevated;
pub mod entry;
pub mod envelope;
pub mod event;
mod files;
pub mod intake;
pub mod models;
mod notice;
mod outbound;
mod outside;
mod overheard;
mod plan;
mod prepare;
mod prompt;
mod queue;
mod quick;
mod reply;
mod reset;
mod router;
mod send;
mod session;
pub mod sessions;
mod shown;
pub mod skill;
mod status;
pub mod subagent;
mod tab;
mod transcript;
mod turn;
mod turns;
mod upkeep;
mod vectors;
mod workspace;

#[cfg(test)]
mod tests;

pub use binding::Routes;
pub use compact::Done;
pub use deps::Deps;
pub use deps::Folders;
pub use deps::IDLE;
pub use deps::Shared;
pub use event::Events;
pub use event::SessionEvent;
pub use event::What;
pub use intake::Idempotency;
pub use intake::Intake;
pub use models::HouseModels;
pub use models::Models;
pub use router::router_path;
pub use router::router_spec;
pub use router::sessions_spec;
pub use send::may_send;
pub use session::operation::Deleted;
pub use session::operation::Injected;
pub use sessions::SessionError;
pub use sessions::Sessions;
pub use vectors::NoVectors;
