//! The body of a request.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::conversation::IdRule;
use crate::conversation::Part;
use crate::conversation::Rules;
use crate::conversation::Said;
use crate::conversation::Turn;
use crate::conversation::turns;
use crate::endpoint::ModelInfo;
use crate::endpoint::Wire;
use crate::model::ModelRequest;

/// How a stored signature tells reasoning that the provider has hidden.
pub(super) const REDACTED: &str = "redacted:";
/// The wire asks for a limit; this one suits models of which nothing is known.
const DEFAULT_MAX_TOKENS: u64 = 8192;
/// What is left for the answer beside the reasoning.
const ROOM_FOR_ANSWER: u64 = 4096;

/// Builds the body.
pub fn body(request: &ModelRequest, info: &ModelInfo) -> Value {
    let param = |name: &str| request.params.get(name);
    let budget = match info.reasoning {
        true => param("thinking").and_then(Value::as_str).and_then(budget),
        false => None,
    };
    let rules = Rules {
        images: info.images,
        ids: IdRule::Plain,
        // Signed reasoning is given back only while the model reasons.
        signed_thinking: budget.map(|_| Wire::AnthropicMessages.as_str()),
    };
    let cache = cache_control(param("cacheRetention").and_then(Value::as_str));
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model.model));
    let limit = limit(request, info);
    let limit = budget.map_or(limit, |budget| limit.max(budget + ROOM_FOR_ANSWER));
    body.insert("max_tokens".into(), json!(limit));
    body.insert("stream".into(), json!(true));
    if !request.system.trim().is_empty() {
        let mut block = json!({ "type": "text", "text": request.system });
        mark(&mut block, cache.as_ref());
        body.insert("system".into(), json!([block]));
    }
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|spec| {
            json!({
                "name": spec.name, "description": spec.description,
                "input_schema": spec.parameters,
            })
        });
        body.insert("tools".into(), tools.collect());
    }
    let mut messages = messages(request, &rules);
    // The last block is marked too: the next call reads everything up to it from the cache.
    let last = messages.last_mut().and_then(|last| last.get_mut("content"));
    if let Some(block) = last
        .and_then(Value::as_array_mut)
        .and_then(|list| list.last_mut())
    {
        mark(block, cache.as_ref());
    }
    body.insert("messages".into(), Value::Array(messages));
    if let Some(budget) = budget {
        let thinking = json!({ "type": "enabled", "budget_tokens": budget });
        body.insert("thinking".into(), thinking);
    } else {
        // The wire takes one of the two, and none while the model reasons.
        for (ours, theirs) in [("temperature", "temperature"), ("topP", "top_p")] {
            if let Some(value) = param(ours) {
                body.insert(theirs.into(), value.clone());
                break;
            }
        }
    }
    match param("stop") {
        Some(Value::Array(stop)) => {
            body.insert("stop_sequences".into(), json!(stop));
        }
        Some(Value::String(stop)) => {
            body.insert("stop_sequences".into(), json!([stop]));
        }
        _ => {}
    }
    Value::Object(body)
}

fn limit(request: &ModelRequest, info: &ModelInfo) -> u64 {
    let asked = request.params.get("maxTokens").and_then(Value::as_u64);
    request
        .max_tokens
        .map(u64::from)
        .or(asked)
        .or(info.max_tokens.map(u64::from))
        .unwrap_or(DEFAULT_MAX_TOKENS)
        .max(1)
}

fn budget(level: &str) -> Option<u64> {
    match level {
        "minimal" => Some(1024),
        "low" => Some(4096),
        "medium" => Some(8192),
        "high" => Some(16_384),
        "xhigh" => Some(32_768),
        _ => None,
    }
}

/// Caching is the default: a conversation is sent again with each message.
fn cache_control(retention: Option<&str>) -> Option<Value> {
    match retention {
        Some("none") => None,
        Some("long") => Some(json!({ "type": "ephemeral", "ttl": "1h" })),
        _ => Some(json!({ "type": "ephemeral" })),
    }
}

fn mark(block: &mut Value, cache: Option<&Value>) {
    if let (Some(cache), Value::Object(block)) = (cache, block) {
        block.insert("cache_control".into(), cache.clone());
    }
}

fn messages(request: &ModelRequest, rules: &Rules) -> Vec<Value> {
    let mut list: Vec<(&str, Vec<Value>)> = Vec::new();
    for turn in turns(&request.messages, rules) {
        let (role, mut blocks) = match &turn {
            Turn::User(parts) => ("user", parts.iter().map(block).collect::<Vec<_>>()),
            Turn::Assistant(said) => ("assistant", said.iter().map(said_block).collect()),
            Turn::Results(answers) => ("user", answers.iter().map(result).collect()),
        };
        // Results and the person's next words are one turn of the same side.
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
        Part::Text(text) => json!({ "type": "text", "text": text }),
        Part::Image { data, mime } => json!({
            "type": "image", "source": { "type": "base64", "media_type": mime, "data": data },
        }),
    }
}

fn result(answer: &crate::conversation::Answer<'_>) -> Value {
    let content: Vec<Value> = answer.parts.iter().map(block).collect();
    json!({
        "type": "tool_result", "tool_use_id": answer.id,
        "content": content, "is_error": answer.is_error,
    })
}

fn said_block(said: &Said<'_>) -> Value {
    match said {
        Said::Text(text) => json!({ "type": "text", "text": text }),
        Said::Thinking { text, signature } => match signature.strip_prefix(REDACTED) {
            Some(data) => json!({ "type": "redacted_thinking", "data": data }),
            None => json!({ "type": "thinking", "thinking": text, "signature": signature }),
        },
        Said::Call {
            id,
            name,
            arguments,
        } => json!({ "type": "tool_use", "id": id, "name": name, "input": arguments }),
    }
}
