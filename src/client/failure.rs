//! What went wrong with the gateway, where, why, and the one command that mends it.

use std::io;
use std::time::Duration;

use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::Refusal;
use crate::endpoint::Endpoint;
use crate::error::CommandError;
use crate::error::Kind;
use crate::error::chain;

/// The socket could not be opened.
pub(super) fn opening(endpoint: &Endpoint, error: &SocketError) -> CommandError {
    let place = place(endpoint);
    if let SocketError::Io(io) = error {
        let refused = io.kind() == io::ErrorKind::ConnectionRefused;
        if refused {
            return CommandError::new(Kind::Connect, format!("no gateway is listening on {place}"))
                .hint("start one: openclaw gateway run   (or, the first time: openclaw up)");
        }
        return CommandError::new(Kind::Connect, format!("can't reach {place}: {io}"))
            .hint("see what is configured: openclaw gateway status --no-probe");
    }
    if let SocketError::Http(response) = error {
        return CommandError::new(
            Kind::Connect,
            format!(
                "{place} answered HTTP {} instead of opening a WebSocket; it may be another program or a proxy",
                response.status().as_u16()
            ),
        )
        .hint("see what is configured: openclaw gateway status --no-probe");
    }
    CommandError::new(
        Kind::Connect,
        format!("can't connect to {place}: {}", chain(error)),
    )
    .hint("see what is configured: openclaw gateway status --no-probe")
}

/// Nothing came within the time.
pub(super) fn silent(endpoint: &Endpoint, within: Duration) -> CommandError {
    CommandError::new(
        Kind::Connect,
        format!(
            "{} did not answer within {} ms",
            place(endpoint),
            within.as_millis()
        ),
    )
    .hint("is it a gateway? openclaw gateway status   (longer: --timeout 30000)")
}

/// A request got no answer.
pub(super) fn unanswered(endpoint: &Endpoint, method: &str) -> CommandError {
    CommandError::new(
        Kind::Connect,
        format!(
            "the gateway at {} did not answer `{method}` in time",
            endpoint.url
        ),
    )
    .hint("see what it is doing: openclaw supervisor tree")
}

/// The socket broke.
pub(super) fn lost(endpoint: &Endpoint, error: &SocketError) -> CommandError {
    CommandError::new(
        Kind::Connect,
        format!(
            "the connection to {} was lost: {}",
            endpoint.url,
            chain(error)
        ),
    )
    .hint("why: openclaw logs --limit 50")
}

/// The gateway closed the socket.
pub(super) fn closed(endpoint: &Endpoint, frame: Option<&CloseFrame>) -> CommandError {
    let why = frame.map_or_else(
        || "without a reason".to_owned(),
        |frame| format!("{} {}", u16::from(frame.code), frame.reason),
    );
    let restarting = frame
        .is_some_and(|frame| frame.code == CloseCode::Restart || frame.code == CloseCode::Again);
    let error = CommandError::new(
        Kind::Connect,
        format!(
            "the gateway at {} closed the connection: {}",
            endpoint.url,
            why.trim_end()
        ),
    );
    if restarting {
        error.hint("it is shutting down or restarting: openclaw gateway status")
    } else {
        error.hint("why: openclaw logs --limit 50")
    }
}

/// The gateway refused the connection.
pub(super) fn connecting(endpoint: &Endpoint, refusal: &Refusal) -> CommandError {
    let text = &refusal.message;
    let error = |kind| {
        CommandError::new(
            kind,
            format!("the gateway at {} refused: {text}", place(endpoint)),
        )
    };
    if text.contains("protocol mismatch") {
        return error(Kind::Connect)
            .hint("this client speaks versions 3 and 4: update the older of the two");
    }
    if text.contains("too many failed") {
        return error(Kind::Refused).hint("wait a few minutes, or restart the gateway");
    }
    if refusal.code == "UNAVAILABLE" {
        return error(Kind::Connect).hint("it is starting or shutting down; try again in a moment");
    }
    if let Some(request) = refusal
        .details
        .get("requestId")
        .and_then(serde_json::Value::as_str)
    {
        let request = crate::render::clean(request);
        return error(Kind::Refused).hint(format!(
            "on the machine the gateway runs on: openclaw devices approve {request}"
        ));
    }
    let what = if text.contains("password") {
        "password"
    } else {
        "token"
    };
    error(Kind::Refused).hint(format!(
        "give the {what} of the machine the gateway runs on (openclaw config get gateway.auth.{what}): \
         --{what} …, or OPENCLAW_GATEWAY_{}",
        what.to_uppercase()
    ))
}

/// The gateway refused a request.
pub(super) fn refused(method: &str, refusal: &Refusal) -> CommandError {
    if refusal.detail() == "NOT_FOUND" {
        return CommandError::new(Kind::No, refusal.message.clone());
    }
    let kind = if refusal.code == "FORBIDDEN"
        || refusal.detail() == "MISSING_SCOPE"
        || refusal.message.starts_with("missing scope")
    {
        Kind::Refused
    } else {
        Kind::Daemon
    };
    let error = CommandError::new(
        kind,
        format!("`{method}` failed: {} ({})", refusal.message, refusal.code),
    );
    if refusal.message.starts_with("unknown method") {
        return error
            .hint("what it knows: openclaw gateway status --json   (hello.features.methods)");
    }
    if kind == Kind::Refused {
        return error
            .hint("connect with the gateway's own token: openclaw config get gateway.auth.token");
    }
    error
}

fn place(endpoint: &Endpoint) -> String {
    format!("{} (from {})", endpoint.url, endpoint.because)
}
