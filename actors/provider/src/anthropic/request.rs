//! The body of a request.

use serde_json::Value;
use serde_json::json;

use crate::body::Body;
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
/// The wire asks for a limit; this one suits models of which nothing is known.
const DEFAULT_MAX_TOKENS: u64 = 8192;
/// What is left for the answer beside the reasoning.
const ROOM_FOR_ANSWER: u64 = 4096;

/// Builds the body.
pub fn body(request: &ModelRequest, info: &ModelInfo) -> String {
    let budget = Level::of(&request.params)
        .filter(|_| info.reasoning)
        .and_then(Level::budget);
    let origin = Origin {
        api: Wire::AnthropicMessages.as_str(),
        model: &info.reference,
    };
    let rules = Rules {
        pictures: info.pictures(),
        ids: IdRule::Plain,
        // Signed reasoning is given back only while the model reasons.
        signed: budget.map(|_| origin),
    };
    let turns = turns(&request.messages, &rules);
    let budget = budget.filter(|_| may_reason(&turns));
    let cache = cache_control(request.param("cacheRetention").and_then(Value::as_str));
    let mut body = Body::new();
    body.put("model", &request.model.model);
    let limit = request.limit(info).unwrap_or(DEFAULT_MAX_TOKENS);
    let limit = budget.map_or(limit, |budget| limit.max(budget + ROOM_FOR_ANSWER));
    body.put("max_tokens", &limit);
    body.put("stream", &true);
    if !request.system.trim().is_empty() {
        let mark = cache
            .as_ref()
            .map(|cache| format!(",\"cache_control\":{cache}"));
        let mark = mark.as_deref().unwrap_or_default();
        let text = request.system.json();
        body.list("system", |list| {
            list.text(&["{\"type\":\"text\",\"text\":", text, mark, "}"]);
        });
    }
    let tools = tools(&turns, &request.tools);
    if !tools.is_empty() {
        body.tools("anthropic", &tools, |spec| {
            json!({
                "name": spec.name, "description": spec.description,
                "input_schema": spec.parameters,
            })
        });
    }
    let mut messages = messages(&turns);
    // The end of the person's last two turns is marked too: the next call reads everything up to
    // the newer mark from the cache, and a long loop of tools still finds the older one.
    let theirs = messages
        .iter_mut()
        .rev()
        .filter(|turn| turn.get("role").is_some_and(|role| role == "user"));
    for turn in theirs.take(2) {
        let content = turn.get_mut("content").and_then(Value::as_array_mut);
        if let Some(block) = content.and_then(|content| content.last_mut()) {
            mark(block, cache.as_ref());
        }
    }
    body.put("messages", &Value::Array(messages));
    if let Some(budget) = budget {
        let thinking = json!({ "type": "enabled", "budget_tokens": budget });
        body.put("thinking", &thinking);
    } else {
        // The wire takes one of the two, and none while the model reasons.
        for (ours, theirs) in [("temperature", "temperature"), ("topP", "top_p")] {
            if let Some(value) = request.param(ours) {
                body.put(theirs, &value);
                break;
            }
        }
    }
    let stop = request.stops();
    if !stop.is_empty() {
        body.put("stop_sequences", &stop);
    }
    body.finish()
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

fn messages(turns: &[Turn<'_>]) -> Vec<Value> {
    let mut list: Vec<(&str, Vec<Value>)> = Vec::new();
    for turn in turns {
        let (role, mut blocks) = match turn {
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
            ..
        } => json!({ "type": "tool_use", "id": id, "name": name, "input": arguments }),
    }
}
