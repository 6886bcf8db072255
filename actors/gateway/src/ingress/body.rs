//! The body of a request as JSON, within a bound.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::Response;
use serde_json::Value;

use super::routes::refuse;
use super::routes::text;

/// Reads a body of at most `limit` bytes.
pub(super) async fn json(headers: &HeaderMap, body: Body, limit: usize) -> Result<Value, Response> {
    let announced = text(headers, header::CONTENT_LENGTH.as_str());
    let announced = announced.and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let Ok(bytes) = axum::body::to_bytes(body, limit).await else {
        return Err(too_large(limit));
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("the body is no JSON: {error}");
        invalid(&message)
    })
}

/// A request that makes no sense.
pub(super) fn invalid(message: &str) -> Response {
    refuse(
        StatusCode::BAD_REQUEST,
        "invalid_request_error",
        message,
        None,
    )
}

fn too_large(limit: usize) -> Response {
    let message = format!("the body is larger than {limit} bytes");
    refuse(
        StatusCode::PAYLOAD_TOO_LARGE,
        "invalid_request_error",
        &message,
        None,
    )
}
