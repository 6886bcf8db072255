//! How a caller is refused: the words, the codes and the next step, as clients of both generations expect them.

use std::time::Duration;

use openclaw_protocol::ConnectParams;
use openclaw_protocol::ErrorCode;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use openclaw_protocol::config::AuthMode;
use serde_json::Value;
use serde_json::json;

use super::Origin;
use crate::device::Paired;
use crate::device::Pending;
use crate::device::book::Reason;
use crate::device::proof::ProofFailure;
use crate::ingress::auth::AuthFailure;
use crate::ingress::auth::mode_name;
use crate::ingress::origin::ORIGIN_MESSAGE;
use crate::ingress::outbound::Goodbye;
use crate::ingress::websocket::close;

/// A refused connection: the answer, and how the socket then ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The answer to `connect`.
    pub error: Box<ErrorShape>,
    /// The close.
    pub goodbye: Goodbye,
    /// Whether a wrong secret was shown.
    pub is_guess: bool,
}

impl Refusal {
    /// Refuses with an error, whose message is also the close reason.
    pub fn new(error: ErrorShape) -> Self {
        Self {
            goodbye: Goodbye::new(close::POLICY, error.message.clone()),
            error: Box::new(error),
            is_guess: false,
        }
    }
}

pub(super) fn version(min: u32, max: u32) -> Refusal {
    let error = ErrorShape::invalid("protocol mismatch").with(json!({
        "code": "PROTOCOL_MISMATCH",
        "clientMinProtocol": min,
        "clientMaxProtocol": max,
        "expectedProtocol": Protocol::V4.number(),
        "minimumProbeProtocol": Protocol::V3.number(),
    }));
    Refusal {
        goodbye: Goodbye::new(close::PROTOCOL, "protocol mismatch"),
        ..Refusal::new(error)
    }
}

pub(super) fn page(version: Protocol) -> Refusal {
    let details = json!({
        "code": "CONTROL_UI_ORIGIN_NOT_ALLOWED", "reason": "origin missing or invalid",
    });
    refuse(version, ErrorShape::invalid(ORIGIN_MESSAGE), details)
}

pub(super) fn page_needs_device(version: Protocol) -> Refusal {
    let message = match version {
        Protocol::V3 => "control ui requires HTTPS or localhost (secure context)",
        Protocol::V4 => {
            "control ui requires device identity (use HTTPS or localhost secure context)"
        }
    };
    let details = json!({ "code": "CONTROL_UI_DEVICE_IDENTITY_REQUIRED" });
    refuse(version, ErrorShape::invalid(message), details)
}

pub(super) fn device_required(version: Protocol) -> Refusal {
    let error = ErrorShape::new(ErrorCode::NotPaired, "device identity required");
    refuse(
        version,
        error,
        json!({ "code": "DEVICE_IDENTITY_REQUIRED" }),
    )
}

pub(super) fn proof(failure: ProofFailure, version: Protocol) -> Refusal {
    let (code, reason) = failure.code();
    refuse(
        version,
        ErrorShape::invalid(failure.message()),
        json!({ "code": code, "reason": reason }),
    )
}

/// The device's token is not, or no longer, the right one.
pub fn device_token(version: Protocol) -> Refusal {
    let message = "unauthorized: device token mismatch (rotate/reissue device token)";
    let details = auth_details(
        "AUTH_DEVICE_TOKEN_MISMATCH",
        "device_token_mismatch",
        "update_auth_credentials",
    );
    refuse(version, ErrorShape::invalid(message), details)
}

pub(super) fn token_scopes(version: Protocol) -> Refusal {
    let message = "unauthorized: device token scope mismatch (re-pair or approve scope upgrade)";
    let details = auth_details(
        "AUTH_SCOPE_MISMATCH",
        "scope_mismatch",
        "review_auth_configuration",
    );
    refuse(version, ErrorShape::invalid(message), details)
}

pub(super) fn setup_code(version: Protocol) -> Refusal {
    let message =
        "unauthorized: setup code invalid, expired, revoked, or already used (make a new one)";
    let details = auth_details(
        "AUTH_BOOTSTRAP_TOKEN_INVALID",
        "bootstrap_token_invalid",
        "review_auth_configuration",
    );
    refuse(version, ErrorShape::invalid(message), details)
}

/// The device must be approved first.
pub fn not_paired(
    reason: Reason,
    request: &Pending,
    approved: Option<&Paired>,
    version: Protocol,
) -> Refusal {
    let id = &request.request_id;
    if version == Protocol::V3 {
        let error = ErrorShape::new(ErrorCode::NotPaired, "pairing required");
        return Refusal::new(error.with(json!({ "requestId": id })));
    }
    let message = format!("pairing required: {}", reason.requirement());
    let mut details = json!({
        "code": "PAIRING_REQUIRED",
        "reason": reason.as_str(),
        "requestId": id,
        "remediationHint": format!("openclaw devices approve {id}"),
        "deviceId": request.device_id,
        "requestedRole": request.role,
        "requestedScopes": request.scopes,
    });
    if let (Some(device), Value::Object(details)) = (approved, &mut details) {
        details.insert("approvedRoles".to_owned(), json!(device.roles));
        details.insert("approvedScopes".to_owned(), json!(device.scopes));
    }
    let reason = format!("{message} (requestId: {id})");
    let error = ErrorShape::new(ErrorCode::NotPaired, message).with(details);
    Refusal {
        goodbye: Goodbye::new(close::POLICY, reason),
        ..Refusal::new(error)
    }
}

pub(super) fn unauthorized(
    failure: AuthFailure,
    params: &ConnectParams,
    origin: &Origin,
    version: Protocol,
) -> Refusal {
    let hint = hint(params, origin, version, failure);
    let (kind, what, reason, step) = match failure {
        AuthFailure::RateLimited(wait) => return rate_limited(wait, version),
        AuthFailure::NoUser | AuthFailure::TailscaleUnknown | AuthFailure::TailscaleMismatch => {
            return unnamed(failure, version);
        }
        AuthFailure::Missing(mode) => (mode, "missing", "missing", "update_auth_configuration"),
        AuthFailure::Mismatch(mode) => (mode, "mismatch", "mismatch", "update_auth_credentials"),
        AuthFailure::NotConfigured(mode) => (
            mode,
            "not configured on gateway",
            "missing_config",
            "update_auth_configuration",
        ),
    };
    let kind = mode_name(kind);
    // A client that holds a device's token may try that next; it is not a reason to let it in.
    let may_retry = matches!(failure, AuthFailure::Mismatch(AuthMode::Token))
        && params.device.is_some()
        && params.auth.device_token.is_none();
    let step = if may_retry {
        "retry_with_device_token"
    } else {
        step
    };
    let code = match reason {
        "missing_config" => format!("AUTH_{}_NOT_CONFIGURED", kind.to_uppercase()),
        other => format!("AUTH_{}_{}", kind.to_uppercase(), other.to_uppercase()),
    };
    let message = format!("unauthorized: gateway {kind} {what} ({hint})");
    let details = json!({
        "code": code,
        "authReason": format!("{kind}_{reason}"),
        "canRetryWithDeviceToken": may_retry,
        "recommendedNextStep": step,
    });
    refuse(version, ErrorShape::invalid(message), details)
}

fn unnamed(failure: AuthFailure, version: Protocol) -> Refusal {
    let (message, code, reason) = match failure {
        AuthFailure::TailscaleUnknown => (
            "unauthorized: tailscale identity check failed (use Tailscale Serve auth or gateway token/password)",
            "AUTH_TAILSCALE_WHOIS_FAILED",
            "tailscale_whois_failed",
        ),
        AuthFailure::TailscaleMismatch => (
            "unauthorized: tailscale identity mismatch (use Tailscale Serve auth or gateway token/password)",
            "AUTH_TAILSCALE_IDENTITY_MISMATCH",
            "tailscale_user_mismatch",
        ),
        _ => (
            "unauthorized: the trusted proxy named no user who is let in",
            "AUTH_IDENTITY_HEADER_REQUIRED",
            "trusted_proxy_user_missing",
        ),
    };
    let details = auth_details(code, reason, "review_auth_configuration");
    refuse(version, ErrorShape::invalid(message), details)
}

pub(super) fn rate_limited(wait: Duration, version: Protocol) -> Refusal {
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
    let error =
        ErrorShape::invalid("unauthorized: too many failed authentication attempts (retry later)");
    let details = auth_details("AUTH_RATE_LIMITED", "rate_limited", "wait_then_retry");
    refuse(version, error.retry_after(wait_ms), details)
}

fn auth_details(code: &str, reason: &str, step: &str) -> Value {
    json!({
        "code": code,
        "authReason": reason,
        "canRetryWithDeviceToken": false,
        "recommendedNextStep": step,
    })
}

/// What mends it, worded for the program that shows it.
fn hint(
    params: &ConnectParams,
    origin: &Origin,
    version: Protocol,
    failure: AuthFailure,
) -> &'static str {
    let is_cli = params.client.mode == "cli";
    let is_page = params.client.mode == "webchat" || params.client.mode == "ui";
    match failure {
        AuthFailure::NotConfigured(AuthMode::Password) => "set gateway.auth.password",
        AuthFailure::NotConfigured(_) => "set gateway.auth.token",
        AuthFailure::Missing(AuthMode::Password) | AuthFailure::Mismatch(AuthMode::Password) => {
            match (is_cli, is_page) {
                (true, _) => "set gateway.remote.password to match gateway.auth.password",
                (_, true) => "enter the password in Control UI settings",
                _ => "provide gateway auth password",
            }
        }
        _ if is_cli && version == Protocol::V4 && origin.is_local => {
            "use this gateway's gateway.auth.token or pair the device"
        }
        _ if is_cli => "set gateway.remote.token to match gateway.auth.token",
        _ if is_page => "open the dashboard URL and paste the token in Control UI settings",
        _ => "provide gateway auth token",
    }
}

/// Details came with protocol 4; earlier clients get the message only.
fn refuse(version: Protocol, error: ErrorShape, details: Value) -> Refusal {
    Refusal::new(match version {
        Protocol::V3 => error,
        Protocol::V4 => error.with(details),
    })
}
