//! `/v1/chat/completions`.

use std::convert::Infallible;

use axum::Json;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::Value;
use serde_json::json;

use super::Caller;
use super::agent;
use super::failed;
use super::prompt;
use super::run;
use super::run::End;
use super::run::Failure;
use super::run::Piece;
use super::session;
use crate::ingress::body::invalid;
use crate::services::now_ms;

/// What a client gets when the agent had nothing to say.
pub(super) const SILENCE: &str = "No response from OpenClaw.";

/// What all parts of one answer share.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) created: i64,
    pub(super) with_usage: bool,
}

pub(super) async fn answer(caller: Caller, asked: &Value) -> Response {
    let prompt = match prompt::of_chat(asked) {
        Ok(prompt) => prompt,
        Err(problem) => return invalid(&problem),
    };
    let agent = match agent(&caller.services, &caller.headers, asked) {
        Ok(agent) => agent,
        Err(refusal) => return *refusal,
    };
    let model = asked
        .get("model")
        .and_then(Value::as_str)
        .unwrap_or("openclaw");
    let with_usage = asked.pointer("/stream_options/include_usage");
    let head = Head {
        id: format!("chatcmpl_{}", uuid::Uuid::new_v4()),
        model: model.to_owned(),
        created: now_ms() / 1000,
        with_usage: with_usage.and_then(Value::as_bool).unwrap_or(false),
    };
    let session = session(&caller.headers, asked, &agent, "openai");
    let run = caller.run(agent, session, prompt);
    if asked.get("stream").and_then(Value::as_bool) != Some(true) {
        return match run.end().await {
            Ok(end) => Json(whole(&head, &end)).into_response(),
            Err(Failure::Invalid(problem)) => invalid(&problem),
            Err(Failure::Internal) => failed(
                StatusCode::INTERNAL_SERVER_ERROR,
                "api_error",
                "internal error",
            ),
        };
    }
    let first = chunk(&head, json!({ "role": "assistant", "content": "" }), None);
    let first = stream::once(async move { event(&first) });
    let mut said_something = false;
    let rest = run.pieces().map(move |piece| {
        said_something |= matches!(piece, Piece::Text(_));
        chunks(&head, piece, said_something)
    });
    events(first.chain(rest))
}

/// A stream of events as a response.
pub(super) fn events(
    stream: impl futures_util::Stream<Item = String> + Send + 'static,
) -> Response {
    let body = Body::from_stream(stream.map(Ok::<String, Infallible>));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, body).into_response()
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// The whole answer.
pub(super) fn whole(head: &Head, end: &End) -> Value {
    let mut message = json!({ "role": "assistant", "content": content(end) });
    if let (Value::Object(message), false) = (&mut message, end.calls.is_empty()) {
        message.insert("tool_calls".to_owned(), calls(end));
    }
    json!({
        "id": head.id,
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": [{ "index": 0, "message": message, "finish_reason": reason(end) }],
        "usage": usage(end),
    })
}

fn content(end: &End) -> Value {
    match (end.text.is_empty(), end.calls.is_empty()) {
        (false, _) => json!(end.text),
        (true, true) => json!(SILENCE),
        (true, false) => Value::Null,
    }
}

fn reason(end: &End) -> &'static str {
    if end.calls.is_empty() {
        "stop"
    } else {
        "tool_calls"
    }
}

fn calls(end: &End) -> Value {
    let row = |(index, call): (usize, &run::ToolCall)| {
        json!({
            "index": index,
            "id": call.id,
            "type": "function",
            "function": { "name": call.name, "arguments": call.arguments },
        })
    };
    end.calls.iter().enumerate().map(row).collect()
}

fn usage(end: &End) -> Value {
    json!({
        "prompt_tokens": end.input,
        "completion_tokens": end.output,
        "total_tokens": end.input + end.output,
    })
}

fn chunk(head: &Head, delta: Value, reason: Option<&str>) -> Value {
    json!({
        "id": head.id,
        "object": "chat.completion.chunk",
        "created": head.created,
        "model": head.model,
        "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }],
    })
}

/// What a piece reads like on the wire.
pub(super) fn chunks(head: &Head, piece: Piece, said_something: bool) -> String {
    match piece {
        Piece::Text(text) => event(&chunk(head, json!({ "content": text }), None)),
        Piece::End(Ok(end)) => {
            let mut text = String::new();
            if !end.calls.is_empty() {
                text.push_str(&event(&chunk(
                    head,
                    json!({ "tool_calls": calls(&end) }),
                    None,
                )));
            } else if !said_something {
                text.push_str(&event(&chunk(head, json!({ "content": SILENCE }), None)));
            }
            text.push_str(&event(&chunk(head, json!({}), Some(reason(&end)))));
            if head.with_usage {
                let mut last = chunk(head, json!({}), None);
                if let Value::Object(last) = &mut last {
                    last.insert("choices".to_owned(), json!([]));
                    last.insert("usage".to_owned(), usage(&end));
                }
                text.push_str(&event(&last));
            }
            text.push_str("data: [DONE]\n\n");
            text
        }
        Piece::End(Err(failure)) => {
            let (message, kind) = match failure {
                Failure::Invalid(problem) => (problem, "invalid_request_error"),
                Failure::Internal => ("internal error".to_owned(), "api_error"),
            };
            let error = json!({ "error": { "message": message, "type": kind } });
            format!("{}data: [DONE]\n\n", event(&error))
        }
    }
}
