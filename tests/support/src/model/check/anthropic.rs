//! Anthropic's messages.

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
    "max_tokens",
    "system",
    "stream",
    "tools",
    "tool_choice",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "thinking",
    "metadata",
    "service_tier",
];

/// Checks a request's body.
pub fn anthropic(body: &Value) -> Check {
    let fields = body.as_object().ok_or("the body is not a JSON object")?;
    known(fields, "", FIELDS)?;
    if body["model"].as_str().is_none_or(str::is_empty) {
        return Err("model: field required".into());
    }
    let limit = body["max_tokens"].as_u64().filter(|limit| *limit > 0);
    let limit = limit.ok_or("max_tokens: field required")?;
    if body["stream"] != true {
        return Err("this server only streams".into());
    }
    if let Some(thinking) = fields.get("thinking") {
        let budget = thinking["budget_tokens"].as_u64().unwrap_or(0);
        if budget < 1024 || budget >= limit {
            return Err("thinking.budget_tokens: at least 1024 and less than max_tokens".into());
        }
        if fields
            .get("temperature")
            .is_some_and(|temperature| *temperature != 1)
        {
            return Err("temperature may only be set to 1 when thinking is enabled".into());
        }
    }
    if fields.contains_key("temperature") && fields.contains_key("top_p") {
        return Err("temperature and top_p cannot both be specified".into());
    }
    let mut marks = 0;
    if let Some(system) = fields.get("system") {
        match system.as_array() {
            Some(blocks) if !blocks.is_empty() => {
                for block in blocks {
                    text(block, "system", &mut marks)?;
                }
            }
            _ if system.as_str().is_some_and(|text| !text.is_empty()) => {}
            _ => return Err("system: must not be empty".into()),
        }
    }
    if let Some(tools) = fields.get("tools") {
        for (at, tool) in tools.as_array().into_iter().flatten().enumerate() {
            tool_name(&tool["name"], &format!("tools.{at}.name"))?;
            schema(&tool["input_schema"], &format!("tools.{at}.input_schema"))?;
        }
    }
    messages(body, &mut marks)?;
    declared(body)?;
    if fields.contains_key("thinking") {
        begins_with_thinking(body)?;
    }
    if marks > 4 {
        return Err(format!(
            "a maximum of 4 blocks with cache_control may be provided, found {marks}"
        ));
    }
    Ok(())
}

fn messages(body: &Value, marks: &mut usize) -> Check {
    let messages = body["messages"]
        .as_array()
        .filter(|messages| !messages.is_empty());
    let messages = messages.ok_or("messages: at least one message is required")?;
    let mut waiting: BTreeSet<String> = BTreeSet::new();
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut before = "assistant";
    for (at, message) in messages.iter().enumerate() {
        let place = format!("messages.{at}");
        let role = message["role"].as_str().unwrap_or_default();
        match (role, before) {
            ("user", "assistant") | ("assistant", "user") => {}
            ("user" | "assistant", _) => {
                return Err(format!(
                    "{place}: first message must use the \"user\" role, and roles must alternate"
                ));
            }
            _ => return Err(format!("{place}.role: unexpected role \"{role}\"")),
        }
        let blocks = match &message["content"] {
            Value::String(text) if !text.trim().is_empty() => &[][..],
            Value::Array(blocks) if !blocks.is_empty() => blocks,
            _ => return Err(format!("{place}.content: must not be empty")),
        };
        if role == "user" {
            user(blocks, &place, &mut waiting, marks)?;
            if !waiting.is_empty() {
                return Err(format!(
                    "{place}: `tool_use` ids were found without `tool_result` blocks immediately after: {waiting:?}"
                ));
            }
        } else {
            waiting = assistant(blocks, &place, &mut used, marks)?;
        }
        before = role;
    }
    match before {
        "user" => Ok(()),
        _ => Err("the conversation must end with a user message".into()),
    }
}

/// Calls that are shown must be of tools that are declared.
fn declared(body: &Value) -> Check {
    let shown = body["messages"].to_string().contains("\"tool_use\"");
    if shown && body["tools"].as_array().is_none_or(Vec::is_empty) {
        return Err("requests which include `tool_use` blocks must define tools".into());
    }
    Ok(())
}

/// A call that is being answered begins with the reasoning that led to it.
fn begins_with_thinking(body: &Value) -> Check {
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let [.., said, answers] = messages else {
        return Ok(());
    };
    let answered = answers["content"][0]["type"] == "tool_result";
    let first = said["content"][0]["type"].as_str().unwrap_or_default();
    // Words that follow the answers begin a new turn.
    let last = answers["content"].as_array().and_then(|list| list.last());
    let goes_on = last.is_some_and(|last| last["type"] == "tool_result");
    if answered && goes_on && !matches!(first, "thinking" | "redacted_thinking") {
        return Err(format!(
            "expected `thinking` or `redacted_thinking`, but found `{first}`"
        ));
    }
    Ok(())
}

fn user(blocks: &[Value], place: &str, waiting: &mut BTreeSet<String>, marks: &mut usize) -> Check {
    let mut others = false;
    for block in blocks {
        if block["type"] == "tool_result" {
            let id = block["tool_use_id"].as_str().unwrap_or_default();
            if !waiting.remove(id) {
                return Err(format!(
                    "{place}: unexpected `tool_use_id` found in `tool_result` blocks: {id}"
                ));
            }
            if others {
                return Err(format!("{place}: `tool_result` blocks must come first"));
            }
            mark(block, marks);
            for inner in block["content"].as_array().into_iter().flatten() {
                shown(inner, place, marks)?;
            }
            continue;
        }
        others = true;
        shown(block, place, marks)?;
    }
    Ok(())
}

fn shown(block: &Value, place: &str, marks: &mut usize) -> Check {
    match block["type"].as_str() {
        Some("text") => text(block, place, marks),
        Some("image") => {
            mark(block, marks);
            let source = &block["source"];
            let kinds = ["image/png", "image/jpeg", "image/gif", "image/webp"];
            if source["type"] != "base64"
                || !kinds.contains(&source["media_type"].as_str().unwrap_or_default())
            {
                return Err(format!("{place}: image.source: unsupported"));
            }
            base64(&source["data"], place)
        }
        other => Err(format!("{place}: input tag {other:?} is not expected here")),
    }
}

fn assistant(
    blocks: &[Value],
    place: &str,
    used: &mut BTreeSet<String>,
    marks: &mut usize,
) -> Result<BTreeSet<String>, String> {
    let mut calls = BTreeSet::new();
    for (at, block) in blocks.iter().enumerate() {
        match block["type"].as_str() {
            Some("text") => text(block, place, marks)?,
            Some("thinking") => {
                if block["signature"].as_str().is_none_or(str::is_empty) {
                    return Err(format!("{place}.thinking.signature: field required"));
                }
                if at + 1 == blocks.len() {
                    return Err(format!("{place}: the final block cannot be `thinking`"));
                }
            }
            Some("redacted_thinking") => {}
            Some("tool_use") => {
                let id = block["id"].as_str().unwrap_or_default();
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                if id.is_empty() || !id.chars().all(plain) {
                    return Err(format!(
                        "{place}.tool_use.id: should match '^[a-zA-Z0-9_-]+$'"
                    ));
                }
                if !used.insert(id.to_owned()) {
                    return Err(format!("{place}: `tool_use` ids must be unique: {id}"));
                }
                tool_name(&block["name"], &format!("{place}.tool_use.name"))?;
                if !block["input"].is_object() {
                    return Err(format!("{place}.tool_use.input: should be an object"));
                }
                calls.insert(id.to_owned());
            }
            other => return Err(format!("{place}: input tag {other:?} is not expected here")),
        }
    }
    Ok(calls)
}

fn text(block: &Value, place: &str, marks: &mut usize) -> Check {
    mark(block, marks);
    match block["text"].as_str() {
        Some(text) if !text.trim().is_empty() => Ok(()),
        _ => Err(format!(
            "{place}: text content blocks must contain non-whitespace text"
        )),
    }
}

fn mark(block: &Value, marks: &mut usize) {
    *marks += usize::from(block.get("cache_control").is_some());
}
