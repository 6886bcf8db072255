//! Perplexity, by itself or through OpenRouter: an answer in words, with its sources.

use openclaw_protocol::Secret;
use reqwest::Client;
use serde_json::Value;
use serde_json::json;

use super::Engine;
use super::Found;
use super::Query;
use super::answer;

const OWN: &str = "https://api.perplexity.ai";
const OPENROUTER: &str = "https://openrouter.ai/api/v1";

/// Whose key it is says where to ask.
pub(super) fn base(key: &Secret) -> &'static str {
    match key.expose().starts_with("sk-or-") {
        true => OPENROUTER,
        false => OWN,
    }
}

/// The usual model there.
pub(super) fn model(base: &str) -> &'static str {
    match base == OPENROUTER {
        true => "perplexity/sonar-pro",
        false => "sonar-pro",
    }
}

pub(super) async fn ask(http: &Client, engine: &Engine, query: &Query) -> Result<Found, String> {
    let mut asked = json!({
        "model": engine.model,
        "messages": [{ "role": "user", "content": query.text }],
    });
    let recency = match query.freshness.as_deref() {
        Some("pd") => Some("day"),
        Some("pw") => Some("week"),
        Some("pm") => Some("month"),
        Some("py") => Some("year"),
        _ => None,
    };
    if let (Some(recency), Value::Object(asked)) = (recency, &mut asked) {
        asked.insert("search_recency_filter".to_owned(), json!(recency));
    }
    let key = engine.key.as_ref().map_or("", |key| key.expose());
    let url = format!("{}/chat/completions", engine.base);
    let body = super::json(&answer(http.post(url).bearer_auth(key).json(&asked)).await?)?;
    let text = body
        .pointer("/choices/0/message/content")
        .and_then(Value::as_str);
    let text = text.ok_or("the answer holds no text")?.to_owned();
    let sources = body.get("citations").and_then(Value::as_array);
    let sources = sources.into_iter().flatten().filter_map(Value::as_str);
    let sources = sources.map(str::to_owned).collect();
    Ok(Found::Answer { text, sources })
}
