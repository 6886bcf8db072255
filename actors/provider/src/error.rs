//! How a call fails, sorted by what can be done about it.

mod classify;

use std::time::Duration;

pub use self::classify::classify;
pub use self::classify::retry_after;

#[cfg(test)]
mod tests;

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    /// What sort of failure.
    pub kind: ModelErrorKind,
    /// For people: what failed, where, and what mends it. Holds no secret.
    pub message: String,
    /// The HTTP status, when there was one.
    pub status: Option<u16>,
    /// When the provider wants to be asked again.
    pub retry_after: Option<Duration>,
}

/// What sort of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModelErrorKind {
    /// The key is missing, wrong or not allowed.
    Auth,
    /// There is no credit left.
    Billing,
    /// Too many requests.
    RateLimit,
    /// The provider has too much to do or is broken for the moment.
    Overload,
    /// Something took too long.
    Timeout(Phase),
    /// The provider did not understand the request, or its answer could not be read.
    Format,
    /// The conversation is longer than the model's window.
    ContextOverflow,
    /// There is no such model.
    ModelNotFound,
    /// The provider refused the content.
    Refusal,
    /// The provider could not be reached, or the connection broke.
    Network,
    /// None of these.
    Unknown,
}

/// The part of a call that took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Opening the connection.
    Connect,
    /// From the request to the first byte of the answer.
    FirstByte,
    /// Between two pieces of the answer.
    Idle,
    /// The whole call.
    Total,
}

impl ModelErrorKind {
    /// One word, for counters and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Billing => "billing",
            Self::RateLimit => "rate_limit",
            Self::Overload => "overload",
            Self::Timeout(_) => "timeout",
            Self::Format => "format",
            Self::ContextOverflow => "context_overflow",
            Self::ModelNotFound => "model_not_found",
            Self::Refusal => "refusal",
            Self::Network => "network",
            Self::Unknown => "unknown",
        }
    }

    /// Reads such a word; one that isn't known stands for no sort.
    pub(crate) fn parse(word: &str) -> Self {
        let all = [
            Self::Auth,
            Self::Billing,
            Self::RateLimit,
            Self::Overload,
            Self::Timeout(Phase::Total),
            Self::Format,
            Self::ContextOverflow,
            Self::ModelNotFound,
            Self::Refusal,
            Self::Network,
        ];
        let found = all.into_iter().find(|kind| kind.as_str() == word);
        found.unwrap_or(Self::Unknown)
    }
}

impl ModelError {
    /// A failure without an HTTP answer.
    pub fn new(kind: ModelErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            status: None,
            retry_after: None,
        }
    }

    /// Whether the same call to the same model may work a little later.
    pub fn retryable(&self) -> bool {
        matches!(
            self.kind,
            ModelErrorKind::RateLimit
                | ModelErrorKind::Overload
                | ModelErrorKind::Network
                | ModelErrorKind::Timeout(Phase::Connect | Phase::FirstByte | Phase::Idle)
        )
    }

    /// Whether another model may answer where this one failed.
    pub fn another_may_answer(&self) -> bool {
        !matches!(
            self.kind,
            ModelErrorKind::ContextOverflow | ModelErrorKind::Refusal
        )
    }
}
