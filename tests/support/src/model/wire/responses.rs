//! Responses.

use serde_json::Value;
use serde_json::json;

use super::Frame;
use super::Reply;
use super::call_id;
use super::named;
use super::pieces;
use super::usage;

pub(super) fn frames(reply: &Reply, body: &Value) -> Vec<Frame> {
    let mut number = 0;
    let mut event = |kind: &str, mut fields: Value| {
        fields["type"] = json!(kind);
        fields["sequence_number"] = json!(number);
        number += 1;
        named(&fields)
    };
    let mut response = json!({
        "id": "resp_fake", "object": "response", "created_at": 1, "model": body["model"],
        "status": "in_progress", "output": [], "error": null, "incomplete_details": null,
        "instructions": null, "metadata": {}, "tools": [], "tool_choice": "auto",
        "parallel_tool_calls": true, "temperature": 1, "top_p": 1,
    });
    let mut frames = vec![
        (
            None,
            event("response.created", json!({ "response": response })),
        ),
        (
            None,
            event("response.in_progress", json!({ "response": response })),
        ),
    ];
    let mut index = 0;
    if !reply.thinking.is_empty() {
        let summary = json!([{ "type": "summary_text", "text": reply.thinking.concat() }]);
        let open = json!({ "type": "reasoning", "id": "rs_fake", "summary": [] });
        let whole = json!({
            "type": "reasoning", "id": "rs_fake", "summary": summary,
            "encrypted_content": "c2lnbmVk",
        });
        let at = json!({ "output_index": index, "item": open });
        frames.push((None, event("response.output_item.added", at)));
        for text in &reply.thinking {
            let delta = json!({
                "item_id": "rs_fake", "output_index": index, "summary_index": 0, "delta": text,
            });
            frames.push((None, event("response.reasoning_summary_text.delta", delta)));
        }
        let done = json!({ "output_index": index, "item": whole });
        frames.push((None, event("response.output_item.done", done)));
        index += 1;
    }
    if !reply.tokens.is_empty() {
        let item = |content: Value, status: &str| {
            json!({
                "type": "message", "id": "msg_fake", "role": "assistant", "status": status,
                "content": content,
            })
        };
        let at = json!({ "output_index": index, "item": item(json!([]), "in_progress") });
        frames.push((None, event("response.output_item.added", at)));
        for (sent, text) in reply.tokens.iter().enumerate() {
            let delta = json!({
                "item_id": "msg_fake", "output_index": index, "content_index": 0, "delta": text,
                "logprobs": [],
            });
            frames.push((Some(sent), event("response.output_text.delta", delta)));
        }
        let text = json!([{
            "type": "output_text", "text": reply.tokens.concat(), "annotations": [], "logprobs": [],
        }]);
        let done = json!({ "output_index": index, "item": item(text, "completed") });
        frames.push((None, event("response.output_item.done", done)));
        index += 1;
    }
    for (number, (name, arguments)) in reply.calls.iter().enumerate() {
        let item = |arguments: &str, status: &str| {
            json!({
                "type": "function_call", "id": format!("fc_{number}"), "status": status,
                "call_id": call_id("call", body, number), "name": name, "arguments": arguments,
            })
        };
        let at = json!({ "output_index": index, "item": item("", "in_progress") });
        frames.push((
            Some(reply.tokens.len()),
            event("response.output_item.added", at),
        ));
        for piece in pieces(arguments) {
            let delta = json!({
                "item_id": format!("fc_{number}"), "output_index": index, "delta": piece,
            });
            frames.push((None, event("response.function_call_arguments.delta", delta)));
        }
        let whole = item(&arguments.to_string(), "completed");
        let done = json!({ "output_index": index, "item": whole });
        frames.push((None, event("response.output_item.done", done)));
        index += 1;
    }
    let reason = match reply.finish.as_deref() {
        Some("length") => Some("max_output_tokens"),
        Some("content_filter") => Some("content_filter"),
        _ => None,
    };
    if !reply.no_usage {
        let (read, written, cached) = usage(reply, body);
        response["usage"] = json!({
            "input_tokens": read, "input_tokens_details": { "cached_tokens": cached },
            "output_tokens": written, "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": read + written,
        });
    }
    let kind = match reason {
        Some(reason) => {
            response["status"] = json!("incomplete");
            response["incomplete_details"] = json!({ "reason": reason });
            "response.incomplete"
        }
        None => {
            response["status"] = json!("completed");
            "response.completed"
        }
    };
    let end = event(kind, json!({ "response": response }));
    frames.push((Some(reply.tokens.len()), end));
    frames
}
