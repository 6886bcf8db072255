//! OpenAI's responses.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Check;
use super::base64;
use super::known;
use super::schema;
use super::tool_name;

const FIELDS: &[&str] = &[
    "model",
    "input",
    "instructions",
    "stream",
    "store",
    "include",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_output_tokens",
    "temperature",
    "top_p",
    "reasoning",
    "text",
    "prompt_cache_key",
    "metadata",
    "truncation",
    "service_tier",
];

/// Checks a request's body.
pub fn responses(body: &Value) -> Check {
    let fields = body.as_object().ok_or("the body is not a JSON object")?;
    known(fields, "", FIELDS)?;
    if body["model"].as_str().is_none_or(str::is_empty) {
        return Err("missing required parameter: 'model'".into());
    }
    if body["stream"] != true {
        return Err("this server only streams".into());
    }
    let limit = fields.get("max_output_tokens");
    if limit.is_some_and(|limit| limit.as_u64().is_none_or(|limit| limit < 16)) {
        return Err("max_output_tokens: integer below minimum value".into());
    }
    for (at, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        if tool["type"] != "function" {
            return Err(format!("tools[{at}].type: unsupported"));
        }
        tool_name(&tool["name"], &format!("tools[{at}].name"))?;
        schema(&tool["parameters"], &format!("tools[{at}].parameters"))?;
    }
    let input = body["input"].as_array().filter(|input| !input.is_empty());
    let mut waiting = BTreeSet::new();
    let mut used = BTreeSet::new();
    let mut reasoning = false;
    let mut last = "";
    for (at, item) in input.ok_or("input: must not be empty")?.iter().enumerate() {
        let place = format!("input[{at}]");
        let kind = item["type"].as_str().unwrap_or("message");
        if reasoning && !matches!(kind, "function_call" | "message" | "reasoning") {
            return Err(format!(
                "{place}: an item of type 'reasoning' was provided without its required following item"
            ));
        }
        reasoning = kind == "reasoning";
        last = kind;
        match kind {
            "message" => {
                last = item["role"].as_str().unwrap_or_default();
                message(item, &place)?;
            }
            "reasoning" => {
                let sealed = item["encrypted_content"].as_str().unwrap_or_default();
                if sealed.is_empty() || !item["summary"].is_array() || !item["id"].is_string() {
                    return Err(format!("{place}: incomplete reasoning item"));
                }
            }
            "function_call" => {
                let id = item["call_id"].as_str().unwrap_or_default();
                if id.is_empty() || id.len() > 64 || !used.insert(id) {
                    return Err(format!("{place}.call_id: 1 to 64 characters, and once"));
                }
                waiting.insert(id);
                tool_name(&item["name"], &format!("{place}.name"))?;
                let arguments = item["arguments"].as_str().unwrap_or_default();
                if !serde_json::from_str::<Value>(arguments).is_ok_and(|value| value.is_object()) {
                    return Err(format!("{place}.arguments: not a JSON object in a string"));
                }
            }
            "function_call_output" => {
                let id = item["call_id"].as_str().unwrap_or_default();
                if !waiting.remove(id) {
                    return Err(format!("no tool call found for function call output {id}"));
                }
                match &item["output"] {
                    Value::String(_) => {}
                    Value::Array(parts) if !parts.is_empty() => shown(parts, &place)?,
                    _ => return Err(format!("{place}.output: missing")),
                }
            }
            other => return Err(format!("{place}.type: '{other}' is not supported")),
        }
    }
    if let Some(id) = waiting.first() {
        return Err(format!("no tool output found for function call {id}"));
    }
    match last {
        "user" | "function_call_output" => Ok(()),
        other => Err(format!("the last item is '{other}': nothing to answer")),
    }
}

fn message(item: &Value, place: &str) -> Check {
    match (item["role"].as_str(), &item["content"]) {
        (Some("user" | "assistant" | "system" | "developer"), Value::String(text))
            if !text.trim().is_empty() =>
        {
            Ok(())
        }
        (Some("user"), Value::Array(parts)) if !parts.is_empty() => shown(parts, place),
        _ => Err(format!("{place}: not a message")),
    }
}

fn shown(parts: &[Value], place: &str) -> Check {
    for part in parts {
        match part["type"].as_str() {
            Some("input_text") if part["text"].is_string() => {}
            Some("input_image") => {
                let url = part["image_url"].as_str().unwrap_or_default();
                let data = url
                    .strip_prefix("data:image/")
                    .and_then(|rest| rest.split_once(";base64,"));
                let (_, data) = data.ok_or(format!("{place}: unsupported image URL"))?;
                base64(&Value::from(data), place)?;
            }
            other => return Err(format!("{place}: invalid part type {other:?}")),
        }
    }
    Ok(())
}
