//! What is answered over HTTP, and the check that stands before all of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::header;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use openclaw_protocol::Config;
use serde_json::json;

use super::invoke;
use super::openai;
use super::origin;
use super::origin::OriginFacts;
use super::origin::OriginPass;
use super::page;
use super::upgrade;
use super::upgrade::Gate;
use crate::health;
use crate::metrics;
use crate::services::Services;

/// All routes of the port.
pub(super) fn router(services: Arc<Services>, handshake: Duration) -> Router {
    let gate = Gate::new(services, handshake);
    Router::new()
        .fallback(answer)
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&gate),
            guard,
        ))
        .with_state(gate)
}

/// Refuses pages that are not known, before anything else of the request is read.
async fn guard(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    gate.services.meters.http_requests.add();
    let is_upgrade = upgrade::is_upgrade(request.headers());
    let pass = match check_origin(&gate.services, request.headers(), is_upgrade) {
        Ok(pass) => pass,
        Err(refusal) => {
            gate.services.meters.origin_refused.add();
            let origin = text(request.headers(), header::ORIGIN.as_str()).unwrap_or("none");
            tracing::warn!(%origin, %refusal, "a page was refused");
            let reason = json!({ "reason": refusal.to_string() });
            return refuse(
                StatusCode::FORBIDDEN,
                "forbidden",
                origin::ORIGIN_MESSAGE,
                Some(reason),
            );
        }
    };
    request.extensions_mut().insert(pass);
    let mut response = next.run(request).await;
    secure(response.headers_mut());
    response
}

fn check_origin(
    services: &Services,
    headers: &HeaderMap,
    is_upgrade: bool,
) -> Result<OriginPass, origin::OriginRefusal> {
    let facts = OriginFacts {
        origin: text(headers, header::ORIGIN.as_str()),
        host: text(headers, header::HOST.as_str()),
        // A browser opens no WebSocket without an origin. Plain requests of a page to its own
        // server carry none, and no other page can read their answers.
        is_browser: is_upgrade
            && headers
                .keys()
                .any(|name| name.as_str().starts_with("sec-fetch-")),
    };
    let config = services.configuration();
    origin::check(&facts, &config.gateway.control_ui.allowed_origins)
}

async fn answer(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    if upgrade::is_upgrade(request.headers()) {
        return upgrade::upgrade(&gate, request);
    }
    let services = &gate.services;
    let request = match openai::answer(services, request).await {
        Ok(response) => return response,
        Err(request) => request,
    };
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let hooks = hooks_path(&services.configuration());
    match request.uri().path() {
        invoke::PATH if *request.method() == Method::POST => {
            invoke::answer(services, request).await
        }
        invoke::PATH => not_allowed("POST"),
        // Taken, whether hooks are on or not: no page may stand there.
        path if path == hooks
            || path
                .strip_prefix(hooks.as_str())
                .is_some_and(|rest| rest.starts_with('/')) =>
        {
            let message = "hooks are not built yet";
            refuse(StatusCode::NOT_FOUND, "not_found", message, None)
        }
        "/health" | "/healthz" if is_read => {
            Json(json!({ "ok": true, "status": "live" })).into_response()
        }
        "/ready" | "/readyz" if is_read => ready(services),
        "/api/health" if is_read => summary(services),
        "/metrics" if is_read => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], metrics::scrape(services)).into_response()
        }
        _ if is_read => page::answer(services, request).await,
        _ => not_allowed("GET, HEAD"),
    }
}

fn ready(services: &Services) -> Response {
    let readiness = health::readiness(services);
    let is_ready = readiness.failing.is_empty();
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "ready": is_ready,
        "failing": readiness.failing,
        "uptimeMs": services.uptime_ms(),
    });
    (status, Json(body)).into_response()
}

/// A few facts for monitoring; nothing that names a person, a path or a secret.
fn summary(services: &Services) -> Response {
    let readiness = health::readiness(services);
    let is_ready = readiness.failing.is_empty();
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let accounts = services.accounts.all();
    let connected = accounts
        .iter()
        .filter(|(_, status)| status.connected)
        .count();
    let body = json!({
        "ok": is_ready,
        "status": if is_ready { "ok" } else { "degraded" },
        "version": services.version,
        "uptimeMs": services.uptime_ms(),
        "failing": readiness.failing,
        "channels": { "accounts": accounts.len(), "connected": connected },
    });
    (status, Json(body)).into_response()
}

/// Below which path hooks come in.
fn hooks_path(config: &Config) -> String {
    let configured = config
        .tree
        .value()
        .pointer("/hooks/path")
        .and_then(|path| path.as_str());
    let path = configured.unwrap_or_default().trim().trim_matches('/');
    if path.is_empty() {
        "/hooks".to_owned()
    } else {
        format!("/{path}")
    }
}

/// The path exists, but not for this method.
pub(super) fn not_allowed(allowed: &str) -> Response {
    let message = format!("this path answers {}", allowed.replace(", ", " and "));
    let mut response = refuse(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        &message,
        None,
    );
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// A refusal as JSON.
pub(super) fn refuse(
    status: StatusCode,
    kind: &str,
    message: &str,
    details: Option<serde_json::Value>,
) -> Response {
    let mut error = json!({ "message": message, "type": kind });
    if let (Some(details), Some(error)) = (details, error.as_object_mut()) {
        error.insert("details".to_owned(), details);
    }
    let mut response = (status, Json(json!({ "error": error }))).into_response();
    secure(response.headers_mut());
    response
}

/// A header as text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get(name)
        .map(|value| value.to_str().unwrap_or("null"))
}

/// What every answer carries. The page talks to its own server only and runs no inline script.
fn secure(headers: &mut HeaderMap) {
    let fixed = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        // A page that is not the built-in one brings its own policy.
        headers
            .entry(name)
            .or_insert_with(|| HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert_with(|| HeaderValue::from_static("no-store"));
}
