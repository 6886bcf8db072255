//! Ollama's own.

use serde_json::Value;
use serde_json::json;

use super::Frame;
use super::Reply;
use super::usage;

pub(super) fn frames(reply: &Reply, body: &Value) -> Vec<Frame> {
    let line = |message: Value, done: Option<&str>| {
        let mut line = json!({
            "model": body["model"], "created_at": "2026-01-01T00:00:00Z", "message": message,
            "done": done.is_some(),
        });
        if let Some(reason) = done {
            line["done_reason"] = json!(reason);
            line["total_duration"] = json!(1);
            if !reply.no_usage {
                let (read, written, _) = usage(reply, body);
                line["prompt_eval_count"] = json!(read);
                line["eval_count"] = json!(written);
            }
        }
        format!("{line}\n").into_bytes()
    };
    let said = |text: &str| json!({ "role": "assistant", "content": text });
    let mut frames = Vec::new();
    for text in &reply.thinking {
        let message = json!({ "role": "assistant", "content": "", "thinking": text });
        frames.push((None, line(message, None)));
    }
    for (sent, text) in reply.tokens.iter().enumerate() {
        frames.push((Some(sent), line(said(text), None)));
    }
    for (number, (name, arguments)) in reply.calls.iter().enumerate() {
        let call = json!({ "function": { "index": number, "name": name, "arguments": arguments } });
        let message = json!({ "role": "assistant", "content": "", "tool_calls": [call] });
        let sent = (number == 0).then_some(reply.tokens.len());
        frames.push((sent, line(message, None)));
    }
    let reason = reply.finish.as_deref().unwrap_or("stop");
    frames.push((Some(reply.tokens.len()), line(said(""), Some(reason))));
    frames
}
