//! A SearXNG of one's own: <https://docs.searxng.org/dev/search_api.html>.

use reqwest::Client;
use serde_json::Value;

use super::Engine;
use super::Found;
use super::Hit;
use super::Query;
use super::address;
use super::answer;
use super::json;
use super::plain;

pub(super) async fn ask(http: &Client, engine: &Engine, query: &Query) -> Result<Found, String> {
    let range = match query.freshness.as_deref() {
        Some("pd") => Some("day"),
        Some("pw") => Some("week"),
        Some("pm") => Some("month"),
        Some("py") => Some("year"),
        _ => None,
    };
    let params = [
        ("q", Some(query.text.as_str())),
        ("format", Some("json")),
        ("language", query.search_lang.as_deref()),
        ("time_range", range),
    ];
    let body = json(&answer(address(http, &engine.base, "/search", &params)?).await?)?;
    let results = body.get("results").and_then(Value::as_array);
    let hits = results.into_iter().flatten().filter_map(|result| {
        let text = |name: &str| result.get(name).and_then(Value::as_str).map(plain);
        Some(Hit {
            title: text("title")?,
            url: result.get("url").and_then(Value::as_str)?.to_owned(),
            text: text("content").unwrap_or_default(),
            age: text("publishedDate"),
        })
    });
    Ok(Found::Hits(hits.collect()))
}
