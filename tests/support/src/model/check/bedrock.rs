//! Amazon Bedrock's converse-stream.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Check;
use super::base64;
use super::known;
use super::schema;
use super::tool_name;

const FIELDS: &[&str] = &[
    "messages",
    "system",
    "inferenceConfig",
    "toolConfig",
    "guardrailConfig",
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "promptVariables",
    "requestMetadata",
    "performanceConfig",
];

/// Checks a request's body.
pub fn bedrock(body: &Value) -> Check {
    let fields = body.as_object().ok_or("the body is not a JSON object")?;
    known(fields, "", FIELDS)?;
    let mut tools = BTreeSet::new();
    if let Some(config) = fields.get("toolConfig") {
        let list = config["tools"].as_array().filter(|list| !list.is_empty());
        for tool in list.ok_or("toolConfig.tools: must have length at least 1")? {
            let spec = &tool["toolSpec"];
            tool_name(&spec["name"], "toolConfig.tools.toolSpec.name")?;
            if spec["description"].as_str().is_none_or(str::is_empty) {
                return Err("toolSpec.description: must have length at least 1".into());
            }
            schema(&spec["inputSchema"]["json"], "toolSpec.inputSchema")?;
            tools.insert(spec["name"].as_str().unwrap_or_default());
        }
    }
    for block in body["system"].as_array().into_iter().flatten() {
        if block.get("cachePoint").is_none() {
            text(&block["text"], "system")?;
        }
    }
    let messages = body["messages"].as_array().filter(|list| !list.is_empty());
    let messages = messages.ok_or("a conversation must start with a user message")?;
    let mut waiting: BTreeSet<&str> = BTreeSet::new();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut before = "assistant";
    let mut pictures = 0;
    for (at, message) in messages.iter().enumerate() {
        let place = format!("messages.{at}");
        let role = message["role"].as_str().unwrap_or_default();
        if role == before || !matches!(role, "user" | "assistant") {
            return Err("a conversation must alternate between user and assistant roles".into());
        }
        before = role;
        let blocks = message["content"]
            .as_array()
            .filter(|list| !list.is_empty());
        let mut called = BTreeSet::new();
        for block in blocks.ok_or(format!("{place}.content is empty"))? {
            let fields = block.as_object().filter(|fields| fields.len() == 1);
            let (kind, value) = fields
                .and_then(|fields| fields.iter().next())
                .ok_or(format!("{place}: a content block has one member"))?;
            match (kind.as_str(), role) {
                ("text", _) => text(value, &place)?,
                ("cachePoint", _) => {}
                ("image", "user") => {
                    pictures += 1;
                    picture(value, &place)?;
                }
                ("toolUse", "assistant") => {
                    let id = id(value)?;
                    tool_name(&value["name"], &place)?;
                    let name = value["name"].as_str().unwrap_or_default();
                    if !value["input"].is_object() || !used.insert(id) {
                        return Err(format!(
                            "{place}: toolUse.input is an object, ids are unique"
                        ));
                    }
                    if tools.is_empty() {
                        return Err("the toolConfig field must be defined when using toolUse and toolResult content blocks".into());
                    }
                    if !tools.contains(name) {
                        return Err(format!("{place}: the tool {name} is not declared"));
                    }
                    called.insert(id);
                }
                ("toolResult", "user") => {
                    if !waiting.remove(id(value)?) {
                        return Err(format!(
                            "{place}: the number of toolResult blocks exceeds the number of toolUse blocks of previous turn"
                        ));
                    }
                    let inner = value["content"].as_array().filter(|list| !list.is_empty());
                    for inner in inner.ok_or(format!("{place}.toolResult.content is empty"))? {
                        match inner.get("image") {
                            Some(image) => {
                                pictures += 1;
                                picture(image, &place)?;
                            }
                            None => text(&inner["text"], &place)?,
                        }
                    }
                }
                ("reasoningContent", "assistant") => {
                    let signed = value["reasoningText"]["signature"].is_string();
                    if !signed && !value["redactedContent"].is_string() {
                        return Err(format!("{place}: reasoning without a signature"));
                    }
                }
                (kind, role) => return Err(format!("{place}: {kind} is not for {role}")),
            }
        }
        if !waiting.is_empty() {
            return Err(format!(
                "expected toolResult blocks for the ids {waiting:?}"
            ));
        }
        waiting = called;
    }
    if pictures > 20 {
        return Err("too many images: at most 20".into());
    }
    match before {
        "user" => Ok(()),
        _ => Err("the conversation must end with a user message".into()),
    }
}

fn id(value: &Value) -> Result<&str, String> {
    let id = value["toolUseId"].as_str().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !id.is_empty() && id.len() <= 64 && id.chars().all(plain) {
        true => Ok(id),
        false => Err(format!("toolUseId: '{id}' must match [a-zA-Z0-9_-]+")),
    }
}

fn text(value: &Value, place: &str) -> Check {
    match value.as_str().is_some_and(|text| !text.trim().is_empty()) {
        true => Ok(()),
        false => Err(format!(
            "{place}: the text field in a ContentBlock is blank"
        )),
    }
}

fn picture(value: &Value, place: &str) -> Check {
    let format = value["format"].as_str().unwrap_or_default();
    if !["png", "jpeg", "gif", "webp"].contains(&format) {
        return Err(format!("{place}: image.format '{format}'"));
    }
    base64(&value["source"]["bytes"], place)
}
