//! Where a provider's key is from: a stored profile, a variable, or the configuration.

use openclaw_protocol::Secret;
use openclaw_protocol::config::ProviderConfig;

use super::Inputs;
use super::known::Known;

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
) -> (Option<Secret>, Credential) {
    if let Some((profile, secret)) = inputs.profiles.credential(id, inputs.now_ms) {
        return (Some(secret), Credential::Profile(profile.to_owned()));
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
        return (Some(secret), Credential::Env(name));
    }
    let written = config.and_then(|config| config.api_key.as_ref());
    if let Some(written) = written.filter(|key| !key.expose().trim().is_empty()) {
        // The name of a variable stands for its value.
        let name = written.expose().to_owned();
        let is_name = name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if let (true, Some((name, secret))) = (is_name, look(&name)) {
            return (Some(secret), Credential::Env(name));
        }
        return (Some(written.clone()), Credential::Config);
    }
    // A header may carry it, and a server of one's own may not ask.
    let in_header = config.is_some_and(|config| !config.headers.is_empty());
    if near || in_header || (known.is_none() && config.is_some()) {
        return (None, Credential::NotNeeded);
    }
    (None, Credential::Missing(names))
}
