//! Where a provider's key is from: a stored profile, a variable, or the configuration.

use std::path::Path;

use openclaw_protocol::Secret;
use openclaw_protocol::config::ProviderConfig;

use super::Inputs;
use super::entry::named;
use super::known::Auth;
use super::known::Known;
use super::provider_id;
use super::region::region_of;
use crate::access::Access;
use crate::account::Account;
use crate::account::Kept;
use crate::account::Proof;
use crate::account::UNSTORED;
use crate::bedrock::AwsKeys;

/// Where a key is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// None is needed.
    NotNeeded,
    /// From a stored profile.
    Profile(String),
    /// From a variable.
    Env(String),
    /// From the configuration.
    Config,
    /// There is none; these variables would be read.
    Missing(Vec<String>),
}

/// Looks for a key in that order.
pub(super) fn credential(
    id: &str,
    known: Option<&Known>,
    config: Option<&ProviderConfig>,
    needs_no_key: bool,
    inputs: &Inputs<'_>,
) -> (Vec<Account>, Credential) {
    let order = order(id, inputs);
    let mut accounts = inputs
        .profiles
        .accounts(id, order.as_deref(), inputs.now_ms);
    let found = accounts.first().map(|account| account.id.clone());
    let (access, from) = at_hand(id, known, config, needs_no_key, inputs);
    let stored = amazon_files(id, known, config, inputs);
    let from = match (&from, &stored) {
        (Credential::Missing(_), Some((name, _))) => Credential::Profile(name.clone()),
        _ => from,
    };
    let usable = !matches!(from, Credential::Missing(_));
    if usable && (found.is_none() || from != Credential::NotNeeded) {
        let name = match &from {
            Credential::Env(name) => format!("env:{name}"),
            Credential::Config => "config".to_owned(),
            Credential::Profile(name) => name.clone(),
            _ => "none".to_owned(),
        };
        let mut account = Account {
            rank: UNSTORED,
            file: inputs.profiles.file().map(Path::to_owned),
            ..Account::ready(name, access)
        };
        if let (Credential::Profile(_), Some((_, kept))) = (&from, stored) {
            account.proof = Proof::Kept(kept);
        }
        // A key of GitHub's opens nothing at Copilot by itself.
        if let (true, Proof::Ready(access)) = (id == "github-copilot", &account.proof)
            && let Some(key) = access.key.clone()
        {
            account.proof = Proof::Kept(Kept::Copilot(key));
        }
        accounts.push(account);
    }
    (accounts, found.map_or(from, Credential::Profile))
}

/// The order that the configuration gives a provider's profiles: `auth.order`.
fn order(id: &str, inputs: &Inputs<'_>) -> Option<Vec<String>> {
    let orders = inputs.config.tree.value().pointer("/auth/order")?;
    let written = orders.as_object()?.iter();
    let mut fits = written.filter(|(written, _)| provider_id(written) == id);
    let list = fits.next()?.1.as_array()?;
    let ids: Vec<String> = list
        .iter()
        .filter_map(|id| id.as_str().map(str::to_owned))
        .collect();
    (!ids.is_empty()).then_some(ids)
}

/// Whether somebody fixed the order of a provider's accounts.
pub(super) fn ordered(id: &str, inputs: &Inputs<'_>) -> bool {
    order(id, inputs).is_some() || inputs.profiles.ordered(id)
}

fn at_hand(
    id: &str,
    known: Option<&Known>,
    config: Option<&ProviderConfig>,
    needs_no_key: bool,
    inputs: &Inputs<'_>,
) -> (Access, Credential) {
    let usual = format!("{}_API_KEY", id.to_uppercase().replace(['-', '.'], "_"));
    let names: Vec<String> = match known {
        Some(known) => known.env.iter().map(|name| (*name).to_owned()).collect(),
        None => vec![usual],
    };
    let look = |name: &String| {
        let value = (inputs.env)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| (name.clone(), Secret::new(value)))
    };
    if let Some((name, secret)) = names.iter().find_map(look) {
        return (Access::of(secret), Credential::Env(name));
    }
    let written = config.and_then(|config| config.api_key.as_ref());
    if let Some(written) = written.filter(|key| !key.expose().trim().is_empty()) {
        // The name of a variable stands for its value.
        let name = written.expose().to_owned();
        let is_name = name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if let (true, Some((name, secret))) = (is_name, look(&name)) {
            return (Access::of(secret), Credential::Env(name));
        }
        return (Access::of(written.clone()), Credential::Config);
    }
    if known.is_some_and(|known| known.auth == Auth::Amazon)
        && let Some(keys) = amazon(config, inputs)
    {
        let access = Access {
            aws: Some(keys),
            ..Access::default()
        };
        return (access, Credential::Env("AWS_ACCESS_KEY_ID".to_owned()));
    }
    // A header may carry it, and a server of one's own may not ask.
    let in_header = config.is_some_and(|config| !config.headers.is_empty());
    let open = known.is_some_and(|known| known.auth == Auth::Open);
    if needs_no_key || open || in_header || (known.is_none() && config.is_some()) {
        return (Access::default(), Credential::NotNeeded);
    }
    (Access::default(), Credential::Missing(names))
}

/// The keys in Amazon's own files: used where something speaks of Bedrock, as most who have such files have them for
/// something else.
fn amazon_files(
    id: &str,
    known: Option<&Known>,
    config: Option<&ProviderConfig>,
    inputs: &Inputs<'_>,
) -> Option<(String, Kept)> {
    let stored = inputs.profiles.amazon()?;
    let meant = config.is_some() || stored.named || named(id, inputs);
    if !known.is_some_and(|known| known.auth == Auth::Amazon) || !meant || stored.problem.is_some()
    {
        return None;
    }
    let url = config.and_then(|config| config.base_url.as_deref());
    let kept = Kept::Amazon {
        files: stored.files.clone(),
        region: region_of(url.unwrap_or_default(), inputs),
    };
    Some((format!("aws:{}", stored.files.profile), kept))
}

/// The key pair in the variables that Amazon's own programs read.
fn amazon(config: Option<&ProviderConfig>, inputs: &Inputs<'_>) -> Option<AwsKeys> {
    let look = |name: &str| {
        let value = (inputs.env)(name)?;
        (!value.trim().is_empty()).then(|| value.trim().to_owned())
    };
    let url = config.and_then(|config| config.base_url.as_deref());
    Some(AwsKeys {
        id: look("AWS_ACCESS_KEY_ID")?,
        secret: Secret::new(look("AWS_SECRET_ACCESS_KEY")?),
        session: look("AWS_SESSION_TOKEN").map(Secret::new),
        region: region_of(url.unwrap_or_default(), inputs),
    })
}
