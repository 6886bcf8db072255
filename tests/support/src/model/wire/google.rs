//! Gemini.

use serde_json::Value;
use serde_json::json;

use super::Frame;
use super::Reply;
use super::event;
use super::usage;

/// The word beside a status.
pub(super) fn status(status: u16, kind: &str) -> String {
    match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 if kind == "rate_limit_error" => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        _ => return kind.to_uppercase(),
    }
    .to_owned()
}

pub(super) fn frames(reply: &Reply, body: &Value) -> Vec<Frame> {
    let chunk = |parts: Value, finish: Option<&str>| {
        let mut candidate = json!({
            "content": { "parts": parts, "role": "model" }, "index": 0,
        });
        if let Some(finish) = finish {
            candidate["finishReason"] = json!(finish);
        }
        json!({ "candidates": [candidate], "modelVersion": "fake", "responseId": "fake" })
    };
    let mut frames = Vec::new();
    for text in &reply.thinking {
        let thought = json!([{ "text": text, "thought": true }]);
        frames.push((None, event(&chunk(thought, None))));
    }
    for (sent, text) in reply.tokens.iter().enumerate() {
        let part = json!([{ "text": text }]);
        frames.push((Some(sent), event(&chunk(part, None))));
    }
    for (number, (name, arguments)) in reply.calls.iter().enumerate() {
        let mut part = json!({ "functionCall": { "name": name, "args": arguments } });
        if number == 0 {
            part["thoughtSignature"] = json!("c2lnbmVk");
        }
        let sent = (number == 0).then_some(reply.tokens.len());
        frames.push((sent, event(&chunk(json!([part]), None))));
    }
    let finish = match reply.finish.as_deref() {
        Some("length") => "MAX_TOKENS",
        Some("content_filter") => "SAFETY",
        _ => "STOP",
    };
    let mut end = chunk(json!([{ "text": "" }]), Some(finish));
    if !reply.no_usage {
        let (read, written, cached) = usage(reply, body);
        end["usageMetadata"] = json!({
            "promptTokenCount": read, "candidatesTokenCount": written,
            "cachedContentTokenCount": cached, "totalTokenCount": read + written,
        });
    }
    frames.push((Some(reply.tokens.len()), event(&end)));
    frames
}
