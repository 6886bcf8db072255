//! OpenAI's chat completions.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Check;
use super::base64;
use super::known;
use super::schema;
use super::tool_name;

const FIELDS: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "stop",
    "reasoning_effort",
    "user",
    "seed",
    "response_format",
    "parallel_tool_calls",
    "n",
    "store",
    "metadata",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "service_tier",
];

/// Checks a request's body.
pub fn openai(body: &Value) -> Check {
    let fields = body.as_object().ok_or("the body is not a JSON object")?;
    known(fields, "", FIELDS)?;
    if body["model"].as_str().is_none_or(str::is_empty) {
        return Err("you must provide a model parameter".into());
    }
    if fields.contains_key("stream_options") && body["stream"] != true {
        return Err("stream_options is only allowed when stream is enabled".into());
    }
    if body["stream"] != true {
        return Err("this server only streams".into());
    }
    for name in ["max_tokens", "max_completion_tokens"] {
        if fields
            .get(name)
            .is_some_and(|limit| limit.as_u64().is_none_or(|limit| limit == 0))
        {
            return Err(format!("{name} is too small, the minimum is 1"));
        }
    }
    if let Some(tools) = fields.get("tools") {
        let tools = tools.as_array().filter(|tools| !tools.is_empty());
        for (at, tool) in tools.ok_or("tools: must not be empty")?.iter().enumerate() {
            if tool["type"] != "function" {
                return Err(format!("tools[{at}].type: must be 'function'"));
            }
            tool_name(
                &tool["function"]["name"],
                &format!("tools[{at}].function.name"),
            )?;
            let place = format!("tools[{at}].function.parameters");
            schema(&tool["function"]["parameters"], &place)?;
        }
    }
    messages(&body["messages"])
}

fn messages(messages: &Value) -> Check {
    let messages = messages.as_array().filter(|messages| !messages.is_empty());
    let messages = messages.ok_or("messages: must not be empty")?;
    // Calls that wait for their results.
    let mut waiting: BTreeSet<&str> = BTreeSet::new();
    let mut before = "";
    for (at, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        let place = format!("messages[{at}]");
        if role != "tool" && !waiting.is_empty() {
            return Err(format!(
                "an assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'; missing: {waiting:?}"
            ));
        }
        match role {
            "system" | "developer" => {
                if at != 0 {
                    return Err(format!("{place}: the system message must be the first"));
                }
                text(&message["content"], &place)?;
            }
            "user" => {
                // The templates of many open models insist on it.
                if before == "user" {
                    return Err(format!("{place}: conversation roles must alternate"));
                }
                user(&message["content"], &place)?;
            }
            "assistant" => {
                if before == "assistant" {
                    return Err(format!("{place}: conversation roles must alternate"));
                }
                waiting = assistant(message, &place)?;
            }
            "tool" => {
                let id = message["tool_call_id"].as_str().unwrap_or_default();
                if !waiting.remove(id) {
                    return Err(format!(
                        "{place}: messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
                    ));
                }
                text(&message["content"], &place)?;
            }
            other => return Err(format!("{place}.role: '{other}' is not one of the roles")),
        }
        before = role;
    }
    if !waiting.is_empty() {
        return Err(format!("tool calls without a response: {waiting:?}"));
    }
    match before {
        "user" | "tool" => Ok(()),
        other => Err(format!(
            "the last message is of '{other}': nothing to answer"
        )),
    }
}

fn text(content: &Value, place: &str) -> Check {
    match content.as_str() {
        Some(text) if !text.is_empty() => Ok(()),
        _ => Err(format!(
            "{place}.content: expected a text that is not empty"
        )),
    }
}

fn user(content: &Value, place: &str) -> Check {
    let Some(parts) = content.as_array() else {
        return text(content, place);
    };
    if parts.is_empty() {
        return Err(format!("{place}.content: must not be empty"));
    }
    for part in parts {
        match part["type"].as_str() {
            Some("text") => text(&part["text"], place)?,
            Some("image_url") => {
                let url = part["image_url"]["url"].as_str().unwrap_or_default();
                let data = url
                    .strip_prefix("data:image/")
                    .and_then(|rest| rest.split_once(";base64,"))
                    .filter(|(kind, _)| ["png", "jpeg", "gif", "webp"].contains(kind));
                let (_, data) = data.ok_or(format!("{place}: unsupported image URL"))?;
                base64(&Value::from(data), place)?;
            }
            other => return Err(format!("{place}: invalid part type {other:?}")),
        }
    }
    Ok(())
}

fn assistant<'m>(message: &'m Value, place: &str) -> Result<BTreeSet<&'m str>, String> {
    let mut ids = BTreeSet::new();
    let Some(calls) = message.get("tool_calls") else {
        text(&message["content"], place)?;
        return Ok(ids);
    };
    if !message["content"].is_null() {
        text(&message["content"], place)?;
    }
    let calls = calls.as_array().filter(|calls| !calls.is_empty());
    for call in calls.ok_or(format!("{place}.tool_calls: must not be empty"))? {
        let id = call["id"].as_str().unwrap_or_default();
        if id.is_empty() || id.len() > 40 {
            return Err(format!(
                "{place}.tool_calls.id: 1 to 40 characters, got '{id}'"
            ));
        }
        if !ids.insert(id) {
            return Err(format!("{place}.tool_calls: '{id}' comes twice"));
        }
        if call["type"] != "function" {
            return Err(format!("{place}.tool_calls.type: must be 'function'"));
        }
        tool_name(&call["function"]["name"], place)?;
        let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
        if !serde_json::from_str::<Value>(arguments).is_ok_and(|value| value.is_object()) {
            return Err(format!(
                "{place}.tool_calls.arguments: not a JSON object in a string"
            ));
        }
    }
    Ok(ids)
}
