//! The body of a request.

use openclaw_protocol::ToolSpec;
use serde_json::Value;
use serde_json::json;

use crate::body::Body;
use crate::conversation::Answer;
use crate::conversation::IdRule;
use crate::conversation::Origin;
use crate::conversation::Part;
use crate::conversation::Rules;
use crate::conversation::Said;
use crate::conversation::Turn;
use crate::conversation::turns;
use crate::endpoint::ModelInfo;
use crate::endpoint::Wire;
use crate::model::ModelRequest;
use crate::thinking::Level;

/// The fewest tokens the wire lets an answer be limited to.
const LEAST: u64 = 16;

/// Builds the body. Nothing is kept at the provider: each request holds the whole conversation.
pub fn body(request: &ModelRequest, info: &ModelInfo) -> String {
    let is_codex = info.wire == Wire::OpenaiCodexResponses;
    let rules = Rules {
        pictures: info.pictures(),
        ids: IdRule::Plain,
        signed: info.reasoning.then_some(Origin {
            api: info.wire.as_str(),
            model: &info.reference,
        }),
    };
    let mut body = Body::new();
    body.put("model", &request.model.model);
    let system = request.system.trim();
    if !system.is_empty() || is_codex {
        let system = match system {
            "" => "You are a helpful assistant.",
            _ => &request.system,
        };
        body.put("instructions", &system);
    }
    body.put("input", &input(request, &rules));
    body.put("stream", &true);
    body.put("store", &false);
    if !request.tools.is_empty() {
        body.tools("responses", &request.tools, tool);
    }
    // A conversation stays with the machine that has its beginning in memory.
    body.put("prompt_cache_key", &cache_key(request));
    if !is_codex {
        if let Some(limit) = request.limit(info) {
            body.put("max_output_tokens", &limit.max(LEAST));
        }
        for (ours, theirs) in [("temperature", "temperature"), ("topP", "top_p")] {
            if let Some(value) = request.param(ours) {
                body.put(theirs, &value);
            }
        }
    }
    if info.reasoning {
        body.put("include", &json!(["reasoning.encrypted_content"]));
        let level = Level::of(&request.params);
        if let Some(effort) = level.and_then(|level| level.effort(&info.reference.model)) {
            let reasoning = json!({ "effort": effort, "summary": "auto" });
            body.put("reasoning", &reasoning);
        }
    }
    body.finish()
}

/// The conversation's name, without saying it: the provider learns no names of people.
fn cache_key(request: &ModelRequest) -> String {
    use std::hash::DefaultHasher;
    use std::hash::Hash;
    use std::hash::Hasher;
    let mut hasher = DefaultHasher::new();
    request.session.hash(&mut hasher);
    format!("oc-{:016x}", hasher.finish())
}

fn tool(spec: &ToolSpec) -> Value {
    json!({
        "type": "function", "name": spec.name, "description": spec.description,
        "parameters": spec.parameters, "strict": false,
    })
}

fn input(request: &ModelRequest, rules: &Rules<'_>) -> Value {
    let mut items = Vec::new();
    for turn in turns(&request.messages, rules) {
        match &turn {
            Turn::User(parts) => items.push(said_by("user", json!(shown(parts)))),
            Turn::Assistant(said) => items.extend(said.iter().filter_map(said_item)),
            Turn::Results(answers) => items.extend(answers.iter().map(result)),
        }
    }
    Value::Array(items)
}

/// Its kind is optional by the book, but compatible servers want it named.
fn said_by(role: &str, content: Value) -> Value {
    json!({ "type": "message", "role": role, "content": content })
}

fn shown(parts: &[Part<'_>]) -> Vec<Value> {
    let part = |part: &Part<'_>| match part {
        Part::Text(text) => json!({ "type": "input_text", "text": text }),
        Part::Image { data, mime } => json!({
            "type": "input_image", "detail": "auto",
            "image_url": format!("data:{mime};base64,{data}"),
        }),
    };
    parts.iter().map(part).collect()
}

fn result(answer: &Answer<'_>) -> Value {
    let output = match answer.pictures().next() {
        Some(_) => Value::Array(shown(&answer.parts)),
        None => Value::String(answer.text()),
    };
    json!({ "type": "function_call_output", "call_id": answer.id, "output": output })
}

fn said_item(said: &Said<'_>) -> Option<Value> {
    match said {
        Said::Text(text) => Some(said_by("assistant", json!(text))),
        // The signature is the sealed item itself.
        Said::Thinking { signature, .. } => serde_json::from_str::<Value>(signature)
            .ok()
            .filter(|item| item.get("encrypted_content").is_some()),
        Said::Call {
            id,
            name,
            arguments,
            ..
        } => Some(json!({
            "type": "function_call", "call_id": id, "name": name,
            "arguments": Value::Object(arguments.clone()).to_string(),
        })),
    }
}
