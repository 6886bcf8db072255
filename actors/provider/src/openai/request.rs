//! The body of a request.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::conversation::Answer;
use crate::conversation::IdRule;
use crate::conversation::Part;
use crate::conversation::Pictures;
use crate::conversation::Rules;
use crate::conversation::Said;
use crate::conversation::Turn;
use crate::conversation::joined;
use crate::conversation::turns;
use crate::endpoint::ModelInfo;
use crate::endpoint::ThinkingField;
use crate::model::ModelRequest;
use crate::thinking::Level;

/// Builds the body.
pub fn body(request: &ModelRequest, info: &ModelInfo) -> Value {
    let quirks = info.quirks;
    let rules = Rules {
        pictures: Pictures::MANY.seen_by(info.images),
        ids: match quirks.nine_character_ids {
            true => IdRule::Nine,
            false => IdRule::Plain,
        },
        signed: None,
    };
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model.model));
    body.insert("messages".into(), messages(request, &rules));
    body.insert("stream".into(), json!(true));
    if quirks.stream_options {
        body.insert("stream_options".into(), json!({ "include_usage": true }));
    }
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
    }
    if let Some(limit) = request.limit(info) {
        let name = match quirks.completion_tokens_field {
            true => "max_completion_tokens",
            false => "max_tokens",
        };
        body.insert(name.into(), json!(limit));
    }
    for (ours, theirs) in [
        ("temperature", "temperature"),
        ("topP", "top_p"),
        ("stop", "stop"),
    ] {
        if let Some(value) = request.param(ours) {
            body.insert(theirs.into(), value.clone());
        }
    }
    let level = Level::of(&request.params).filter(|_| info.reasoning);
    if let Some((name, value)) = level.and_then(|level| thinking(level, info)) {
        body.insert(name.into(), value);
    }
    Value::Object(body)
}

fn thinking(level: Level, info: &ModelInfo) -> Option<(&'static str, Value)> {
    let effort = level.effort(&info.reference.model);
    match info.quirks.thinking {
        ThinkingField::None => None,
        ThinkingField::Effort => Some(("reasoning_effort", json!(effort?))),
        ThinkingField::Reasoning => Some(("reasoning", json!({ "effort": effort? }))),
        ThinkingField::Switch => {
            let word = match level {
                Level::Off => "disabled",
                _ => "enabled",
            };
            Some(("thinking", json!({ "type": word })))
        }
    }
}

fn tool(spec: &openclaw_protocol::ToolSpec) -> Value {
    json!({ "type": "function", "function": {
        "name": spec.name, "description": spec.description, "parameters": spec.parameters,
    }})
}

fn messages(request: &ModelRequest, rules: &Rules<'_>) -> Value {
    let mut list = Vec::new();
    if !request.system.trim().is_empty() {
        list.push(json!({ "role": "system", "content": request.system }));
    }
    let turns = turns(&request.messages, rules);
    let mut turns = turns.iter().peekable();
    while let Some(turn) = turns.next() {
        match turn {
            Turn::User(parts) => list.push(user(&parts.iter().collect::<Vec<_>>())),
            Turn::Assistant(said) => list.push(assistant(said)),
            Turn::Results(answers) => {
                list.extend(answers.iter().map(result));
                // A tool's message holds text only: its pictures follow as the person's, in one
                // message with what the person says next, so that the sides alternate.
                let mut parts: Vec<&Part<'_>> = answers.iter().flat_map(Answer::pictures).collect();
                if !parts.is_empty() {
                    if let Some(Turn::User(next)) = turns.peek() {
                        parts.extend(next);
                        turns.next();
                    }
                    list.push(user(&parts));
                }
            }
        }
    }
    Value::Array(list)
}

/// Text alone goes as a string: many small servers take nothing else.
fn user(parts: &[&Part<'_>]) -> Value {
    if parts.iter().all(|part| matches!(part, Part::Text(_))) {
        return json!({ "role": "user", "content": joined(parts.iter().copied()) });
    }
    let parts: Vec<Value> = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => json!({ "type": "text", "text": text }),
            Part::Image { data, mime } => json!({
                "type": "image_url", "image_url": { "url": format!("data:{mime};base64,{data}") },
            }),
        })
        .collect();
    json!({ "role": "user", "content": parts })
}

fn assistant(said: &[Said<'_>]) -> Value {
    let mut text = String::new();
    let mut calls = Vec::new();
    for part in said {
        match part {
            Said::Text(more) => append(&mut text, more),
            Said::Call {
                id,
                name,
                arguments,
                ..
            } => calls.push(json!({ "id": id, "type": "function", "function": {
                "name": name, "arguments": Value::Object(arguments.clone()).to_string(),
            }})),
            Said::Thinking { .. } => {}
        }
    }
    let mut message = Map::new();
    message.insert("role".into(), json!("assistant"));
    let content = match text.is_empty() {
        true => Value::Null,
        false => Value::String(text),
    };
    message.insert("content".into(), content);
    if !calls.is_empty() {
        message.insert("tool_calls".into(), Value::Array(calls));
    }
    Value::Object(message)
}

fn result(answer: &Answer<'_>) -> Value {
    let mut text = answer.text();
    if text.is_empty() {
        text.push_str("(a picture, see below)");
    }
    json!({ "role": "tool", "tool_call_id": answer.id, "content": text })
}

fn append(text: &mut String, more: &str) {
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(more);
}
