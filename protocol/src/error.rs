//! How the gateway says no on the wire.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

/// What kind of no it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// The request can't be right as it stands.
    InvalidRequest,
    /// A device must be approved first.
    NotPaired,
    /// It could not be done now.
    Unavailable,
    /// The caller lacks the right (protocol 4).
    Forbidden,
    /// No such approval waits.
    ApprovalNotFound,
}

/// An error as it stands in a response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorShape {
    /// What kind.
    pub code: ErrorCode,
    /// What failed and what mends it, for people; older clients match on it.
    pub message: String,
    /// For programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// Whether the same request may succeed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// How much later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl ErrorShape {
    /// An error of a kind.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: None,
            retryable: None,
            retry_after_ms: None,
        }
    }

    /// The request can't be right as it stands.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    /// It could not be done now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unavailable, message)
    }

    /// The method's parameters break its shape.
    pub fn params(method: &str, problems: &str) -> Self {
        Self::invalid(format!("invalid {method} params: {problems}"))
    }

    /// There is no such method.
    pub fn unknown_method(method: &str) -> Self {
        Self::invalid(format!("unknown method: {method}"))
    }

    /// The caller lacks a scope; protocol 3 has no code of its own for it.
    pub fn missing_scope(scope: crate::method::Scope, version: crate::Protocol) -> Self {
        let scope = scope.as_str();
        let message = format!("missing scope: {scope}");
        match version {
            crate::Protocol::V3 => Self::invalid(message),
            crate::Protocol::V4 => Self::new(ErrorCode::Forbidden, message).with(json!({
                "code": "MISSING_SCOPE", "missingScope": scope, "requiredScopes": [scope],
            })),
        }
    }

    /// Adds details for programs.
    #[must_use]
    pub fn with(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// Says that the same request may succeed later.
    #[must_use]
    pub fn retry_after(mut self, milliseconds: u64) -> Self {
        self.retryable = Some(true);
        self.retry_after_ms = Some(milliseconds);
        self
    }
}
