//! The body of a request.

use openclaw_protocol::ToolSpec;
use serde_json::Map;
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
use crate::model::ModelRequest;
use crate::thinking::Level;

/// Builds the body.
pub fn body(request: &ModelRequest, info: &ModelInfo) -> String {
    let rules = Rules {
        pictures: info.pictures(),
        ids: IdRule::Plain,
        signed: None,
    };
    let mut body = Body::new();
    body.put("model", &request.model.model);
    body.put("messages", &messages(request, &rules));
    body.put("stream", &true);
    if !request.tools.is_empty() {
        body.tools("ollama", &request.tools, tool);
    }
    if let Some(level) = Level::of(&request.params).filter(|_| info.reasoning) {
        // One family takes levels and can't be told not to think; the others know yes and no.
        let think = match info.reference.model.contains("gpt-oss") {
            true => json!(level.effort("").unwrap_or("low")),
            false => json!(level != Level::Off),
        };
        body.put("think", &think);
    }
    let mut options = Map::new();
    // Without it the server reads a few thousand tokens and drops the rest in silence.
    let window = request.param("numCtx").cloned();
    if let Some(window) = window.or(info.context_window.map(Value::from)) {
        options.insert("num_ctx".into(), window);
    }
    if let Some(limit) = request.limit(info) {
        options.insert("num_predict".into(), json!(limit));
    }
    for (ours, theirs) in [("temperature", "temperature"), ("topP", "top_p")] {
        if let Some(value) = request.param(ours) {
            options.insert(theirs.into(), value.clone());
        }
    }
    let stop = request.stops();
    if !stop.is_empty() {
        options.insert("stop".into(), json!(stop));
    }
    if !options.is_empty() {
        body.put("options", &Value::Object(options));
    }
    if let Some(keep) = request.param("keepAlive") {
        body.put("keep_alive", keep);
    }
    body.finish()
}

fn tool(spec: &ToolSpec) -> Value {
    json!({ "type": "function", "function": {
        "name": spec.name, "description": spec.description, "parameters": spec.parameters,
    }})
}

fn messages(request: &ModelRequest, rules: &Rules<'_>) -> Value {
    let mut list = Vec::new();
    if !request.system.trim().is_empty() {
        list.push(json!({ "role": "system", "content": &*request.system }));
    }
    for turn in turns(&request.messages, rules) {
        match &turn {
            Turn::User(parts) => list.push(shown("user", parts)),
            Turn::Assistant(said) => list.push(assistant(said)),
            Turn::Results(answers) => list.extend(answers.iter().map(result)),
        }
    }
    Value::Array(list)
}

/// Text, and beside it the pictures.
fn shown(role: &str, parts: &[Part<'_>]) -> Value {
    let mut message = json!({ "role": role, "content": joined(parts.iter()) });
    let pictures: Vec<&str> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Image { data, .. } => Some(*data),
            Part::Text(_) => None,
        })
        .collect();
    if let (false, Value::Object(message)) = (pictures.is_empty(), &mut message) {
        message.insert("images".into(), json!(pictures));
    }
    message
}

fn result(answer: &Answer<'_>) -> Value {
    let mut message = shown("tool", &answer.parts);
    if let Value::Object(message) = &mut message {
        message.insert("tool_name".into(), json!(answer.name));
    }
    message
}

fn assistant(said: &[Said<'_>]) -> Value {
    let text: Vec<Part<'_>> = said
        .iter()
        .filter_map(|part| match part {
            Said::Text(text) => Some(Part::Text(text)),
            _ => None,
        })
        .collect();
    let calls: Vec<Value> = said
        .iter()
        .filter_map(|part| match part {
            Said::Call {
                name, arguments, ..
            } => Some(json!({ "function": { "name": name, "arguments": arguments } })),
            _ => None,
        })
        .collect();
    let mut message = shown("assistant", &text);
    if let (false, Value::Object(message)) = (calls.is_empty(), &mut message) {
        message.insert("tool_calls".into(), Value::Array(calls));
    }
    message
}
