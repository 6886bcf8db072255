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
use crate::conversation::may_reason;
use crate::conversation::tools;
use crate::conversation::turns;
use crate::endpoint::ModelInfo;
use crate::endpoint::Wire;
use crate::model::ModelRequest;
use crate::thinking::Level;

/// How a stored signature tells reasoning that the provider has hidden.
pub(super) const REDACTED: &str = "redacted:";
/// What is left for the answer beside the reasoning.
const ROOM_FOR_ANSWER: u64 = 4096;

/// Builds the body.
pub fn body(request: &ModelRequest, info: &ModelInfo) -> String {
    let is_claude = info.reference.model.contains("claude");
    let budget = Level::of(&request.params)
        .filter(|_| info.reasoning && is_claude)
        .and_then(Level::budget);
    let origin = Origin {
        api: Wire::BedrockConverseStream.as_str(),
        model: &info.reference,
    };
    let rules = Rules {
        pictures: info.pictures(),
        ids: IdRule::Plain,
        signed: budget.map(|_| origin),
    };
    let turns = turns(&request.messages, &rules);
    let budget = budget.filter(|_| may_reason(&turns));
    // Only some makers' models take the mark; for the others it is an error.
    let caches = is_claude && request.param("cacheRetention") != Some(&json!("none"));
    let mut body = Body::new();
    if !request.system.trim().is_empty() {
        let mut system = vec![json!({ "text": &*request.system })];
        system.extend(caches.then(cache_point));
        body.put("system", &Value::Array(system));
    }
    let mut messages = messages(&turns);
    let last = messages.last_mut().and_then(|last| last.get_mut("content"));
    if let (true, Some(Value::Array(content))) = (caches, last) {
        content.push(cache_point());
    }
    body.put("messages", &Value::Array(messages));
    let tools = tools(&turns, &request.tools);
    if !tools.is_empty() {
        let tools: Vec<Value> = tools.iter().map(tool).collect();
        body.put("toolConfig", &json!({ "tools": tools }));
    }
    body.put("inferenceConfig", &limits(request, info, budget));
    if let Some(budget) = budget {
        let thinking = json!({ "thinking": { "type": "enabled", "budget_tokens": budget } });
        body.put("additionalModelRequestFields", &thinking);
    }
    body.finish()
}

fn cache_point() -> Value {
    json!({ "cachePoint": { "type": "default" } })
}

fn limits(request: &ModelRequest, info: &ModelInfo, budget: Option<u64>) -> Value {
    let mut config = Map::new();
    let limit = request.limit(info);
    let limit = match budget {
        Some(budget) => Some(limit.unwrap_or(0).max(budget + ROOM_FOR_ANSWER)),
        None => limit,
    };
    if let Some(limit) = limit {
        config.insert("maxTokens".into(), json!(limit));
    }
    if budget.is_none() {
        for name in ["temperature", "topP"] {
            if let Some(value) = request.param(name) {
                config.insert(name.into(), value.clone());
                break;
            }
        }
    }
    let stop = request.stops();
    if !stop.is_empty() {
        config.insert("stopSequences".into(), json!(stop));
    }
    Value::Object(config)
}

fn tool(spec: &ToolSpec) -> Value {
    // A description must not be empty.
    let description = match spec.description.trim() {
        "" => &spec.name,
        _ => &spec.description,
    };
    json!({ "toolSpec": {
        "name": spec.name, "description": description,
        "inputSchema": { "json": spec.parameters },
    }})
}

fn messages(turns: &[Turn<'_>]) -> Vec<Value> {
    let mut list: Vec<(&str, Vec<Value>)> = Vec::new();
    for turn in turns {
        let (role, mut blocks) = match turn {
            Turn::User(parts) => ("user", parts.iter().map(block).collect::<Vec<_>>()),
            Turn::Assistant(said) => ("assistant", said.iter().map(said_block).collect()),
            Turn::Results(answers) => ("user", answers.iter().map(result).collect()),
        };
        match list.last_mut() {
            Some((before, content)) if *before == role => content.append(&mut blocks),
            _ => list.push((role, blocks)),
        }
    }
    list.into_iter()
        .map(|(role, content)| json!({ "role": role, "content": content }))
        .collect()
}

fn block(part: &Part<'_>) -> Value {
    match part {
        Part::Text(text) => json!({ "text": text }),
        Part::Image { data, mime } => json!({ "image": {
            "format": mime.strip_prefix("image/"), "source": { "bytes": data },
        }}),
    }
}

fn result(answer: &Answer<'_>) -> Value {
    let content: Vec<Value> = answer.parts.iter().map(block).collect();
    let status = match answer.is_error {
        true => "error",
        false => "success",
    };
    json!({ "toolResult": { "toolUseId": answer.id, "content": content, "status": status } })
}

fn said_block(said: &Said<'_>) -> Value {
    match said {
        Said::Text(text) => json!({ "text": text }),
        Said::Thinking { text, signature } => match signature.strip_prefix(REDACTED) {
            Some(data) => json!({ "reasoningContent": { "redactedContent": data } }),
            None => json!({ "reasoningContent": { "reasoningText": {
                "text": text, "signature": signature,
            }}}),
        },
        Said::Call {
            id,
            name,
            arguments,
            ..
        } => json!({ "toolUse": { "toolUseId": id, "name": name, "input": arguments } }),
    }
}
