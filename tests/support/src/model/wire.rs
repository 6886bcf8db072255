//! The events of an answer as the vendors send them.

use serde_json::Value;
use serde_json::json;

use super::Wire;
use super::reply::Reply;

/// A frame with how many tokens were sent before it, where that matters.
type Frame = (Option<usize>, String);

pub(super) fn frames(wire: Wire, reply: &Reply, body: &Value) -> Vec<Frame> {
    match wire {
        Wire::Openai => openai(reply, body),
        Wire::Anthropic => anthropic(reply, body),
    }
}

/// An error's body.
pub(super) fn error(wire: Wire, kind: &str, message: &str) -> Value {
    match wire {
        Wire::Openai => json!({ "error": {
            "message": message, "type": kind, "param": null, "code": kind,
        }}),
        Wire::Anthropic => json!({
            "type": "error", "error": { "type": kind, "message": message },
            "request_id": "req_fake",
        }),
    }
}

/// An error inside a stream.
pub(super) fn error_frame(wire: Wire) -> String {
    match wire {
        Wire::Openai => {
            let error = error(wire, "server_error", "The server had an error");
            format!("data: {error}\n\n")
        }
        Wire::Anthropic => {
            let error = error(wire, "overloaded_error", "Overloaded");
            format!("event: error\ndata: {error}\n\n")
        }
    }
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

fn openai(reply: &Reply, body: &Value) -> Vec<Frame> {
    let chunk = |delta: Value, finish: Value| {
        let value = json!({
            "id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1,
            "model": body["model"], "system_fingerprint": "fp_fake",
            "choices": [{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }],
        });
        format!("data: {value}\n\n")
    };
    let mut frames = vec![(
        None,
        chunk(json!({ "role": "assistant", "content": "" }), Value::Null),
    )];
    let thinking = reply
        .thinking
        .iter()
        .map(|text| ("reasoning_content", text));
    let tokens = reply.tokens.iter().map(|text| ("content", text));
    for (sent, (field, text)) in thinking.chain(tokens).enumerate() {
        frames.push((Some(sent), chunk(json!({ (field): text }), Value::Null)));
    }
    let sent = reply.thinking.len() + reply.tokens.len();
    for (index, (name, arguments)) in reply.calls.iter().enumerate() {
        let first = json!({ "tool_calls": [{
            "index": index, "id": call_id("call", body, index), "type": "function",
            "function": { "name": name, "arguments": "" },
        }]});
        frames.push((Some(sent), chunk(first, Value::Null)));
        for piece in pieces(arguments) {
            let more = json!({ "tool_calls": [{
                "index": index, "function": { "arguments": piece },
            }]});
            frames.push((None, chunk(more, Value::Null)));
        }
    }
    let usual = if reply.calls.is_empty() {
        "stop"
    } else {
        "tool_calls"
    };
    let finish = reply.finish.as_deref().unwrap_or(usual);
    frames.push((Some(sent), chunk(json!({}), json!(finish))));
    if body["stream_options"]["include_usage"] == true {
        let (read, written, cached) = usage(reply, body);
        let value = json!({
            "id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1,
            "model": body["model"], "choices": [],
            "usage": {
                "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written,
                "prompt_tokens_details": { "cached_tokens": cached },
            },
        });
        frames.push((None, format!("data: {value}\n\n")));
    }
    frames.push((None, "data: [DONE]\n\n".to_owned()));
    frames
}

fn anthropic(reply: &Reply, body: &Value) -> Vec<Frame> {
    let event = |kind: &str, mut fields: Value| {
        fields["type"] = json!(kind);
        format!("event: {kind}\ndata: {fields}\n\n")
    };
    let (read, written, cached) = usage(reply, body);
    let mut frames = vec![
        (
            None,
            event(
                "message_start",
                json!({ "message": {
                    "id": "msg_fake", "type": "message", "role": "assistant", "model": body["model"],
                    "content": [], "stop_reason": null, "stop_sequence": null,
                    "usage": {
                        "input_tokens": read - cached, "output_tokens": 1,
                        "cache_read_input_tokens": cached, "cache_creation_input_tokens": 0,
                    },
                }}),
            ),
        ),
        (None, event("ping", json!({}))),
    ];
    let mut index = 0;
    let mut sent = 0;
    let mut block = |frames: &mut Vec<Frame>, start: Value, deltas: Vec<Value>, counts: bool| {
        let open = json!({ "index": index, "content_block": start });
        frames.push((None, event("content_block_start", open)));
        for delta in deltas {
            let token = counts.then_some(sent);
            sent += usize::from(counts);
            let delta = json!({ "index": index, "delta": delta });
            frames.push((token, event("content_block_delta", delta)));
        }
        let close = event("content_block_stop", json!({ "index": index }));
        frames.push((None, close));
        index += 1;
    };
    if !reply.thinking.is_empty() {
        let mut deltas: Vec<Value> = reply
            .thinking
            .iter()
            .map(|text| json!({ "type": "thinking_delta", "thinking": text }))
            .collect();
        deltas.push(json!({ "type": "signature_delta", "signature": "c2lnbmVk" }));
        let start = json!({ "type": "thinking", "thinking": "", "signature": "" });
        block(&mut frames, start, deltas, false);
    }
    if !reply.tokens.is_empty() {
        let deltas = reply
            .tokens
            .iter()
            .map(|text| json!({ "type": "text_delta", "text": text }))
            .collect();
        block(
            &mut frames,
            json!({ "type": "text", "text": "" }),
            deltas,
            true,
        );
    }
    for (number, (name, arguments)) in reply.calls.iter().enumerate() {
        let deltas = pieces(arguments)
            .into_iter()
            .map(|piece| json!({ "type": "input_json_delta", "partial_json": piece }))
            .collect();
        let start = json!({
            "type": "tool_use", "id": call_id("toolu", body, number), "name": name, "input": {},
        });
        block(&mut frames, start, deltas, false);
    }
    let usual = if reply.calls.is_empty() {
        "end_turn"
    } else {
        "tool_use"
    };
    let stop = match reply.finish.as_deref() {
        Some("length") => "max_tokens",
        Some("content_filter") => "refusal",
        Some("stop") => "end_turn",
        _ => usual,
    };
    let end = json!({
        "delta": { "stop_reason": stop, "stop_sequence": null },
        "usage": { "output_tokens": written },
    });
    frames.push((Some(reply.tokens.len()), event("message_delta", end)));
    frames.push((None, event("message_stop", json!({}))));
    frames
}

/// Ids are unique in a conversation: its length is part of them.
fn call_id(prefix: &str, body: &Value, number: usize) -> String {
    let length = body["messages"].as_array().map_or(0, Vec::len);
    format!("{prefix}_{length}_{number}")
}
