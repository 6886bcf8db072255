//! `/tools/invoke`: one tool, without an agent.

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Value;
use serde_json::json;

use super::body;
use super::caller::caller;
use crate::method;
use crate::method::Call;
use crate::services::Services;

pub(super) const PATH: &str = "/tools/invoke";

const BODY_LIMIT: usize = 2 * 1024 * 1024;

pub(super) async fn answer(services: &Arc<Services>, request: Request) -> Response {
    let principal = match caller(services, &request) {
        Ok(principal) => principal,
        Err(refusal) => return *refusal,
    };
    let (parts, sent) = request.into_parts();
    let asked = match body::json(&parts.headers, sent, BODY_LIMIT).await {
        Ok(asked) => asked,
        Err(refusal) => return refusal,
    };
    let text = |name: &str| asked.get(name).and_then(Value::as_str).map(str::trim);
    let name = text("tool").or_else(|| text("name")).unwrap_or_default();
    if name.is_empty() {
        let message = "tools.invoke requires body.tool";
        return refused(StatusCode::BAD_REQUEST, "invalid_request_error", message);
    }
    let mut args = asked.get("args").cloned().unwrap_or_else(|| json!({}));
    if let (Some(action), Value::Object(args)) = (text("action"), &mut args) {
        args.entry("action").or_insert(json!(action));
    }
    let mut params = json!({ "name": name, "args": args });
    if let (Some(key), Value::Object(params)) = (text("sessionKey"), &mut params) {
        params.insert("sessionKey".to_owned(), json!(key));
    }
    let call = Call {
        principal,
        services: Arc::clone(services),
        params,
        traceparent: None,
        early: Arc::new(|_| {}),
    };
    let Some(answer) = method::dispatch("tools.invoke", call).answer().await else {
        let message = "the tool did not end in time";
        return refused(StatusCode::GATEWAY_TIMEOUT, "tool_error", message);
    };
    let outcome = match answer {
        Ok(outcome) => outcome,
        Err(error) => {
            let message = error.error.message;
            return refused(StatusCode::BAD_REQUEST, "invalid_request_error", &message);
        }
    };
    if outcome.get("ok") == Some(&json!(true)) {
        let result = outcome.get("output").cloned().unwrap_or_default();
        return Json(json!({ "ok": true, "result": result })).into_response();
    }
    let error = |name: &str| {
        let place = outcome.pointer(&format!("/error/{name}"));
        place.and_then(Value::as_str).unwrap_or_default()
    };
    let message = error("message");
    match error("code") {
        "not_found" => refused(StatusCode::NOT_FOUND, "not_found", message),
        _ => refused(StatusCode::INTERNAL_SERVER_ERROR, "tool_error", message),
    }
}

fn refused(status: StatusCode, kind: &str, message: &str) -> Response {
    let error = json!({ "ok": false, "error": { "type": kind, "message": message } });
    (status, Json(error)).into_response()
}
