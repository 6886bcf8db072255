//! Decides on a `connect` request: version, role, page, credential, device, in this order. Pure.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use openclaw_protocol::ConnectParams;
use openclaw_protocol::ErrorCode;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use openclaw_protocol::Scopes;
use openclaw_protocol::config::AuthMode;
use serde_json::json;

use super::auth::AuthFailure;
use super::auth::AuthPolicy;
use super::auth::Presented;
use super::auth::Verified;
use super::limiter::Account;
use super::limiter::Limit;
use super::limiter::Limiter;
use super::origin::ORIGIN_MESSAGE;
use super::origin::OriginPass;
use super::outbound::Goodbye;
use super::peer::CanonicalAddress;
use super::principal::Principal;
use super::principal::Role;
use super::websocket::close;

#[cfg(test)]
mod tests;

/// What is known of the connection besides the request itself.
#[derive(Debug, Clone)]
pub struct Origin {
    /// What the check at the upgrade said; a refused page never gets here.
    pub page: OriginPass,
    /// The bucket of its failures.
    pub address: CanonicalAddress,
    /// Whether it comes from this machine; only changes the wording of a hint.
    pub is_local: bool,
    /// The connection's number.
    pub connection: u64,
}

/// The gateway's rules.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The secret.
    pub auth: &'a AuthPolicy,
    /// How many wrong secrets are looked at.
    pub limit: Limit,
    /// Lets early operator pages in without a device (`gateway.controlUi.allowInsecureAuth`).
    pub allow_insecure_page: bool,
}

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

/// Decides on a `connect` request.
pub fn admit(
    params: ConnectParams,
    origin: &Origin,
    rules: &Rules<'_>,
    limiter: &mut Limiter,
    now: Instant,
) -> Result<Principal, Refusal> {
    let version = negotiate(&params)?;
    let role = Role::parse(&params.role)
        .ok_or_else(|| Refusal::new(ErrorShape::invalid("invalid role")))?;
    check_page(&params, origin, version)?;
    let verified = authenticate(&params, origin, rules, limiter, now, version)?;
    check_device(&params, role, rules, verified, version)?;
    let scopes = match role {
        // The shared secret is the operator's own: it gives every right that is asked for.
        Role::Operator => Scopes::named(&params.scopes).intersect(Scopes::all()),
        Role::Node => Scopes::NONE,
    };
    Ok(Principal {
        verified,
        role,
        scopes,
        version,
        takes_tools: params.can("tool-events"),
        is_local: origin.is_local,
        connection: origin.connection,
        client: Arc::new(params.client),
    })
}

fn negotiate(params: &ConnectParams) -> Result<Protocol, Refusal> {
    let (min, max) = (params.min_protocol, params.max_protocol);
    Protocol::negotiate(min, max).ok_or_else(|| {
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
    })
}

/// A client that only browsers run must come from a known page.
fn check_page(params: &ConnectParams, origin: &Origin, version: Protocol) -> Result<(), Refusal> {
    if params.client.is_browser_page() && origin.page == OriginPass::NotABrowser {
        let details = json!({
            "code": "CONTROL_UI_ORIGIN_NOT_ALLOWED", "reason": "origin missing or invalid",
        });
        return Err(refuse(
            version,
            ErrorShape::invalid(ORIGIN_MESSAGE),
            details,
        ));
    }
    Ok(())
}

fn authenticate(
    params: &ConnectParams,
    origin: &Origin,
    rules: &Rules<'_>,
    limiter: &mut Limiter,
    now: Instant,
    version: Protocol,
) -> Result<Verified, Refusal> {
    let presented = Presented {
        token: params
            .auth
            .token
            .as_ref()
            .map(openclaw_protocol::Secret::expose),
        password: params
            .auth
            .password
            .as_ref()
            .map(openclaw_protocol::Secret::expose),
    };
    let verdict = limiter
        .attempt(
            &origin.address,
            &Account::SharedSecret,
            now,
            rules.limit,
            AuthFailure::is_guess,
            || rules.auth.verify(presented),
        )
        .unwrap_or_else(|wait| Err(AuthFailure::RateLimited(wait.retry_after)));
    let failure = match verdict {
        Ok(verified) => return Ok(verified),
        Err(failure) => failure,
    };
    if matches!(failure, AuthFailure::Missing(_)) && params.device.is_none() {
        return Err(device_required(version));
    }
    Err(Refusal {
        is_guess: failure.is_guess(),
        ..unauthorized(failure, params, origin, version)
    })
}

fn check_device(
    params: &ConnectParams,
    role: Role,
    rules: &Rules<'_>,
    verified: Verified,
    version: Protocol,
) -> Result<(), Refusal> {
    // Signatures are not verified yet: a device that is presented grants nothing and hides nothing.
    if params.device.is_some() || verified.mode() == AuthMode::None {
        return Ok(());
    }
    if params.client.is_control_ui() {
        if version == Protocol::V3 && rules.allow_insecure_page {
            return Ok(());
        }
        let message = match version {
            Protocol::V3 => "control ui requires HTTPS or localhost (secure context)",
            Protocol::V4 => {
                "control ui requires device identity (use HTTPS or localhost secure context)"
            }
        };
        let details = json!({ "code": "CONTROL_UI_DEVICE_IDENTITY_REQUIRED" });
        return Err(refuse(version, ErrorShape::invalid(message), details));
    }
    if role == Role::Node && version == Protocol::V4 {
        return Err(device_required(version));
    }
    Ok(())
}

fn device_required(version: Protocol) -> Refusal {
    let error = ErrorShape::new(ErrorCode::NotPaired, "device identity required");
    refuse(
        version,
        error,
        json!({ "code": "DEVICE_IDENTITY_REQUIRED" }),
    )
}

fn unauthorized(
    failure: AuthFailure,
    params: &ConnectParams,
    origin: &Origin,
    version: Protocol,
) -> Refusal {
    let hint = hint(params, origin, version, failure);
    let (what, reason, step) = match failure {
        AuthFailure::RateLimited(wait) => return rate_limited(wait, version),
        AuthFailure::Missing(_) => ("missing", "missing", "update_auth_configuration"),
        AuthFailure::Mismatch(_) => ("mismatch", "mismatch", "update_auth_credentials"),
        AuthFailure::NotConfigured(_) => (
            "not configured on gateway",
            "missing_config",
            "update_auth_configuration",
        ),
    };
    let kind = match failure {
        AuthFailure::Missing(mode)
        | AuthFailure::Mismatch(mode)
        | AuthFailure::NotConfigured(mode) => super::auth::mode_name(mode),
        AuthFailure::RateLimited(_) => "token",
    };
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

fn rate_limited(wait: Duration, version: Protocol) -> Refusal {
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
    let error =
        ErrorShape::invalid("unauthorized: too many failed authentication attempts (retry later)");
    let details = json!({
        "code": "AUTH_RATE_LIMITED",
        "authReason": "rate_limited",
        "canRetryWithDeviceToken": false,
        "recommendedNextStep": "wait_then_retry",
    });
    refuse(version, error.retry_after(wait_ms), details)
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
fn refuse(version: Protocol, error: ErrorShape, details: serde_json::Value) -> Refusal {
    Refusal::new(match version {
        Protocol::V3 => error,
        Protocol::V4 => error.with(details),
    })
}
