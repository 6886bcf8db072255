//! The body of a request.

use openclaw_protocol::ToolSpec;
use serde_json::Map;
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

/// What Google documents for calls that its own model did not make: newer models refuse a call
/// without a signature.
const NOT_SIGNED: &str = "skip_thought_signature_validator";

/// Builds the body.
pub fn body(request: &ModelRequest, info: &ModelInfo) -> String {
    let rules = Rules {
        pictures: info.pictures(),
        ids: IdRule::Plain,
        signed: Some(Origin {
            api: Wire::GoogleGenerativeAi.as_str(),
            model: &info.reference,
        }),
    };
    let turns = turns(&request.messages, &rules);
    let contents: Vec<Value> = turns
        .iter()
        .map(|turn| {
            let (role, parts) = match turn {
                Turn::User(parts) => ("user", parts.iter().map(part).collect::<Vec<_>>()),
                Turn::Assistant(said) => ("model", said_parts(said, &info.reference.model)),
                Turn::Results(answers) => ("user", results(answers)),
            };
            json!({ "role": role, "parts": parts })
        })
        .collect();
    let mut body = Body::new();
    body.put("contents", &Value::Array(contents));
    if !request.system.trim().is_empty() {
        let system = json!({ "parts": [{ "text": &*request.system }] });
        body.put("systemInstruction", &system);
    }
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        let tools = json!([{ "functionDeclarations": tools }]);
        body.put("tools", &tools);
    }
    let config = config(request, info);
    if !config.is_empty() {
        body.put("generationConfig", &Value::Object(config));
    }
    body.finish()
}

fn config(request: &ModelRequest, info: &ModelInfo) -> Map<String, Value> {
    let mut config = Map::new();
    if let Some(limit) = request.limit(info) {
        config.insert("maxOutputTokens".into(), json!(limit));
    }
    for name in ["temperature", "topP"] {
        if let Some(value) = request.param(name) {
            config.insert(name.into(), value.clone());
        }
    }
    let stop = request.stops();
    if !stop.is_empty() {
        config.insert("stopSequences".into(), json!(stop));
    }
    let level = Level::of(&request.params).filter(|_| info.reasoning);
    if let Some(thinking) = level.and_then(|level| thinking(level, &info.reference.model)) {
        config.insert("thinkingConfig".into(), thinking);
    }
    config
}

/// From version 3 on models take a level, before that a number of tokens.
fn thinking(level: Level, model: &str) -> Option<Value> {
    if model.contains("gemini-3") {
        let word = match level {
            // Not to think is not on offer: what is not asked for is not shown.
            Level::Off => return None,
            Level::Minimal | Level::Low => "LOW",
            Level::Medium if model.contains("flash") => "MEDIUM",
            Level::Medium | Level::High | Level::Xhigh => "HIGH",
        };
        return Some(json!({ "includeThoughts": true, "thinkingLevel": word }));
    }
    match level.budget() {
        Some(budget) => {
            let most = if model.contains("flash") {
                24_576
            } else {
                32_768
            };
            let budget = budget.min(most);
            Some(json!({ "includeThoughts": true, "thinkingBudget": budget }))
        }
        None if model.contains("flash") => Some(json!({ "thinkingBudget": 0 })),
        None => None,
    }
}

fn tool(spec: &ToolSpec) -> Value {
    json!({
        "name": spec.name, "description": spec.description,
        "parametersJsonSchema": spec.parameters,
    })
}

fn part(part: &Part<'_>) -> Value {
    match part {
        Part::Text(text) => json!({ "text": text }),
        Part::Image { data, mime } => {
            json!({ "inlineData": { "mimeType": mime, "data": data } })
        }
    }
}

fn said_parts(said: &[Said<'_>], model: &str) -> Vec<Value> {
    let mut parts = Vec::new();
    let mut first_call = true;
    for part in said {
        match part {
            Said::Text(text) => parts.push(json!({ "text": text })),
            // What it thought stays with it; only signatures are asked back.
            Said::Thinking { .. } => {}
            Said::Call {
                name,
                arguments,
                signature,
                ..
            } => {
                let mut call = json!({ "functionCall": { "name": name, "args": arguments } });
                // Of calls that are made at once only the first is signed.
                let missing = first_call && model.contains("gemini-3");
                let signature = signature.or(missing.then_some(NOT_SIGNED));
                if let (Some(signature), Value::Object(call)) = (signature, &mut call) {
                    call.insert("thoughtSignature".into(), json!(signature));
                }
                parts.push(call);
                first_call = false;
            }
        }
    }
    parts
}

/// One answer a call, then the pictures of all of them: an answer holds text only.
fn results(answers: &[Answer<'_>]) -> Vec<Value> {
    let mut parts: Vec<Value> = answers
        .iter()
        .map(|answer| {
            let mut text = answer.text();
            if text.is_empty() {
                text.push_str("(a picture, see below)");
            }
            let key = if answer.is_error { "error" } else { "output" };
            json!({ "functionResponse": { "name": answer.name, "response": { (key): text } } })
        })
        .collect();
    let pictures = answers.iter().flat_map(Answer::pictures);
    parts.extend(pictures.map(part));
    parts
}
