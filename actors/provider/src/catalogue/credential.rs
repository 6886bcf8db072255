//! Where a provider's key is from: a stored profile, a variable, or the configuration.

use openclaw_protocol::Secret;
use openclaw_protocol::config::ProviderConfig;

use super::Inputs;
use super::known::Auth;
use super::known::Known;
use super::region::region_of;
use crate::access::Access;
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
    near: bool,
    inputs: &Inputs<'_>,
) -> (Access, Credential) {
    if let Some((profile, secret)) = inputs.profiles.credential(id, inputs.now_ms) {
        return (Access::of(secret), Credential::Profile(profile.to_owned()));
    }
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
    if near || open || in_header || (known.is_none() && config.is_some()) {
        return (Access::default(), Credential::NotNeeded);
    }
    (Access::default(), Credential::Missing(names))
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
