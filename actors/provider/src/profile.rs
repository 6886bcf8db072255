//! Stored credentials: the file `auth-profiles.json` of an agent.
//!
//! A profile is a named credential of one provider: a key, a token, or what a sign-in left behind.
//! This module reads; what is stored by another program is understood and left as it is.

use std::collections::BTreeMap;

use openclaw_protocol::Secret;
use serde::Deserialize;

/// The stored credentials.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Profiles {
    profiles: BTreeMap<String, Profile>,
    order: BTreeMap<String, Vec<String>>,
    last_good: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Profile {
    r#type: String,
    provider: String,
    key: Option<Secret>,
    token: Option<Secret>,
    access: Option<Secret>,
    expires: Option<f64>,
}

impl Profiles {
    /// Reads the file's text. What can't be read is no credential; the error says why.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Adds those of another file under their names; one that is here already stays.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        for (id, profile) in other.profiles {
            self.profiles.entry(id).or_insert(profile);
        }
        for (provider, order) in other.order {
            self.order.entry(provider).or_insert(order);
        }
        for (provider, id) in other.last_good {
            self.last_good.entry(provider).or_insert(id);
        }
        self
    }

    /// The credential to use for a provider: the first usable one of its order, else the one that
    /// worked last, else any. Returns the profile's id with it.
    pub fn credential(&self, provider: &str, now_ms: i64) -> Option<(&str, Secret)> {
        let ordered = self.order.get(provider).into_iter().flatten();
        let last = self.last_good.get(provider);
        ordered
            .chain(last)
            .chain(self.profiles.keys())
            .find_map(|id| {
                let (id, profile) = self.profiles.get_key_value(id)?;
                let secret = profile.usable(now_ms)?;
                (profile.provider == provider).then(|| (id.as_str(), secret.clone()))
            })
    }
}

impl Profile {
    fn usable(&self, now_ms: i64) -> Option<&Secret> {
        #[allow(clippy::cast_precision_loss)] // milliseconds since 1970 fit a float exactly
        let over = self
            .expires
            .is_some_and(|at| at > 0.0 && at <= now_ms as f64);
        let secret = match self.r#type.as_str() {
            "api_key" => self.key.as_ref(),
            "token" if !over => self.token.as_ref(),
            "oauth" if !over => self.access.as_ref(),
            _ => None,
        };
        secret.filter(|secret| !secret.is_empty())
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
        let (id, secret) = profiles.credential(provider, now)?;
        Some((id.to_owned(), secret.expose().to_owned()))
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
