//! `channels`, and the checks that tie sections together.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Map;
use serde_json::Value;

use super::Decoder;
use crate::AccountKey;
use crate::config::AuthMode;
use crate::config::Bind;
use crate::config::Channels;
use crate::config::DmPolicy;
use crate::config::Gateway;
use crate::config::Section;
use crate::config::TelegramAccount;
use crate::config::check::Finding;
use crate::config::path::Path;

/// What an account doesn't inherit: two accounts with one token would steal each other's messages.
const OWN: [&str; 4] = ["accounts", "botToken", "tokenFile", "name"];

/// The channels that this version has a platform for.
const SUPPORTED: [&str; 2] = ["defaults", "telegram"];

impl Decoder<'_> {
    pub(super) fn channels(&mut self) -> Channels {
        let path = Path::root().key("channels");
        let unsupported = match path.get(self.tree) {
            Some(Value::Object(map)) => map
                .keys()
                .filter(|name| !SUPPORTED.contains(&name.as_str()))
                .cloned()
                .collect(),
            _ => Vec::new(),
        };
        Channels {
            defaults: self.recovered(&path.key("defaults")),
            telegram: self.telegram(&path.key("telegram")),
            unsupported,
        }
    }

    fn telegram(&mut self, path: &Path) -> BTreeMap<String, Section<TelegramAccount>> {
        let mut accounts = BTreeMap::new();
        let base = match path.get(self.tree) {
            Some(Value::Object(base)) => base.clone(),
            found => {
                let errors = self.errors(path);
                if found.is_some() || !errors.is_empty() {
                    accounts.insert(AccountKey::DEFAULT.to_owned(), Section::Invalid(errors));
                }
                return accounts;
            }
        };
        let named = match base.get("accounts") {
            Some(Value::Object(named)) => named.clone(),
            _ => Map::new(),
        };
        let has_own_token = base.contains_key("botToken") || base.contains_key("tokenFile");
        if named.is_empty() || (has_own_token && !named.contains_key(AccountKey::DEFAULT)) {
            let mut account = base.clone();
            drop(account.shift_remove("accounts"));
            let section = self.account(path, path, account, &named);
            accounts.insert(AccountKey::DEFAULT.to_owned(), section);
        }
        for (name, own) in &named {
            let place = path.key("accounts").key(name.as_str());
            let id = name.trim().to_lowercase();
            let mut account: Map<String, Value> = base
                .iter()
                .filter(|(key, _)| {
                    let is_default = id == AccountKey::DEFAULT && *key != "accounts";
                    is_default || !OWN.contains(&key.as_str())
                })
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            if let Value::Object(own) = own {
                account.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            if base.get("enabled") == Some(&Value::Bool(false)) {
                account.insert("enabled".to_owned(), Value::Bool(false));
            }
            let section = if accounts.contains_key(&id) {
                let message = format!("there is an account \"{id}\" already");
                drop(self.invalid::<TelegramAccount>(Finding::error(&place, message)));
                continue;
            } else {
                self.account(path, &place, account, &named)
            };
            accounts.insert(id, section);
        }
        self.shared_tokens(path, &mut accounts);
        accounts
    }

    /// One account; mistakes in the section concern it, those in other accounts don't.
    fn account(
        &mut self,
        section: &Path,
        place: &Path,
        merged: Map<String, Value>,
        named: &Map<String, Value>,
    ) -> Section<TelegramAccount> {
        let accounts = section.key("accounts");
        let others: Vec<Path> = named
            .keys()
            .map(|name| accounts.key(name.as_str()))
            .filter(|other| other != place)
            .collect();
        let concerns = |finding: &Finding| {
            (finding.at.is_under(section) || section.is_under(&finding.at))
                && !others.iter().any(|other| finding.at.is_under(other))
        };
        let errors: Vec<_> = self
            .findings
            .iter()
            .filter(|finding| finding.is_error() && concerns(finding))
            .map(|finding| finding.issue.clone())
            .collect();
        if !errors.is_empty() {
            return Section::Invalid(errors);
        }
        let account: TelegramAccount = match serde_json::from_value(Value::Object(merged)) {
            Ok(account) => account,
            Err(error) => return self.invalid(Finding::error(place, error.to_string())),
        };
        let everybody = account.allow_from.iter().flatten().any(|id| id == "*");
        if account.dm_policy == DmPolicy::Open && !everybody {
            let message = "\"open\" lets everybody in and needs \"*\" in allowFrom to say so; the account stays off";
            // The policy may be the account's own or the section's.
            let own = place.key("dmPolicy");
            let at = match own.get(self.tree) {
                Some(_) => own,
                None => section.key("dmPolicy"),
            };
            let mut finding = Finding::error(&at, message);
            let allowed = ["pairing", "allowlist", "disabled"];
            finding.issue = finding
                .issue
                .allowed(allowed)
                .fix_set(&at.to_string(), "pairing");
            return self.invalid(finding);
        }
        Section::Valid(account)
    }

    /// A token has one poller: the second account of the same token stays off.
    fn shared_tokens(
        &mut self,
        path: &Path,
        accounts: &mut BTreeMap<String, Section<TelegramAccount>>,
    ) {
        let mut seen: Vec<(String, String)> = Vec::new();
        for (id, section) in accounts {
            let Some(account) = section.get().filter(|account| account.is_enabled()) else {
                continue;
            };
            let Some(token) = account.bot_token.as_ref().map(|token| token.expose()) else {
                continue;
            };
            if let Some((_, first)) = seen.iter().find(|(other, _)| other == token) {
                let message = format!("the same bot token as account \"{first}\"");
                let place = path.key("accounts").key(id.as_str()).key("botToken");
                let at = match place.get(self.tree) {
                    Some(_) => place,
                    None => path.key("botToken"),
                };
                *section = self.invalid(Finding::error(&at, message));
            } else {
                seen.push((token.to_owned(), id.clone()));
            }
        }
    }

    /// The address to listen on falls back to this machine where the wider one isn't safe.
    pub(super) fn bind(&mut self, gateway: &mut Gateway, path: &Path) {
        let auth = gateway.auth.get().map(|auth| auth.effective_mode());
        if gateway.bind == Bind::Custom {
            let host = gateway.custom_bind_host.as_deref().unwrap_or_default();
            if host.trim().parse::<IpAddr>().is_err() {
                let at = match gateway.custom_bind_host {
                    Some(_) => path.key("customBindHost"),
                    None => path.key("bind"),
                };
                let message = "bind \"custom\" needs an IP address in gateway.customBindHost; listening on this machine only";
                let mut finding = Finding::error(&at, message);
                let bind = path.key("bind").to_string();
                finding.issue = finding.issue.fix_set(&bind, "loopback");
                self.findings.push(finding);
                gateway.bind = Bind::Loopback;
            }
        }
        if gateway.bind != Bind::Loopback && auth == Some(AuthMode::None) {
            let at = path.key("auth").key("mode");
            let message = "without a token or password only this machine may connect; listening on this machine only";
            let mut finding = Finding::error(&at, message);
            finding.issue = finding.issue.allowed(["token", "password"]);
            self.findings.push(finding);
            gateway.bind = Bind::Loopback;
        }
    }
}
