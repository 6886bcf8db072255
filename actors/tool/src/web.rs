//! The web for agents: reading a page, and searching.
//!
//! Which addresses a page may come from is one rule in [`guard`], asked for the address that is written, for
//! every address that a name resolves to, and again at each redirect; the connection goes to the very address
//! that was asked about. What comes back is somebody else's words, and marked as that.

mod body;
mod cache;
mod client;
mod fetch;
mod guard;
mod html;
pub(crate) mod outside;
mod page;
mod search;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::Secret;
use openclaw_protocol::config::Web;

pub use self::client::Names;
pub use self::client::SystemNames;
pub use self::fetch::WebFetch;
pub use self::search::WebSearch;

/// What is set for the web now.
#[derive(Debug, Clone, Default)]
pub struct WebSettings {
    /// `tools.web`.
    pub web: Web,
    /// Keys of searches that stand in the environment.
    pub keys: WebKeys,
}

/// Keys of searches from the environment.
#[derive(Debug, Clone, Default)]
pub struct WebKeys {
    /// `BRAVE_API_KEY`.
    pub brave: Option<Secret>,
    /// `PERPLEXITY_API_KEY`.
    pub perplexity: Option<Secret>,
    /// `OPENROUTER_API_KEY`.
    pub openrouter: Option<Secret>,
}

/// No call takes longer, whatever is configured.
const LONGEST: Duration = Duration::from_secs(600);

/// How long something configured in seconds may take.
fn seconds(configured: u64) -> Duration {
    Duration::from_secs(configured).min(LONGEST)
}

/// How long something is kept.
fn minutes(configured: f64) -> Duration {
    Duration::try_from_secs_f64(configured * 60.0).unwrap_or_default()
}

/// The settings as they are now.
pub type WebNow = Arc<dyn Fn() -> WebSettings + Send + Sync>;
