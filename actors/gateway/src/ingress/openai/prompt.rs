//! What a client sends, as one message for an agent. Pure.
//!
//! An agent keeps its own conversation, so earlier messages that a client repeats are told as context.

use serde_json::Value;
use serde_json::json;

/// A message for an agent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Prompt {
    /// What is said.
    pub(super) message: String,
    /// A line for the system prompt.
    pub(super) system: Option<String>,
    /// Pictures, as the `agent` method takes them.
    pub(super) attachments: Vec<Value>,
    /// Tools of the client: the model may call them, the client runs them.
    pub(super) tools: Vec<Value>,
}

struct Said {
    who: String,
    text: String,
}

/// Reads the messages of `/v1/chat/completions`.
pub(super) fn of_chat(asked: &Value) -> Result<Prompt, String> {
    let messages = asked.get("messages").and_then(Value::as_array);
    let messages = messages.map(Vec::as_slice).unwrap_or_default();
    let (mut system, mut said, mut pictures) = (Vec::new(), Vec::new(), Vec::new());
    let mut has_user = false;
    for message in messages {
        let role = message
            .get("role")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let content = message.get("content").unwrap_or(&Value::Null);
        let text = text_of(content);
        let who = match role {
            "system" | "developer" => {
                system.push(text);
                continue;
            }
            "user" => {
                // Pictures of earlier messages were seen when they came.
                pictures = pictures_of(content)?;
                has_user = true;
                "User".to_owned()
            }
            "assistant" => {
                for call in calls_of(message) {
                    said.push(call);
                }
                "Assistant".to_owned()
            }
            "tool" | "function" => {
                let name = message.get("name").or_else(|| message.get("tool_call_id"));
                format!("Tool {}", name.and_then(Value::as_str).unwrap_or("result"))
            }
            _ => continue,
        };
        if !text.is_empty() {
            said.push(Said { who, text });
        }
    }
    if !has_user || (said.is_empty() && pictures.is_empty()) {
        return Err("Missing user message in `messages`.".to_owned());
    }
    Ok(Prompt {
        message: joined(said),
        system: some_text(system),
        attachments: pictures,
        tools: tools_of(asked),
    })
}

/// Reads the input of `/v1/responses`.
pub(super) fn of_responses(asked: &Value) -> Result<Prompt, String> {
    let mut system = Vec::new();
    if let Some(text) = asked.get("instructions").and_then(Value::as_str) {
        system.push(text.to_owned());
    }
    let (mut said, mut pictures) = (Vec::new(), Vec::new());
    let items = match asked.get("input") {
        Some(Value::String(text)) => {
            let who = "User".to_owned();
            said.push(Said {
                who,
                text: text.clone(),
            });
            &[][..]
        }
        Some(Value::Array(items)) => items.as_slice(),
        _ => &[][..],
    };
    for item in items {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        match item
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or("message")
        {
            "message" => {
                let content = item.get("content").unwrap_or(&Value::Null);
                let who = match text("role") {
                    "system" | "developer" => {
                        system.push(text_of(content));
                        continue;
                    }
                    "assistant" => "Assistant",
                    _ => {
                        pictures = pictures_of(content)?;
                        "User"
                    }
                };
                let text = text_of(content);
                if !text.is_empty() {
                    said.push(Said {
                        who: who.to_owned(),
                        text,
                    });
                }
            }
            "function_call" => said.push(called(text("name"), text("arguments"))),
            "function_call_output" => said.push(Said {
                who: format!("Tool {}", text("call_id")),
                text: item.get("output").map(text_of).unwrap_or_default(),
            }),
            _ => {}
        }
    }
    if said.is_empty() && pictures.is_empty() {
        return Err("Missing user message in `input`.".to_owned());
    }
    Ok(Prompt {
        message: joined(said),
        system: some_text(system),
        attachments: pictures,
        tools: tools_of(asked),
    })
}

fn some_text(parts: Vec<String>) -> Option<String> {
    let text = parts.join("\n\n");
    (!text.trim().is_empty()).then_some(text)
}

/// One message stands alone; several are told as a conversation with the last one to answer.
fn joined(mut said: Vec<Said>) -> String {
    let Some(last) = said.pop() else {
        return String::new();
    };
    if said.is_empty() {
        return last.text;
    }
    let line = |said: &Said| format!("{}: {}", said.who, said.text);
    let earlier: Vec<String> = said.iter().map(line).collect();
    format!(
        "[Chat messages since your last reply - for context]\n{}\n\n\
         [Current message - respond to this]\n{}",
        earlier.join("\n"),
        line(&last)
    )
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| {
                let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
                let is_text = matches!(kind, "text" | "input_text" | "output_text");
                part.get("text").and_then(Value::as_str).filter(|_| is_text)
            });
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

fn called(name: &str, arguments: &str) -> Said {
    Said {
        who: "Assistant".to_owned(),
        text: format!("[called {name} with {arguments}]"),
    }
}

fn calls_of(message: &Value) -> Vec<Said> {
    let calls = message.get("tool_calls").and_then(Value::as_array);
    let calls = calls
        .into_iter()
        .flatten()
        .filter_map(|call| call.get("function"));
    let text = |function: &Value, name: &str| {
        function
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    calls
        .map(|function| called(&text(function, "name"), &text(function, "arguments")))
        .collect()
}

fn pictures_of(content: &Value) -> Result<Vec<Value>, String> {
    let mut pictures = Vec::new();
    for part in content.as_array().into_iter().flatten() {
        let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
        let url = match kind {
            "image_url" => part
                .pointer("/image_url/url")
                .or_else(|| part.get("image_url")),
            "input_image" => part
                .get("image_url")
                .or_else(|| part.pointer("/source/data")),
            _ => continue,
        };
        let url = url.and_then(Value::as_str).unwrap_or_default();
        let data = url
            .strip_prefix("data:")
            .and_then(|rest| rest.split_once(";base64,"));
        let Some((mime_type, data)) = data else {
            return Err("a picture must be a data URL in base64".to_owned());
        };
        pictures.push(json!({ "type": "image", "mimeType": mime_type, "content": data }));
    }
    Ok(pictures)
}

/// Tools in one form, whichever interface they came by: name, description, parameters.
fn tools_of(asked: &Value) -> Vec<Value> {
    let is_off = asked.get("tool_choice").and_then(Value::as_str) == Some("none");
    let tools = asked
        .get("tools")
        .and_then(Value::as_array)
        .filter(|_| !is_off);
    let functions = tools.into_iter().flatten().filter_map(|tool| {
        let function = tool.get("function").unwrap_or(tool);
        let name = function.get("name").and_then(Value::as_str)?;
        Some(json!({
            "name": name,
            "description": function.get("description").and_then(Value::as_str).unwrap_or_default(),
            "parameters": function.get("parameters").cloned().unwrap_or_else(|| json!({ "type": "object" })),
        }))
    });
    functions.collect()
}
