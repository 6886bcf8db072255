//! `web_fetch`: reads a page as text.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use openclaw_protocol::ToolSpec;
use openclaw_protocol::config::WebFetch as Settings;
use openclaw_runtime::BoxFuture;
use reqwest::Url;
use serde_json::json;

use super::Names;
use super::WebNow;
use super::cache::Cache;
use super::guard::Guard;
use super::html;
use super::html::Mode;
use super::outside;
use super::page;
use super::page::Page;
use super::page::Unread;
use super::page::Way;
use crate::Tool;
use crate::ToolCall;
use crate::ToolOutcome;
use crate::arguments::Arguments;
use crate::arguments::spec;
use crate::policy::Outside;

/// Of an error page the beginning is enough.
const ERROR_CHARS: usize = 1_000;

/// Reads pages.
pub struct WebFetch {
    spec: ToolSpec,
    reader: Arc<Reader>,
}

struct Reader {
    settings: WebNow,
    names: Arc<dyn Names>,
    cache: Mutex<Cache>,
}

impl WebFetch {
    /// Reads with these settings; names are looked up there.
    pub fn new(settings: WebNow, names: Arc<dyn Names>) -> Self {
        Self {
            spec: spec(
                "web_fetch",
                "Reads a web page (http or https, public addresses) as markdown or text. It runs no scripts.",
                json!({
                    "url": { "type": "string" },
                    "extractMode": { "type": "string", "enum": ["markdown", "text"] },
                    "maxChars": { "type": "integer", "description": "cut after so many characters" },
                }),
                &["url"],
            ),
            reader: Arc::new(Reader {
                settings,
                names,
                cache: Mutex::default(),
            }),
        }
    }
}

impl Tool for WebFetch {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn is_offered(&self) -> bool {
        (self.reader.settings)().web.fetch.enabled
    }

    fn idempotent(&self) -> bool {
        true
    }

    fn deadline(&self) -> Duration {
        let own = super::seconds((self.reader.settings)().web.fetch.timeout_seconds);
        own + Duration::from_secs(10)
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        let reader = Arc::clone(&self.reader);
        Box::pin(async move {
            match reader.read(call).await {
                Ok(outcome) | Err(outcome) => outcome,
            }
        })
    }
}

impl Reader {
    async fn read(&self, call: ToolCall) -> Result<ToolOutcome, ToolOutcome> {
        let settings = (self.settings)().web.fetch;
        let held = call.held().cloned();
        let arguments = Arguments::new(&call.name, call.arguments)?;
        let url = arguments.text("url").ok_or_else(|| {
            ToolOutcome::error("web_fetch needs a url such as https://example.org/")
        })?;
        let url = Url::parse(&url)
            .map_err(|error| ToolOutcome::error(format!("\"{url}\" is no address: {error}")))?;
        let mode = match arguments.text("extractMode").as_deref() {
            Some("text") => Mode::Text,
            _ => Mode::Markdown,
        };
        let cap = settings.max_chars_cap.max(1);
        let most = arguments.count("maxChars", settings.max_chars.min(cap), cap);
        let name = format!("{} {url}", mode.as_str());
        let keep = super::minutes(settings.cache_ttl_minutes);
        if let Some(text) = self.cache().get(&name, keep, Instant::now()) {
            return Ok(shown(url.as_str(), &text, most));
        }
        let within = super::seconds(settings.timeout_seconds);
        let reading = page::read(self.way(&settings, held), url.clone());
        let page = match tokio::time::timeout(within, reading).await {
            Ok(page) => page.map_err(|unread| match unread {
                Unread::Held(why) => ToolOutcome::held(format!("{url}: {why}")),
                Unread::Failed(why) => ToolOutcome::error(format!("{url}: {why}")),
            })?,
            Err(_) => {
                let why = format!("{url}: not read within {} s", settings.timeout_seconds);
                return Err(ToolOutcome::error(why));
            }
        };
        let (status, from) = (page.status, page.url.clone());
        let worked = tokio::task::spawn_blocking(move || text_of(&page, mode)).await;
        let text = worked
            .map_err(|error| ToolOutcome::error(format!("{url}: {error}")))?
            .map_err(|why| ToolOutcome::error(format!("{url}: {why}")))?;
        if !(200..300).contains(&status) {
            let said = outside::wrap(from.as_str(), &cut(&text, ERROR_CHARS));
            return Err(ToolOutcome::error(format!("{url}: HTTP {status}\n{said}")));
        }
        let text = cut(&text, cap);
        if !keep.is_zero() {
            self.cache().put(name, text.clone(), Instant::now());
        }
        Ok(shown(from.as_str(), &text, most))
    }

    fn way(&self, settings: &Settings, held: Option<Outside>) -> Way {
        Way {
            names: Arc::clone(&self.names),
            guard: Guard::new(&settings.allow_private),
            redirects: settings.max_redirects,
            user_agent: settings.user_agent.clone(),
            held,
        }
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a page says, or why it says nothing that can be read.
fn text_of(page: &Page, mode: Mode) -> Result<String, String> {
    let body = &page.body;
    let kind = body.media_type.as_str();
    let text = match kind {
        "text/html" | "application/xhtml+xml" => html::extract(&body.text(), &page.url, mode),
        "" if looks_like_html(&body.bytes) => html::extract(&body.text(), &page.url, mode),
        _ if is_text(kind) => body.text(),
        "" if !body.bytes.contains(&0) => body.text(),
        "" => return Err("it is no text".to_owned()),
        kind => {
            let size = body.bytes.len();
            return Err(format!("it is {kind} ({size} bytes), which is no text"));
        }
    };
    Ok(match body.is_cut {
        true => format!("{text}\n[… the page is longer than what was read …]"),
        false => text,
    })
}

fn is_text(kind: &str) -> bool {
    let (class, of) = kind.split_once('/').unwrap_or((kind, ""));
    class == "text"
        || of.ends_with("+json")
        || of.ends_with("+xml")
        || matches!(
            of,
            "json" | "xml" | "javascript" | "x-ndjson" | "yaml" | "x-yaml" | "toml"
        )
}

fn looks_like_html(bytes: &[u8]) -> bool {
    let head = bytes.get(..256).unwrap_or(bytes).to_ascii_lowercase();
    let head = String::from_utf8_lossy(&head);
    head.trim_start().starts_with("<!doctype html") || head.contains("<html")
}

fn shown(source: &str, text: &str, most: usize) -> ToolOutcome {
    ToolOutcome::text(outside::wrap(source, &cut(text, most)))
}

/// The first characters of a text, with a word about the rest.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((at, _)) => {
            let kept = text.get(..at).unwrap_or_default();
            format!("{kept}\n[… cut after {most} characters …]")
        }
    }
}

impl fmt::Debug for WebFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebFetch").finish_non_exhaustive()
    }
}
