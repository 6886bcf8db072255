//! Bedrock's converse-stream, in Amazon's binary messages.

use serde_json::Value;
use serde_json::json;

use super::Frame;
use super::Reply;
use super::call_id;
use super::pieces;
use super::usage;

/// One message: lengths, headers, payload, and a checksum after each half.
pub(super) fn message(kind: &str, name: &str, payload: &str) -> Vec<u8> {
    let mut headers = Vec::new();
    let named = format!(":{kind}-type");
    let fields = [
        (named.as_str(), name),
        (":content-type", "application/json"),
        (":message-type", kind),
    ];
    for (name, value) in fields {
        headers.push(u8::try_from(name.len()).expect("a short name"));
        headers.extend(name.bytes());
        headers.push(7); // a string
        headers.extend(
            u16::try_from(value.len())
                .expect("a short value")
                .to_be_bytes(),
        );
        headers.extend(value.bytes());
    }
    let total = 16 + headers.len() + payload.len();
    let mut bytes = long(total).to_vec();
    bytes.extend(long(headers.len()));
    bytes.extend(crc32(&bytes).to_be_bytes());
    bytes.extend(headers);
    bytes.extend(payload.bytes());
    bytes.extend(crc32(&bytes).to_be_bytes());
    bytes
}

fn long(length: usize) -> [u8; 4] {
    u32::try_from(length)
        .expect("a message of a test")
        .to_be_bytes()
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 {
                (sum >> 1) ^ 0xEDB8_8320
            } else {
                sum >> 1
            };
        }
    }
    !sum
}

pub(super) fn frames(reply: &Reply, body: &Value) -> Vec<Frame> {
    let event = |name: &str, fields: Value| message("event", name, &fields.to_string());
    let mut frames = vec![(None, event("messageStart", json!({ "role": "assistant" })))];
    let mut index = 0;
    let close = |index: u64| event("contentBlockStop", json!({ "contentBlockIndex": index }));
    let delta = |index: u64, delta: Value| {
        event(
            "contentBlockDelta",
            json!({ "contentBlockIndex": index, "delta": delta }),
        )
    };
    if !reply.thinking.is_empty() {
        for text in &reply.thinking {
            let thought = json!({ "reasoningContent": { "text": text } });
            frames.push((None, delta(index, thought)));
        }
        let signature = json!({ "reasoningContent": { "signature": "c2lnbmVk" } });
        frames.push((None, delta(index, signature)));
        frames.push((None, close(index)));
        index += 1;
    }
    if !reply.tokens.is_empty() {
        for (sent, text) in reply.tokens.iter().enumerate() {
            frames.push((Some(sent), delta(index, json!({ "text": text }))));
        }
        frames.push((None, close(index)));
        index += 1;
    }
    for (number, (name, arguments)) in reply.calls.iter().enumerate() {
        let start = json!({ "contentBlockIndex": index, "start": { "toolUse": {
            "toolUseId": call_id("tooluse", body, number), "name": name,
        }}});
        let sent = (number == 0).then_some(reply.tokens.len());
        frames.push((sent, event("contentBlockStart", start)));
        for piece in pieces(arguments) {
            frames.push((None, delta(index, json!({ "toolUse": { "input": piece } }))));
        }
        frames.push((None, close(index)));
        index += 1;
    }
    let stop = match reply.finish.as_deref() {
        Some("length") => "max_tokens",
        Some("content_filter") => "content_filtered",
        _ if !reply.calls.is_empty() => "tool_use",
        _ => "end_turn",
    };
    let end = event("messageStop", json!({ "stopReason": stop }));
    frames.push((Some(reply.tokens.len()), end));
    if !reply.no_usage {
        let (read, written, cached) = usage(reply, body);
        let usage = json!({
            "inputTokens": read - cached, "outputTokens": written, "totalTokens": read + written,
            "cacheReadInputTokens": cached, "cacheWriteInputTokens": 0,
        });
        let metadata = json!({ "usage": usage, "metrics": { "latencyMs": 1 } });
        frames.push((None, event("metadata", metadata)));
    }
    frames
}
