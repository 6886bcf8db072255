//! `tools.web`: how agents read and search the web.

use serde::Deserialize;

use crate::Secret;

/// How agents read and search the web.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Web {
    /// Searching.
    pub search: WebSearch,
    /// Reading pages.
    pub fetch: WebFetch,
}

/// Searching.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebSearch {
    /// Whether agents may.
    pub enabled: bool,
    /// Who is asked; without it, whose key is there.
    pub provider: Option<SearchProvider>,
    /// The key for Brave.
    pub api_key: Option<Secret>,
    /// Where the search is, if not where it usually is; needed for SearXNG.
    pub base_url: Option<String>,
    /// Results unless a call says otherwise.
    pub max_results: usize,
    /// How long a search may take.
    pub timeout_seconds: u64,
    /// How long what was found is kept for the same question.
    pub cache_ttl_minutes: f64,
    /// Perplexity's own settings.
    pub perplexity: Perplexity,
}

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SearchProvider {
    /// Brave's search.
    Brave,
    /// Perplexity.
    Perplexity,
    /// A SearXNG of one's own.
    Searxng,
    /// DuckDuckGo.
    Duckduckgo,
    /// xAI's Grok; known, not built.
    Grok,
}

/// Perplexity's own settings.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Perplexity {
    /// Its key, or one of OpenRouter.
    pub api_key: Option<Secret>,
    /// Where it is.
    pub base_url: Option<String>,
    /// Which of its models answers.
    pub model: Option<String>,
}

/// Reading pages.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebFetch {
    /// Whether agents may.
    pub enabled: bool,
    /// Characters of a page unless a call says otherwise.
    pub max_chars: usize,
    /// No call gets more.
    pub max_chars_cap: usize,
    /// How long a page may take, redirects and all.
    pub timeout_seconds: u64,
    /// How long a page is kept.
    pub cache_ttl_minutes: f64,
    /// How often a page may point elsewhere.
    pub max_redirects: usize,
    /// As what it presents itself.
    pub user_agent: Option<String>,
    /// Hosts, addresses and ranges (`10.0.0.0/8`) that may be read though they are not public.
    pub allow_private: Vec<String>,
}

impl SearchProvider {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Brave => "brave",
            Self::Perplexity => "perplexity",
            Self::Searxng => "searxng",
            Self::Duckduckgo => "duckduckgo",
            Self::Grok => "grok",
        }
    }
}

impl Default for WebSearch {
    fn default() -> Self {
        Self {
            enabled: true,
            provider: None,
            api_key: None,
            base_url: None,
            max_results: 5,
            timeout_seconds: 30,
            cache_ttl_minutes: 15.0,
            perplexity: Perplexity::default(),
        }
    }
}

impl Default for WebFetch {
    fn default() -> Self {
        Self {
            enabled: true,
            max_chars: 50_000,
            max_chars_cap: 50_000,
            timeout_seconds: 30,
            cache_ttl_minutes: 15.0,
            max_redirects: 3,
            user_agent: None,
            allow_private: Vec::new(),
        }
    }
}
