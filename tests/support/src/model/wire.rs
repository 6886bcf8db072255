//! The events of an answer as the vendors send them.

mod anthropic;
mod bedrock;
mod google;
mod ollama;
mod openai;
mod responses;

use serde_json::Value;
use serde_json::json;

use super::Wire;
use super::reply::Reply;

/// A frame with how many tokens were sent before it, where that matters.
type Frame = (Option<usize>, Vec<u8>);

pub(super) fn frames(wire: Wire, reply: &Reply, body: &Value) -> Vec<Frame> {
    match wire {
        Wire::Openai => openai::frames(reply, body),
        Wire::Responses => responses::frames(reply, body),
        Wire::Anthropic => anthropic::frames(reply, body),
        Wire::Google => google::frames(reply, body),
        Wire::Ollama => ollama::frames(reply, body),
        Wire::Bedrock => bedrock::frames(reply, body),
    }
}

/// How the body says what it is.
pub(super) fn content_type(wire: Wire) -> &'static str {
    match wire {
        Wire::Ollama => "application/x-ndjson",
        Wire::Bedrock => "application/vnd.amazon.eventstream",
        _ => "text/event-stream; charset=utf-8",
    }
}

/// A piece that is not what it should be, in a frame that is.
pub(super) fn garbled(wire: Wire) -> Vec<u8> {
    match wire {
        Wire::Ollama => b"{\"message\":{\n".to_vec(),
        Wire::Bedrock => bedrock::message("event", "contentBlockDelta", "{\"delta\":"),
        _ => b"data: {\"choices\":[{\n\n".to_vec(),
    }
}

/// An error's body.
pub(super) fn error(wire: Wire, status: u16, kind: &str, message: &str) -> Value {
    match wire {
        Wire::Openai | Wire::Responses => json!({ "error": {
            "message": message, "type": kind, "param": null, "code": kind,
        }}),
        Wire::Anthropic => json!({
            "type": "error", "error": { "type": kind, "message": message },
            "request_id": "req_fake",
        }),
        Wire::Google => json!({ "error": {
            "code": status, "message": message, "status": google::status(status, kind),
        }}),
        Wire::Ollama => json!({ "error": message }),
        // The kind goes into a header.
        Wire::Bedrock => json!({ "message": message }),
    }
}

/// An error inside a stream.
pub(super) fn error_frame(wire: Wire) -> Vec<u8> {
    let text = "The server had an error";
    match wire {
        Wire::Openai => event(&error(wire, 500, "server_error", text)),
        Wire::Responses => named(&json!({
            "type": "error", "code": "server_error", "message": text, "param": null,
            "sequence_number": 9,
        })),
        Wire::Anthropic => named(&error(wire, 529, "overloaded_error", "Overloaded")),
        Wire::Google => event(&error(wire, 503, "unavailable", "The model is overloaded")),
        Wire::Ollama => format!(
            "{}\n",
            json!({ "error": "an error was encountered while running the model" })
        )
        .into_bytes(),
        Wire::Bedrock => bedrock::message(
            "exception",
            "serviceUnavailableException",
            &json!({ "message": "Busy" }).to_string(),
        ),
    }
}

/// A server-sent event without a name.
fn event(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

/// A server-sent event that is named like its type.
fn named(value: &Value) -> Vec<u8> {
    let kind = value["type"].as_str().unwrap_or_default();
    format!("event: {kind}\ndata: {value}\n\n").into_bytes()
}

fn usage(reply: &Reply, body: &Value) -> (u64, u64, u64) {
    let read = body.to_string().len() as u64 / 4 + 1;
    let written = (reply.tokens.len() + reply.thinking.len() + 10 * reply.calls.len()) as u64;
    reply.usage.unwrap_or((read, written, 0))
}

/// Arguments come in pieces, cut anywhere between two letters.
fn pieces(arguments: &Value) -> Vec<String> {
    let letters: Vec<char> = arguments.to_string().chars().collect();
    letters
        .chunks(7)
        .map(|piece| piece.iter().collect())
        .collect()
}

/// Ids are unique in a conversation: its length is part of them.
fn call_id(prefix: &str, body: &Value, number: usize) -> String {
    let turns = [&body["messages"], &body["input"], &body["contents"]];
    let length = turns
        .into_iter()
        .find_map(Value::as_array)
        .map_or(0, Vec::len);
    format!("{prefix}_{length}_{number}")
}
