//! The body of a request.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use crate::body::Body;
use crate::conversation::Answer;
use crate::conversation::IdRule;
use crate::conversation::Part;
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
pub fn body(request: &ModelRequest, info: &ModelInfo) -> String {
    let quirks = info.quirks;
    let rules = Rules {
        pictures: info.pictures(),
        ids: match quirks.nine_character_ids {
            true => IdRule::Nine,
            false => IdRule::Plain,
        },
        signed: None,
    };
    let mut body = Body::new();
    body.put("model", &request.model.model);
    let turns = turns(&request.messages, &rules);
    body.list("messages", |list| {
        if !request.system.trim().is_empty() {
            list.text(&[
                "{\"role\":\"system\",\"content\":",
                request.system.json(),
                "}",
            ]);
        }
        messages(&turns).iter().for_each(|line| list.put(line));
    });
    body.put("stream", &true);
    if quirks.stream_options {
        body.put("stream_options", &json!({ "include_usage": true }));
    }
    if !request.tools.is_empty() {
        body.tools("openai", &request.tools, tool);
    }
    if let Some(limit) = request.limit(info) {
        let name = match quirks.completion_tokens_field {
            true => "max_completion_tokens",
            false => "max_tokens",
        };
        body.put(name, &json!(limit));
    }
    for (ours, theirs) in [
        ("temperature", "temperature"),
        ("topP", "top_p"),
        ("stop", "stop"),
    ] {
        if let Some(value) = request.param(ours) {
            body.put(theirs, &value);
        }
    }
    let level = Level::of(&request.params).filter(|_| info.reasoning);
    if let Some((name, value)) = level.and_then(|level| thinking(level, info)) {
        body.put(name, &value);
    }
    body.finish()
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

/// One line of the conversation.
#[derive(Debug, Serialize)]
struct Line<'a> {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
    content: Words<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Value>,
}

/// Text alone goes as a string: many small servers take nothing else.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Words<'a> {
    None,
    Text(Cow<'a, str>),
    Parts(Vec<Value>),
}

impl<'a> Line<'a> {
    fn new(role: &'static str, content: Words<'a>) -> Self {
        Self {
            role,
            tool_call_id: None,
            content,
            tool_calls: Vec::new(),
        }
    }
}

fn messages<'a>(turns: &'a [Turn<'_>]) -> Vec<Line<'a>> {
    let mut list = Vec::with_capacity(turns.len());
    let mut turns = turns.iter().peekable();
    while let Some(turn) = turns.next() {
        match turn {
            Turn::User(parts) => list.push(user(parts.iter().collect())),
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
                    list.push(user(parts));
                }
            }
        }
    }
    list
}

fn user<'a>(parts: Vec<&'a Part<'_>>) -> Line<'a> {
    if let [Part::Text(text)] = parts.as_slice() {
        return Line::new("user", Words::Text((*text).into()));
    }
    if parts.iter().all(|part| matches!(part, Part::Text(_))) {
        return Line::new("user", Words::Text(joined(parts.into_iter()).into()));
    }
    let parts = parts.into_iter().map(|part| match part {
        Part::Text(text) => json!({ "type": "text", "text": text }),
        Part::Image { data, mime } => json!({
            "type": "image_url", "image_url": { "url": format!("data:{mime};base64,{data}") },
        }),
    });
    Line::new("user", Words::Parts(parts.collect()))
}

fn assistant<'a>(said: &'a [Said<'_>]) -> Line<'a> {
    let mut text = Cow::Borrowed("");
    let mut tool_calls = Vec::new();
    for part in said {
        match part {
            Said::Text(more) if text.is_empty() => text = Cow::Borrowed(more),
            Said::Text(more) => {
                let text = text.to_mut();
                text.push_str("\n\n");
                text.push_str(more);
            }
            Said::Call {
                id,
                name,
                arguments,
                ..
            } => tool_calls.push(json!({ "id": id, "type": "function", "function": {
                "name": name, "arguments": Value::Object(arguments.clone()).to_string(),
            }})),
            Said::Thinking { .. } => {}
        }
    }
    let content = match text.is_empty() {
        true => Words::None,
        false => Words::Text(text),
    };
    Line {
        tool_calls,
        ..Line::new("assistant", content)
    }
}

fn result<'a>(answer: &'a Answer<'_>) -> Line<'a> {
    let mut text = answer.text();
    if text.is_empty() {
        text.push_str("(a picture, see below)");
    }
    Line {
        tool_call_id: Some(&answer.id),
        ..Line::new("tool", Words::Text(text.into()))
    }
}
