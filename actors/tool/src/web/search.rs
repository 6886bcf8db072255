//! `web_search`: asks the search that is configured.

mod brave;
mod duckduckgo;
mod perplexity;
mod searxng;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use openclaw_protocol::Secret;
use openclaw_protocol::ToolSpec;
use openclaw_protocol::config::SearchProvider;
use openclaw_protocol::config::WebSearch as Settings;
use openclaw_runtime::BoxFuture;
use reqwest::Client;
use reqwest::RequestBuilder;
use serde_json::json;

use super::WebNow;
use super::WebSettings;
use super::body;
use super::body::Body;
use super::cache::Cache;
use super::client;
use super::outside;
use crate::Tool;
use crate::ToolCall;
use crate::ToolOutcome;
use crate::arguments::Arguments;
use crate::arguments::spec;

/// Results, unless told otherwise.
const MOST: usize = 10;

/// Searches the web.
pub struct WebSearch {
    spec: ToolSpec,
    searcher: Arc<Searcher>,
}

struct Searcher {
    settings: WebNow,
    cache: Mutex<Cache>,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
struct Query {
    text: String,
    count: usize,
    country: Option<String>,
    search_lang: Option<String>,
    ui_lang: Option<String>,
    /// `pd`, `pw`, `pm`, `py`, or `2026-01-01to2026-01-31`.
    freshness: Option<String>,
}

/// What is asked, and with what.
#[derive(Debug, Clone, PartialEq)]
struct Engine {
    provider: SearchProvider,
    key: Option<Secret>,
    base: String,
    model: Option<String>,
}

/// One result.
#[derive(Debug, Clone, PartialEq)]
struct Hit {
    title: String,
    url: String,
    text: String,
    age: Option<String>,
}

/// What an engine found.
#[derive(Debug, Clone, PartialEq)]
enum Found {
    Hits(Vec<Hit>),
    /// An answer in words, with its sources.
    Answer {
        text: String,
        sources: Vec<String>,
    },
}

impl WebSearch {
    /// Searches with these settings.
    pub fn new(settings: WebNow) -> Self {
        Self {
            spec: spec(
                "web_search",
                "Searches the web; web_fetch reads what it finds.",
                json!({
                    "query": { "type": "string" },
                    "count": { "type": "integer", "minimum": 1, "maximum": MOST },
                    "country": { "type": "string", "description": "two letters, such as DE" },
                    "search_lang": { "type": "string", "description": "such as de" },
                    "ui_lang": { "type": "string" },
                    "freshness": { "type": "string", "description": "pd, pw, pm, py (past day to year) or 2026-01-01to2026-01-31" },
                }),
                &["query"],
            ),
            searcher: Arc::new(Searcher {
                settings,
                cache: Mutex::default(),
            }),
        }
    }
}

impl Tool for WebSearch {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn is_offered(&self) -> bool {
        let settings = (self.searcher.settings)();
        settings.web.search.enabled && engine(&settings).is_ok()
    }

    fn idempotent(&self) -> bool {
        true
    }

    fn deadline(&self) -> Duration {
        let own = (self.searcher.settings)().web.search.timeout_seconds;
        super::seconds(own) + Duration::from_secs(10)
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        let searcher = Arc::clone(&self.searcher);
        Box::pin(async move {
            match searcher.search(call).await {
                Ok(outcome) | Err(outcome) => outcome,
            }
        })
    }
}

impl Searcher {
    async fn search(&self, call: ToolCall) -> Result<ToolOutcome, ToolOutcome> {
        let settings = (self.settings)();
        let set = &settings.web.search;
        let arguments = Arguments::new(&call.name, call.arguments)?;
        let query = query(&arguments, set)?;
        let engine = engine(&settings).map_err(ToolOutcome::error)?;
        let name = format!("{:?} {} {query:?}", engine.provider, engine.base);
        let keep = super::minutes(set.cache_ttl_minutes);
        if let Some(text) = self.cache().get(&name, keep, Instant::now()) {
            return Ok(ToolOutcome::text(outside::wrap("web_search", &text)));
        }
        let within = super::seconds(set.timeout_seconds);
        let asked = tokio::time::timeout(within, ask(&engine, &query)).await;
        let found = asked
            .map_err(|_| format!("no answer within {} s", set.timeout_seconds))
            .and_then(|found| found)
            .map_err(|why| {
                ToolOutcome::error(format!(
                    "the search at {} failed: {why}",
                    engine.provider.as_str()
                ))
            })?;
        let text = written(&found, query.count);
        if !keep.is_zero() {
            self.cache().put(name, text.clone(), Instant::now());
        }
        Ok(ToolOutcome::text(outside::wrap("web_search", &text)))
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn query(arguments: &Arguments, set: &Settings) -> Result<Query, ToolOutcome> {
    let text = arguments
        .text("query")
        .ok_or_else(|| ToolOutcome::error("web_search needs a query"))?;
    let freshness = arguments.text("freshness");
    if let Some(freshness) = &freshness
        && !is_freshness(freshness)
    {
        return Err(ToolOutcome::error(
            "freshness is pd, pw, pm, py or two days such as 2026-01-01to2026-01-31",
        ));
    }
    Ok(Query {
        text,
        count: arguments.count("count", set.max_results.min(MOST), MOST),
        country: arguments.text("country"),
        search_lang: arguments.text("search_lang"),
        ui_lang: arguments.text("ui_lang"),
        freshness,
    })
}

fn is_freshness(text: &str) -> bool {
    let is_day = |day: &str| day.parse::<jiff::civil::Date>().is_ok();
    matches!(text, "pd" | "pw" | "pm" | "py")
        || text
            .split_once("to")
            .is_some_and(|(from, to)| is_day(from) && is_day(to))
}

/// Which search is asked. Without a word in the configuration it is the one whose key is there.
fn engine(settings: &WebSettings) -> Result<Engine, String> {
    let (set, keys) = (&settings.web.search, &settings.keys);
    let own = |key: &Option<Secret>| key.clone().filter(|key| !key.is_empty());
    let brave = own(&set.api_key).or_else(|| own(&keys.brave));
    let perplexity = own(&set.perplexity.api_key)
        .or_else(|| own(&keys.perplexity))
        .or_else(|| own(&keys.openrouter));
    let provider = match set.provider {
        Some(provider) => provider,
        None if brave.is_none() && perplexity.is_some() => SearchProvider::Perplexity,
        None => SearchProvider::Brave,
    };
    let base = |usual: &str| {
        let base = set
            .base_url
            .as_deref()
            .filter(|base| !base.trim().is_empty());
        base.unwrap_or(usual).trim_end_matches('/').to_owned()
    };
    let engine = |key, base, model| Engine {
        provider,
        key,
        base,
        model,
    };
    match provider {
        SearchProvider::Brave => {
            let key = brave.ok_or(
                "no key for Brave: set BRAVE_API_KEY, or `openclaw config set tools.web.search.apiKey KEY`",
            )?;
            Ok(engine(Some(key), base(brave::BASE), None))
        }
        SearchProvider::Perplexity => {
            let key = perplexity.ok_or(
                "no key for Perplexity: set PERPLEXITY_API_KEY, or `openclaw config set \
                 tools.web.search.perplexity.apiKey KEY`",
            )?;
            let usual = perplexity::base(&key);
            let model = set.perplexity.model.clone();
            let model = model.unwrap_or_else(|| perplexity::model(usual).to_owned());
            let own_base = set.perplexity.base_url.as_deref().map(|base| base.trim_end_matches('/'));
            let base = own_base.map_or_else(|| base(usual), str::to_owned);
            Ok(engine(Some(key), base, Some(model)))
        }
        SearchProvider::Searxng if set.base_url.is_none() => Err(
            "SearXNG has no address: `openclaw config set tools.web.search.baseUrl http://HOST:PORT`"
                .to_owned(),
        ),
        SearchProvider::Searxng => Ok(engine(None, base(""), None)),
        SearchProvider::Duckduckgo => Ok(engine(None, base(duckduckgo::BASE), None)),
        SearchProvider::Grok => {
            Err("this gateway can't search with Grok: choose brave, perplexity, searxng or duckduckgo".to_owned())
        }
    }
}

async fn ask(engine: &Engine, query: &Query) -> Result<Found, String> {
    let http = client::trusted().map_err(|error| error.to_string())?;
    match engine.provider {
        SearchProvider::Brave => brave::ask(&http, engine, query).await,
        SearchProvider::Perplexity => perplexity::ask(&http, engine, query).await,
        SearchProvider::Searxng => searxng::ask(&http, engine, query).await,
        _ => duckduckgo::ask(&http, engine, query).await,
    }
}

/// The body of an answer, or what the search said against it.
async fn answer(request: RequestBuilder) -> Result<Body, String> {
    let response = request
        .send()
        .await
        .map_err(|error| client::failure(&error))?;
    let status = response.status();
    match status.as_u16() {
        200..300 => body::read(response).await,
        401 | 403 => Err(format!("HTTP {status}: the key or the address is refused")),
        429 => Err("HTTP 429: too many searches; try again later".to_owned()),
        _ => Err(format!("HTTP {status}")),
    }
}

fn json(body: &Body) -> Result<serde_json::Value, String> {
    serde_json::from_slice(&body.bytes).map_err(|error| format!("the answer is no JSON: {error}"))
}

/// An address with parameters; those without a value are left out.
fn address(
    http: &Client,
    base: &str,
    path: &str,
    params: &[(&str, Option<&str>)],
) -> Result<RequestBuilder, String> {
    let mut url = reqwest::Url::parse(&format!("{base}{path}"))
        .map_err(|error| format!("\"{base}\" is no address: {error}"))?;
    for (name, value) in params {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    Ok(http.get(url))
}

fn written(found: &Found, count: usize) -> String {
    match found {
        Found::Hits(hits) if hits.is_empty() => "nothing was found".to_owned(),
        Found::Hits(hits) => {
            let hits = hits.iter().take(count).enumerate();
            let lines = hits.map(|(at, hit)| {
                let age = hit.age.as_ref().map(|age| format!(" ({age})"));
                let age = age.unwrap_or_default();
                format!(
                    "{}. {}{age}\n   {}\n   {}",
                    at + 1,
                    hit.title,
                    hit.url,
                    hit.text
                )
            });
            lines.collect::<Vec<_>>().join("\n")
        }
        Found::Answer { text, sources } => {
            let sources = sources.iter().enumerate();
            let lines = sources.map(|(at, source)| format!("[{}] {source}", at + 1));
            format!("{text}\n\n{}", lines.collect::<Vec<_>>().join("\n"))
        }
    }
}

/// A line without tags, as results are marked up.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for token in html5gum::Tokenizer::new(text).flatten() {
        if let html5gum::Token::String(text) = token {
            out.push_str(&String::from_utf8_lossy(&text));
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Debug for WebSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSearch").finish_non_exhaustive()
    }
}
