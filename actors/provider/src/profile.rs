//! Stored credentials: the file `auth-profiles.json` of an agent.
//!
//! A profile is a named credential of one provider: a key, a token, or what a sign-in left behind.
//! This module reads; what is stored by another program is understood and left as it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use openclaw_protocol::AgentId;
use openclaw_protocol::Secret;
use serde::Deserialize;
use serde_json::Value;

use crate::access::Access;
use crate::account::Account;
use crate::account::Kept;
use crate::account::Proof;
use crate::bedrock::AwsFiles;
use crate::bedrock::AwsProfile;
use crate::history;
use crate::history::History;

/// The stored credentials.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Profiles {
    profiles: BTreeMap<String, Profile>,
    order: BTreeMap<String, Vec<String>>,
    last_good: BTreeMap<String, String>,
    usage_stats: Value,
    breakers: Value,
    /// The profile in Amazon's own files.
    #[serde(skip)]
    amazon: Option<AwsProfile>,
    #[serde(skip)]
    file: PathBuf,
    /// Those of agents that have some of their own.
    #[serde(skip)]
    agents: BTreeMap<AgentId, Profiles>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Profile {
    r#type: String,
    provider: String,
    key: Option<Secret>,
    token: Option<Secret>,
    access: Option<Secret>,
    refresh: Option<Secret>,
    expires: Option<f64>,
    account_id: Option<String>,
}

impl Profiles {
    /// Reads the file's text. What can't be read is no credential; the error says why.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Reads a file; a missing one holds none. May wait for the disk.
    pub fn load(file: &Path) -> std::io::Result<Self> {
        match std::fs::read_to_string(file) {
            Ok(text) => Ok(Self::parse(&text)?.stored_in(file.to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self::default().stored_in(file.to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    /// Says where they are stored: what runs out is renewed there.
    #[must_use]
    pub fn stored_in(mut self, file: PathBuf) -> Self {
        self.file = file;
        self
    }

    /// Adds what an agent has of its own; its calls try that first.
    #[must_use]
    pub fn with_agent(mut self, agent: AgentId, own: Self) -> Self {
        if !own.profiles.is_empty() {
            self.agents.insert(agent, own);
        }
        self
    }

    /// Adds what is in the files of Amazon's own programs. May wait for the disk.
    #[must_use]
    pub fn with_amazon(mut self, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let named = env("AWS_PROFILE").is_some_and(|name| !name.trim().is_empty());
        self.amazon = AwsFiles::of(env).and_then(|files| files.profile(named));
        self
    }

    /// The profile in Amazon's own files.
    pub(crate) fn amazon(&self) -> Option<&AwsProfile> {
        self.amazon.as_ref()
    }

    /// Where they are stored.
    pub(crate) fn file(&self) -> Option<&Path> {
        Some(&*self.file).filter(|file| !file.as_os_str().is_empty())
    }

    /// What the files remember of a provider and its accounts.
    pub(crate) fn history(&self, provider: &str, accounts: &[Account]) -> History {
        let past = |account: &Account| {
            let of = match &account.agent {
                Some(agent) => self.agents.get(agent)?,
                None => self,
            };
            let stats = of.usage_stats.get(account.name_in_file(provider))?;
            Some((account.id.clone(), history::read(stats, account.mark())))
        };
        History {
            accounts: accounts.iter().filter_map(past).collect(),
            breaker: history::breaker(&self.breakers, provider),
        }
    }

    /// The accounts for a provider, in the order in which they are tried.
    pub fn accounts(&self, provider: &str, order: Option<&[String]>, now_ms: i64) -> Vec<Account> {
        let own = self.agents.iter().flat_map(|(agent, own)| {
            let list = own.of_all(provider, order, now_ms).into_iter();
            list.map(|account| Account {
                agent: Some(agent.clone()),
                ..account
            })
        });
        own.chain(self.of_all(provider, order, now_ms)).collect()
    }

    /// Whether somebody fixed the order of a provider's profiles.
    pub fn ordered(&self, provider: &str) -> bool {
        self.order
            .get(provider)
            .is_some_and(|order| !order.is_empty())
    }

    fn of_all(&self, provider: &str, order: Option<&[String]>, now_ms: i64) -> Vec<Account> {
        let fixed = order.or(self.order.get(provider).map(Vec::as_slice));
        let mut ids: Vec<&String> = fixed.into_iter().flatten().collect();
        let mut rest: Vec<&String> = self.last_good.get(provider).into_iter().collect();
        rest.extend(self.profiles.keys());
        // What a fixed order leaves out is not used.
        if ids.is_empty() {
            ids = rest;
        }
        let mut accounts: Vec<Account> = Vec::new();
        for id in ids {
            let Some(profile) = self.profiles.get(id) else {
                continue;
            };
            if profile.provider != provider || accounts.iter().any(|other| other.id == *id) {
                continue;
            }
            if let Some(proof) = profile.proof(&self.file, now_ms) {
                accounts.push(Account {
                    id: id.clone(),
                    agent: None,
                    rank: profile.rank(),
                    proof,
                    file: self.file().map(Path::to_owned),
                });
            }
        }
        accounts
    }

    /// Whether a profile of this name is there.
    pub fn has(&self, id: &str) -> bool {
        self.profiles.contains_key(id) || self.agents.values().any(|own| own.has(id))
    }

    /// When the first credential of a provider that can't renew itself runs out.
    pub fn expiry(&self, provider: &str) -> Option<i64> {
        let of = self.profiles.values().filter(|profile| {
            profile.provider == provider && profile.refresh.as_ref().is_none_or(Secret::is_empty)
        });
        #[allow(clippy::cast_possible_truncation)] // milliseconds since 1970
        of.filter_map(|profile| profile.expires.map(|at| at as i64))
            .filter(|at| *at > 0)
            .min()
    }
}

impl Profile {
    fn rank(&self) -> u8 {
        match self.r#type.as_str() {
            "oauth" => 0,
            "token" => 1,
            _ => 2,
        }
    }

    fn proof(&self, file: &Path, now_ms: i64) -> Option<Proof> {
        #[allow(clippy::cast_precision_loss)] // milliseconds since 1970 fit a float exactly
        let over = self
            .expires
            .is_some_and(|at| at > 0.0 && at <= now_ms as f64);
        let secret = match self.r#type.as_str() {
            "api_key" => self.key.as_ref(),
            "token" if !over => self.token.as_ref(),
            "oauth" if self.renews() => {
                return Some(Proof::Kept(Kept::SignIn {
                    provider: self.provider.clone(),
                    file: file.to_owned(),
                }));
            }
            "oauth" if !over => self.access.as_ref(),
            _ => None,
        };
        let secret = secret.filter(|secret| !secret.is_empty())?.clone();
        if self.provider == "github-copilot" {
            return Some(Proof::Kept(Kept::Copilot(secret)));
        }
        Some(Proof::Ready(Access {
            account: self.account_id.clone(),
            ..Access::of(secret)
        }))
    }

    fn renews(&self) -> bool {
        self.provider != "github-copilot"
            && self
                .refresh
                .as_ref()
                .is_some_and(|refresh| !refresh.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::Profiles;

    const FILE: &str = r#"{"version":1,"profiles":{
        "anthropic:default":{"type":"token","provider":"anthropic","token":"t1","expires":1000},
        "anthropic:manual":{"type":"token","provider":"anthropic","token":"t2"},
        "openai:default":{"type":"api_key","provider":"openai","key":"k","metadata":{}},
        "openai:second":{"type":"api_key","provider":"openai","key":"k2"}},
        "order":{"anthropic":["anthropic:default","anthropic:manual"]},
        "lastGood":{"openai":"openai:second"},"usageStats":{}}"#;

    fn pick(provider: &str, now: i64) -> Option<(String, String)> {
        let profiles = Profiles::parse(FILE).unwrap();
        let account = profiles.accounts(provider, None, now).into_iter().next()?;
        let crate::Proof::Ready(access) = account.proof else {
            return None;
        };
        Some((account.id, access.key?.expose().to_owned()))
    }

    #[test]
    fn the_order_counts_then_what_worked_last() {
        let two = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(pick("anthropic", 999), two("anthropic:default", "t1"));
        assert_eq!(pick("openai", 0), two("openai:second", "k2"));
        assert_eq!(pick("groq", 0), None);
    }

    #[test]
    fn what_has_expired_is_passed_over() {
        let two = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(pick("anthropic", 1000), two("anthropic:manual", "t2"));
    }
}
