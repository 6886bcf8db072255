//! Ollama's own.

use serde_json::Value;

use super::Check;
use super::base64;
use super::known;
use super::schema;

const FIELDS: &[&str] = &[
    "model",
    "messages",
    "stream",
    "tools",
    "think",
    "options",
    "keep_alive",
    "format",
];
const MESSAGE: &[&str] = &[
    "role",
    "content",
    "images",
    "tool_calls",
    "tool_name",
    "thinking",
];

/// Checks a request's body. The server itself drops what it doesn't know; a client that sends it
/// is wrong all the same.
pub fn ollama(body: &Value) -> Check {
    let fields = body.as_object().ok_or("the body is not a JSON object")?;
    known(fields, "", FIELDS)?;
    if body["model"].as_str().is_none_or(str::is_empty) {
        return Err("model is required".into());
    }
    for tool in body["tools"].as_array().into_iter().flatten() {
        if tool["type"] != "function" || !tool["function"]["name"].is_string() {
            return Err("tools: not a function".into());
        }
        schema(&tool["function"]["parameters"], "tools")?;
    }
    let messages = body["messages"].as_array().filter(|list| !list.is_empty());
    let mut waiting = 0;
    let mut last = "";
    for (at, message) in messages
        .ok_or("messages: must not be empty")?
        .iter()
        .enumerate()
    {
        let fields = message.as_object().ok_or("a message is an object")?;
        known(fields, &format!("messages[{at}]."), MESSAGE)?;
        let role = message["role"].as_str().unwrap_or_default();
        let text = message["content"].as_str();
        let text = text.ok_or(format!("messages[{at}].content: must be a string"))?;
        for image in message["images"].as_array().into_iter().flatten() {
            base64(image, &format!("messages[{at}].images"))?;
        }
        let calls = message["tool_calls"].as_array().map_or(0, Vec::len);
        if role == "tool" {
            if waiting == 0 || message["tool_name"].as_str().is_none_or(str::is_empty) {
                return Err(format!("messages[{at}]: a result without a call"));
            }
            waiting -= 1;
        } else if waiting > 0 {
            return Err(format!("messages[{at}]: {waiting} calls without a result"));
        }
        match role {
            "system" | "user" | "tool" => {}
            "assistant" if role == last => {
                return Err(format!("messages[{at}]: conversation roles must alternate"));
            }
            "assistant" => {
                for call in message["tool_calls"].as_array().into_iter().flatten() {
                    let function = &call["function"];
                    if !function["name"].is_string() || !function["arguments"].is_object() {
                        return Err(format!("messages[{at}].tool_calls: not a call"));
                    }
                }
                waiting = calls;
            }
            other => return Err(format!("invalid role: {other:?}")),
        }
        let pictures = message["images"].as_array().map_or(0, Vec::len);
        if text.trim().is_empty() && calls == 0 && pictures == 0 {
            return Err(format!("messages[{at}]: nothing in it"));
        }
        last = role;
    }
    match (last, waiting) {
        ("user" | "tool", 0) => Ok(()),
        _ => Err("nothing to answer".into()),
    }
}
