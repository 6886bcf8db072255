//! What a chat platform must offer, and the neutral events it hands over.

use std::time::Duration;

use futures_util::future::BoxFuture;
use openclaw_protocol::OutboundPayload;
use openclaw_protocol::Route;
use openclaw_protocol::Sender;
use openclaw_protocol::message::Chat;
use openclaw_protocol::message::ReplyContext;
use serde_json::Value;

/// One account on one chat platform: translation and transport, no decisions.
pub trait Platform: Send + Sync + std::fmt::Debug + 'static {
    /// The channel's kind, such as `telegram`.
    fn channel(&self) -> &'static str;

    /// Asks the platform who we are, and makes ready for polling. Re-reads the credential.
    fn identify(&self) -> BoxFuture<'_, Result<Identity, PlatformError>>;

    /// Waits for the next events after `cursor`.
    fn poll(&self, cursor: Option<String>) -> BoxFuture<'_, Result<Batch, PlatformError>>;

    /// Sends one part of an answer.
    fn send<'a>(
        &'a self,
        payload: &'a OutboundPayload,
        route: &'a Route,
    ) -> BoxFuture<'a, Result<Receipt, SendFailure>>;

    /// Shows that an answer is being written. Its failure concerns nobody.
    fn typing<'a>(&'a self, route: &'a Route) -> BoxFuture<'a, ()>;

    fn limits(&self) -> Limits;

    /// A number that is the same for two accounts with the same credential, and the credential's
    /// public part, to which poll cursors belong.
    fn credential(&self) -> Credential;

    /// Whether a user name belongs to one person at a time, so that it can be resolved to an id.
    fn has_unique_usernames(&self) -> bool {
        false
    }

    /// The line of the pairing message that tells the sender their id.
    fn id_line(&self, sender_id: &str) -> String;

    /// Reads the cursor that an existing installation left.
    fn import_cursor(&self, stored: &Value) -> Option<String> {
        let _ = stored;
        None
    }
}

/// Which credential an account uses, without revealing it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Credential {
    pub fingerprint: u64,
    pub public: String,
}

/// Who the account is at the platform.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    pub id: String,
    pub username: Option<String>,
    pub name: Option<String>,
    /// What the operator should know, such as a setting at the platform that hides group messages.
    pub remarks: Vec<String>,
}

/// What a platform takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// UTF-16 units in one message.
    pub text_chars: usize,
    /// How long a typing sign stays without being refreshed.
    pub typing_lasts: Duration,
}

/// The events of one poll, and the cursor that acknowledges them.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub events: Vec<PlatformEvent>,
    pub cursor: Option<String>,
}

/// One event from outside.
#[derive(Debug, Clone)]
pub enum PlatformEvent {
    Message(Box<Incoming>),
    /// A kind that is not handled (an edit, a button, a membership change): counted, never stored.
    Other {
        kind: &'static str,
    },
}

/// One message as the platform tells it.
#[derive(Debug, Clone, Default)]
pub struct Incoming {
    /// Unique in the account; the same again when the platform repeats the event.
    pub source_id: String,
    pub message_id: String,
    pub chat: Chat,
    pub sender: Option<Sender>,
    pub text: String,
    pub reply_to: Option<ReplyContext>,
    pub timestamp_ms: i64,
    /// Addressed by the platform's own means: mention, reply, command.
    pub addressed: bool,
    /// A command for another bot.
    pub for_another: bool,
    /// Sent by a bot.
    pub from_bot: bool,
    /// Whose words it holds that are not its sender's.
    pub outside: Option<String>,
    /// It is a button that was pressed.
    pub is_press: bool,
}

/// The platform took the message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    pub ids: Vec<String>,
}

/// Why a poll or an identification failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// The credential is missing or refused: no retry mends it, a person does.
    #[error("{reason}")]
    Credential { reason: String, remedy: String },
    /// Someone else polls with the same credential.
    #[error("another program polls with the same token: {reason}")]
    Conflict { reason: String },
    /// The platform asks for a pause.
    #[error("{channel} asks for a pause of {} s", after.as_secs())]
    RateLimited {
        channel: &'static str,
        after: Duration,
    },
    /// The platform could not be reached or answered nonsense.
    #[error("{reason}")]
    Transport { reason: String },
}

/// Why a message was not sent, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendFailure {
    /// Certainly not sent; trying again is safe.
    #[error("{error}")]
    Retry {
        after: Option<Duration>,
        error: String,
    },
    /// Certainly not sent, and never will be.
    #[error("{0}")]
    Permanent(String),
    /// The request was written and its fate is not known.
    #[error("{0}")]
    Unknown(String),
}
