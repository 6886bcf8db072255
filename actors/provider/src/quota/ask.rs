//! One request for a quota, with a deadline and a bound of its own.

use std::time::Duration;

use openclaw_runtime::Directory;
use reqwest::header::ACCEPT;
use reqwest::header::AUTHORIZATION;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::Place;
use super::Quota;
use super::SOURCES;
use super::Source;
use super::Told;
use super::Wanted;
use crate::access::Access;
use crate::account::Account;
use crate::account::Kept;
use crate::account::Proof;
use crate::anthropic::TOKEN_PREFIX;
use crate::catalogue::ProviderEntry;
use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::error::classify;
use crate::http;
use crate::http::secret_header;
use crate::keeper;
use crate::probe::late;

/// A page of a few hundred bytes; who asks is a person that waits for a list.
const WITHIN: Duration = Duration::from_secs(5);
const LONGEST: usize = 256 * 1024;

/// Whom to ask for a quota, and as whom.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) source: &'static Source,
    pub(super) url: String,
    pub(super) account: Account,
}

impl PartialEq for Ask {
    fn eq(&self, other: &Self) -> bool {
        let same = self.source.provider == other.source.provider;
        same && self.url == other.url && self.account == other.account
    }
}

impl Ask {
    /// The question for a provider; none where it has no quota or nobody who may ask.
    pub(super) fn of(entry: &ProviderEntry) -> Option<Self> {
        let endpoint = &entry.endpoint;
        let mut known = SOURCES.iter();
        let source = known.find(|source| source.provider == endpoint.provider)?;
        let mut accounts = endpoint.accounts.iter();
        let account = accounts.find(|account| source.takes(&account.proof))?;
        let url = match source.place {
            Place::Below(path) => format!("{}{path}", endpoint.base_url),
            Place::Host(path) => format!("{}{path}", host(&endpoint.base_url)?),
            Place::At(url) => url.to_owned(),
        };
        Some(Self {
            source,
            url,
            account: account.clone(),
        })
    }

    /// Asks; through the credential's keeper where there are keepers.
    pub(super) async fn quota(&self, directory: Option<&Directory>) -> Quota {
        let told = tokio::time::timeout(WITHIN, self.told(directory)).await;
        let told = told.unwrap_or_else(|_| Err(late(self.source.provider, WITHIN)));
        if let Err(error) = &told {
            tracing::debug!(provider = self.source.provider, %error, "no quota was told");
        }
        self.source.quota(told)
    }

    async fn told(&self, directory: Option<&Directory>) -> Result<Told, ModelError> {
        let access = match (&self.account.proof, directory) {
            (Proof::Ready(access), _) => access.clone(),
            // GitHub is asked with its own key, not with Copilot's token.
            (Proof::Kept(Kept::Copilot(key)), _) => Access::of(key.clone()),
            (_, Some(directory)) => keeper::access(directory, &self.account.id).await?,
            (_, None) => keeper::grant(&self.account).await?,
        };
        let request = http::client(&self.url, WITHIN)?.get(&self.url);
        let body = page(self.source.provider, request.headers(self.headers(&access))).await?;
        let read = serde_json::from_slice(&body).ok();
        let told = read
            .as_ref()
            .and_then(|body: &Value| (self.source.read)(body));
        told.ok_or_else(|| {
            let text = format!("{} answered with no quota", self.source.name);
            ModelError::new(ModelErrorKind::Format, text)
        })
    }

    fn headers(&self, access: &Access) -> HeaderMap {
        let mut headers = HeaderMap::new();
        secret_header(&mut headers, ACCEPT.as_str(), "application/json");
        for (name, value) in self.source.headers {
            secret_header(&mut headers, name, value);
        }
        if let Some(key) = &access.key {
            let scheme = match self.source.proof {
                Wanted::Github => "token",
                Wanted::SignIn | Wanted::Key => "Bearer",
            };
            let value = format!("{scheme} {}", key.expose());
            secret_header(&mut headers, AUTHORIZATION.as_str(), &value);
        }
        if let Some(account) = &access.account {
            secret_header(&mut headers, "chatgpt-account-id", account);
        }
        headers
    }
}

impl Source {
    fn takes(&self, proof: &Proof) -> bool {
        match (self.proof, proof) {
            (Wanted::Github, Proof::Kept(Kept::Copilot(_)))
            | (Wanted::SignIn, Proof::Kept(Kept::SignIn { .. })) => true,
            (Wanted::Key, Proof::Ready(access)) => access.key.is_some(),
            // Anthropic's keys and tokens stand in the same place; the others have no keys.
            (Wanted::SignIn, Proof::Ready(access)) => access.key.as_ref().is_some_and(|key| {
                self.provider != "anthropic" || key.expose().starts_with(TOKEN_PREFIX)
            }),
            _ => false,
        }
    }
}

/// Scheme, host and port of an address.
fn host(url: &str) -> Option<&str> {
    let begin = url.find("://")? + 3;
    let length = url.get(begin..)?.find('/');
    url.get(..length.map_or(url.len(), |length| begin + length))
}

async fn page(provider: &str, request: reqwest::RequestBuilder) -> Result<Vec<u8>, ModelError> {
    let lost = |error: reqwest::Error| {
        let text = format!("{provider} can't be reached: {}", error.without_url());
        ModelError::new(ModelErrorKind::Network, text)
    };
    let mut response = request.send().await.map_err(lost)?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(lost)? {
        if body.len() + piece.len() > LONGEST {
            let text = format!("{provider} sent more than a quota");
            return Err(ModelError::new(ModelErrorKind::Format, text));
        }
        body.extend_from_slice(&piece);
    }
    match status {
        200..300 => Ok(body),
        // The words of the calls' own failures name remedies that are none here.
        401 | 403 => {
            let text = format!("{provider} doesn't tell this credential ({status})");
            Err(ModelError::new(ModelErrorKind::Auth, text))
        }
        _ => Err(classify(
            provider,
            status,
            &String::from_utf8_lossy(&body),
            None,
        )),
    }
}
