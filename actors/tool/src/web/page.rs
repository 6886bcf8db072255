//! Reads one page: hop by hop, each address asked about before it is called.

use std::sync::Arc;

use reqwest::Client;
use reqwest::Url;
use reqwest::header::ACCEPT;
use reqwest::header::ACCEPT_ENCODING;
use reqwest::header::ACCEPT_LANGUAGE;
use reqwest::header::LOCATION;
use reqwest::header::USER_AGENT;

use super::body;
use super::body::Body;
use super::client;
use super::client::Names;
use super::guard::Guard;
use crate::policy::Outside;

/// Many sites answer only what looks like a browser.
const BROWSER: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_7_2) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/122.0.0.0 Safari/537.36";

/// What a server answered in the end.
#[derive(Debug)]
pub(super) struct Page {
    /// Where it came from, after redirects.
    pub(super) url: Url,
    pub(super) status: u16,
    pub(super) body: Body,
}

/// How a page is read.
pub(super) struct Way {
    pub(super) names: Arc<dyn Names>,
    pub(super) guard: Guard,
    pub(super) redirects: usize,
    pub(super) user_agent: Option<String>,
    /// Only hosts that it lists are called, and pages that it knows.
    pub(super) held: Option<Outside>,
}

/// Why a page was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It needs a person's yes; nobody at this host was asked for anything.
    Held(String),
    Failed(String),
}

impl From<String> for Unread {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

/// Reads a page. The caller keeps the deadline.
pub(super) async fn read(way: Way, url: Url) -> Result<Page, Unread> {
    let client =
        client::guarded(way.names, way.guard.clone()).map_err(|error| error.to_string())?;
    let agent = way.user_agent.as_deref().unwrap_or(BROWSER);
    let mut url = url;
    // Where a found page leads is its own matter: the model put nothing into it.
    let held = way.held.filter(|held| !held.found(url.as_str()));
    for _ in 0..=way.redirects {
        client::check_written(&way.guard, &url)?;
        let host = url.host_str().unwrap_or_default();
        if held.as_ref().is_some_and(|held| !held.lists(host)) {
            return Err(Unread::Held(format!("{host} is not listed")));
        }
        let response = ask(&client, url.clone(), agent).await?;
        let status = response.status();
        let next = response
            .headers()
            .get(LOCATION)
            .filter(|_| status.is_redirection());
        let Some(next) = next else {
            let status = status.as_u16();
            let body = body::read(response).await?;
            return Ok(Page { url, status, body });
        };
        let next = next
            .to_str()
            .map_err(|_| "it redirects to no address".to_owned())?;
        url = url
            .join(next)
            .map_err(|_| "it redirects to no address".to_owned())?;
    }
    Err(Unread::Failed(format!(
        "it redirects more than {} times",
        way.redirects
    )))
}

async fn ask(client: &Client, url: Url, agent: &str) -> Result<reqwest::Response, String> {
    let request = client
        .get(url)
        .header(USER_AGENT, agent)
        .header(
            ACCEPT,
            "text/markdown,text/html;q=0.9,application/xhtml+xml;q=0.9,*/*;q=0.5",
        )
        .header(ACCEPT_LANGUAGE, "en-US,en;q=0.9")
        .header(ACCEPT_ENCODING, "gzip, deflate");
    request
        .send()
        .await
        .map_err(|error| client::failure(&error))
}
