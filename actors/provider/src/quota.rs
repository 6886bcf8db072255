//! How much of a subscription is used, as the provider itself says.
//!
//! A provider that has an endpoint for it is a row of [`SOURCES`]; those without one have no quota here. Answers are
//! kept for a minute, so that a page that is refreshed asks nobody.

mod ask;
mod read;
#[cfg(test)]
mod tests;

use std::time::Duration;

use futures_util::future::join_all;
use openclaw_runtime::Directory;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::ask::Ask;
use crate::catalogue::Catalogue;
use crate::error::ModelError;

/// Providers count by the hour, and some refuse who asks too often.
const KEEP: Duration = Duration::from_secs(60);

/// A part of a quota: so much within a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// `5h`, `Week`, `Premium`.
    pub label: String,
    /// 0 to 100.
    pub used_percent: f64,
    /// When it begins anew, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset_at: Option<i64>,
}

/// What a provider says of its quota.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// The provider's id.
    pub provider: String,
    /// The name to show.
    pub display_name: &'static str,
    /// Its parts.
    pub windows: Vec<Window>,
    /// What was subscribed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Why nothing newer is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What an answer holds.
type Told = (Vec<Window>, Option<String>);

/// A provider that tells.
#[derive(Debug)]
struct Source {
    provider: &'static str,
    name: &'static str,
    place: Place,
    proof: Wanted,
    headers: &'static [(&'static str, &'static str)],
    read: fn(&serde_json::Value) -> Option<Told>,
}

/// Where a provider tells it.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Below the address of its calls.
    Below(&'static str),
    /// At the host of its calls.
    Host(&'static str),
    /// Always here.
    At(&'static str),
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// A sign-in with a subscription; a key is paid by use and has no quota.
    SignIn,
    /// The key of GitHub's that Copilot's tokens are fetched with.
    Github,
    /// A key.
    Key,
}

const SOURCES: &[Source] = &[
    Source {
        provider: "anthropic",
        name: "Claude",
        place: Place::Host("/api/oauth/usage"),
        proof: Wanted::SignIn,
        headers: &[
            ("anthropic-beta", "oauth-2025-04-20"),
            ("anthropic-version", "2023-06-01"),
        ],
        read: read::claude,
    },
    Source {
        provider: "openai-codex",
        name: "Codex",
        place: Place::Below("/wham/usage"),
        proof: Wanted::SignIn,
        headers: &[("originator", "openclaw")],
        read: read::codex,
    },
    Source {
        provider: "github-copilot",
        name: "Copilot",
        place: Place::At("https://api.github.com/copilot_internal/user"),
        proof: Wanted::Github,
        headers: &[("x-github-api-version", "2025-04-01")],
        read: read::copilot,
    },
    Source {
        provider: "zai",
        name: "z.ai",
        place: Place::Host("/api/monitor/usage/quota/limit"),
        proof: Wanted::Key,
        headers: &[],
        read: read::zai,
    },
    Source {
        provider: "openrouter",
        name: "OpenRouter",
        place: Place::Below("/key"),
        proof: Wanted::Key,
        headers: &[],
        read: read::openrouter,
    },
];

/// Asks all providers that tell, at once; for a program without keepers.
pub async fn ask(catalogue: &Catalogue) -> Vec<Quota> {
    let asks = asks(catalogue);
    shown(join_all(asks.iter().map(|ask| ask.quota(None))).await)
}

/// The quotas of the house, asked for once a minute at the most, however many want to know.
#[derive(Debug, Default)]
pub struct QuotaDesk {
    kept: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    ask: Ask,
    at: Instant,
    quota: Quota,
}

impl QuotaDesk {
    /// The quotas as they are known. Whoever comes while they are asked for waits for the same answers.
    pub async fn quotas(&self, directory: &Directory, catalogue: &Catalogue) -> Vec<Quota> {
        self.of(asks(catalogue), Some(directory)).await
    }

    async fn of(&self, asks: Vec<Ask>, directory: Option<&Directory>) -> Vec<Quota> {
        let mut kept = self.kept.lock().await;
        let now = Instant::now();
        // A credential that is another one now is asked for anew.
        kept.retain(|kept| asks.contains(&kept.ask));
        let fresh = |ask: &&Ask| {
            let mut known = kept.iter();
            !known.any(|kept| kept.ask == **ask && now.duration_since(kept.at) < KEEP)
        };
        let due: Vec<&Ask> = asks.iter().filter(fresh).collect();
        let answers = join_all(due.iter().map(|ask| ask.quota(directory))).await;
        for (ask, answer) in due.into_iter().zip(answers) {
            let at = Instant::now();
            let known = kept.iter_mut().find(|kept| kept.ask == *ask);
            match known {
                // What was told before is better than nothing, with the reason beside it.
                Some(known) if answer.error.is_some() => {
                    (known.at, known.quota.error) = (at, answer.error);
                }
                Some(known) => (known.at, known.quota) = (at, answer),
                None => kept.push(Kept {
                    ask: ask.clone(),
                    at,
                    quota: answer,
                }),
            }
        }
        let quota = |ask: &Ask| {
            let found = kept.iter().find(|kept| kept.ask == *ask);
            found.map(|kept| kept.quota.clone())
        };
        shown(asks.iter().filter_map(quota).collect())
    }
}

/// What has nothing to say is left out: a key without a limit has no quota.
fn shown(mut quotas: Vec<Quota>) -> Vec<Quota> {
    quotas
        .retain(|quota| !quota.windows.is_empty() || quota.plan.is_some() || quota.error.is_some());
    quotas
}

/// Whom to ask, and with which account.
fn asks(catalogue: &Catalogue) -> Vec<Ask> {
    catalogue.usable().filter_map(Ask::of).collect()
}

impl Source {
    fn quota(&self, told: Result<Told, ModelError>) -> Quota {
        let (windows, plan, error) = match told {
            Ok((windows, plan)) => (windows, plan, None),
            Err(error) => (Vec::new(), None, Some(error.message)),
        };
        Quota {
            provider: self.provider.to_owned(),
            display_name: self.name,
            windows,
            plan,
            error,
        }
    }
}
