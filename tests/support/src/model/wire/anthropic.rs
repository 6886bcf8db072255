//! Messages.

use serde_json::Value;
use serde_json::json;

use super::Frame;
use super::Reply;
use super::call_id;
use super::named;
use super::pieces;
use super::usage;

pub(super) fn frames(reply: &Reply, body: &Value) -> Vec<Frame> {
    let event = |kind: &str, mut fields: Value| {
        fields["type"] = json!(kind);
        named(&fields)
    };
    let (read, written, cached) = usage(reply, body);
    let begin = match reply.no_usage {
        true => json!({ "input_tokens": 0, "output_tokens": 0 }),
        false => json!({
            "input_tokens": read - cached, "output_tokens": 1,
            "cache_read_input_tokens": cached, "cache_creation_input_tokens": 0,
        }),
    };
    let total = match reply.no_usage {
        true => json!({ "output_tokens": 0 }),
        false => json!({ "output_tokens": written }),
    };
    let mut frames = vec![
        (
            None,
            event(
                "message_start",
                json!({ "message": {
                    "id": "msg_fake", "type": "message", "role": "assistant", "model": body["model"],
                    "content": [], "stop_reason": null, "stop_sequence": null,
                    "usage": begin,
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
        "usage": total,
    });
    frames.push((Some(reply.tokens.len()), event("message_delta", end)));
    frames.push((None, event("message_stop", json!({}))));
    frames
}
