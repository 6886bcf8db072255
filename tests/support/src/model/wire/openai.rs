//! Chat completions.

use serde_json::Value;
use serde_json::json;

use super::Frame;
use super::Reply;
use super::call_id;
use super::event;
use super::pieces;
use super::usage;

pub(super) fn frames(reply: &Reply, body: &Value) -> Vec<Frame> {
    let chunk = |delta: Value, finish: Value| {
        let value = json!({
            "id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1,
            "model": body["model"], "system_fingerprint": "fp_fake",
            "choices": [{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }],
        });
        event(&value)
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
    if body["stream_options"]["include_usage"] == true && !reply.no_usage {
        let (read, written, cached) = usage(reply, body);
        let value = json!({
            "id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1,
            "model": body["model"], "choices": [],
            "usage": {
                "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written,
                "prompt_tokens_details": { "cached_tokens": cached },
            },
        });
        frames.push((None, event(&value)));
    }
    frames.push((None, b"data: [DONE]\n\n".to_vec()));
    frames
}
