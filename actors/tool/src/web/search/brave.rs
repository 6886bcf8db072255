//! Brave's search: <https://api-dashboard.search.brave.com/app/documentation/web-search/query>.

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

pub(super) const BASE: &str = "https://api.search.brave.com";

pub(super) async fn ask(http: &Client, engine: &Engine, query: &Query) -> Result<Found, String> {
    let count = query.count.to_string();
    let params = [
        ("q", Some(query.text.as_str())),
        ("count", Some(count.as_str())),
        ("country", query.country.as_deref()),
        ("search_lang", query.search_lang.as_deref()),
        ("ui_lang", query.ui_lang.as_deref()),
        ("freshness", query.freshness.as_deref()),
    ];
    let request = address(http, &engine.base, "/res/v1/web/search", &params)?;
    let key = engine.key.as_ref().map_or("", |key| key.expose());
    let request = request
        .header("X-Subscription-Token", key)
        .header("Accept", "application/json");
    let body = json(&answer(request).await?)?;
    let results = body.pointer("/web/results").and_then(Value::as_array);
    let hits = results.into_iter().flatten().filter_map(|result| {
        let text = |name: &str| result.get(name).and_then(Value::as_str).map(plain);
        Some(Hit {
            title: text("title")?,
            url: result.get("url").and_then(Value::as_str)?.to_owned(),
            text: text("description").unwrap_or_default(),
            age: text("age"),
        })
    });
    Ok(Found::Hits(hits.collect()))
}
