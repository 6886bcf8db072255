//! Who sends a plain HTTP request: the holder of the gateway's secret, shown as a bearer token.
//!
//! The secret is the operator's own, so it gives every right; the same dispatch as for sockets decides on
//! each call. Wrong secrets count against the address, together with those of sockets.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::Response;
use openclaw_protocol::Protocol;
use openclaw_protocol::Scopes;
use openclaw_protocol::connect::ClientInfo;

use super::auth::AuthFailure;
use super::auth::Presented;
use super::http::PeerAddress;
use super::limiter::Account;
use super::limiter::Limit;
use super::peer::CanonicalAddress;
use super::principal::Principal;
use super::principal::Role;
use super::routes::refuse;
use super::routes::text;
use super::upgrade::real_address;
use crate::services::Services;

/// The caller of a request, or the answer that refuses it.
pub(super) fn caller(
    services: &Services,
    request: &Request,
) -> Result<Arc<Principal>, Box<Response>> {
    let headers = request.headers();
    let Some(peer) = request.extensions().get::<PeerAddress>().copied() else {
        return Err(unauthorized().into());
    };
    let address = real_address(services, headers, peer.0.ip()).map_err(|error| {
        let message = error.to_string();
        Box::new(refuse(StatusCode::FORBIDDEN, "forbidden", &message, None))
    })?;
    let shown = text(headers, header::AUTHORIZATION.as_str()).and_then(bearer);
    let policy = services.auth_policy();
    let config = services.configuration();
    let limit = config.gateway.auth.get();
    let limit = limit.map_or_else(Limit::default, |auth| Limit::of(&auth.rate_limit));
    let verdict = services.limiter().attempt(
        &CanonicalAddress::of(address),
        &Account::SharedSecret,
        Instant::now(),
        limit,
        AuthFailure::is_guess,
        || {
            policy.verify(Presented {
                token: shown,
                password: None,
            })
        },
    );
    let verdict = verdict.unwrap_or_else(|wait| Err(AuthFailure::RateLimited(wait.retry_after)));
    let verified = match verdict {
        Ok(verified) => verified,
        Err(AuthFailure::RateLimited(wait)) => {
            services.meters.auth_limited.add();
            let message = "too many failed authentication attempts (retry later)";
            let mut response = refuse(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message, None);
            let seconds = HeaderValue::from(wait.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            return Err(response.into());
        }
        Err(failure) => {
            if failure.is_guess() {
                services.meters.auth_guesses.add();
            } else {
                services.meters.auth_refused.add();
            }
            return Err(unauthorized().into());
        }
    };
    Ok(Arc::new(Principal {
        verified,
        role: Role::Operator,
        scopes: Scopes::all(),
        version: Protocol::V4,
        client: Arc::new(ClientInfo {
            id: "http".to_owned(),
            display_name: None,
            version: text(headers, header::USER_AGENT.as_str())
                .unwrap_or("unknown")
                .to_owned(),
            platform: "unknown".to_owned(),
            device_family: None,
            model_identifier: None,
            mode: "backend".to_owned(),
            instance_id: None,
        }),
        takes_tools: false,
        device: None,
        user: None,
        is_local: address.is_loopback(),
        connection: 0,
    }))
}

/// The secret of an `Authorization` header.
pub(super) fn bearer(value: &str) -> Option<&str> {
    let (scheme, secret) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

fn unauthorized() -> Response {
    let mut response = refuse(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "Unauthorized",
        None,
    );
    let scheme = HeaderValue::from_static("Bearer");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, scheme);
    response
}
