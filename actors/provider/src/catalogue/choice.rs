//! Which model answers when nobody says otherwise, and why.

use openclaw_protocol::ModelRef;
use openclaw_protocol::config::ModelChoice;

use super::BASIC;
use super::BUILTIN;
use super::Catalogue;
use super::Credential;
use super::Inputs;
use super::ProviderEntry;

/// A model with the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The model that answers.
    pub model: ModelRef,
    /// The account that was named along with it.
    pub account: Option<String>,
    /// Who stands in for it, in order.
    pub fallbacks: Vec<ModelRef>,
    /// What decided.
    pub source: Source,
    /// The reason in a sentence for people.
    pub reason: String,
    /// What stands in the way of it, and what mends that.
    pub problem: Option<String>,
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `agents.defaults.model` or the agent's own `model`.
    Configured,
    /// A provider stands in the configuration.
    Provider,
    /// There is a stored credential.
    Profile,
    /// There is a key in the environment.
    Environment,
    /// A server on this machine answered.
    LocalServer,
    /// Nothing else was there.
    Builtin,
}

impl Choice {
    /// The model that is always there.
    pub fn builtin() -> Self {
        Self {
            model: ModelRef::new(BUILTIN, BASIC),
            account: None,
            fallbacks: Vec::new(),
            source: Source::Builtin,
            reason: "no model is configured, no key is in the environment and no local model server answers; `openclaw config set agents.defaults.model.primary <provider/model>` chooses one"
                .to_owned(),
            problem: None,
        }
    }
}

/// Chooses: what is configured, else a configured provider, else a stored credential, else a key in
/// the environment, else a local server, else the built-in model.
pub(super) fn choose(catalogue: &Catalogue, inputs: &Inputs<'_>, wish: &ModelChoice) -> Choice {
    let mut choice = match &wish.primary {
        Some(name) => configured(catalogue, name),
        None => found(catalogue, inputs),
    };
    let fallbacks = wish
        .fallbacks
        .iter()
        .filter_map(|name| catalogue.find(name).ok());
    choice.fallbacks = fallbacks.filter(|model| *model != choice.model).collect();
    choice
}

fn configured(catalogue: &Catalogue, name: &str) -> Choice {
    let reason = format!("\"{name}\" is configured as the agent's model");
    let (name, account) = catalogue.split_account(name);
    let (model, problem) = match catalogue.find(name) {
        Ok(model) => {
            let problem = catalogue.check(&model).err().map(|error| error.message);
            (model, problem)
        }
        // It stays the choice: to answer with another model in silence would hide the mistake.
        Err(error) => {
            let model = name
                .parse()
                .unwrap_or_else(|_| ModelRef::new("unknown", name));
            (model, Some(error.to_string()))
        }
    };
    Choice {
        model,
        account,
        fallbacks: Vec::new(),
        source: Source::Configured,
        reason,
        problem,
    }
}

fn found(catalogue: &Catalogue, inputs: &Inputs<'_>) -> Choice {
    let candidates = || {
        catalogue.usable().filter_map(|entry| {
            let model = entry.default_model.as_ref()?;
            let id = &entry.endpoint.provider;
            (id != BUILTIN).then(|| (entry, ModelRef::new(id, model)))
        })
    };
    let pick = |source: Source, fits: &dyn Fn(&ProviderEntry) -> Option<String>| {
        candidates().find_map(|(entry, model)| {
            let reason = fits(entry)?;
            Some(Choice {
                model,
                account: None,
                fallbacks: Vec::new(),
                source,
                reason,
                problem: None,
            })
        })
    };
    pick(Source::Provider, &|entry| {
        let id = &entry.endpoint.provider;
        let reason = format!("models.providers.{id} is configured and no other model is chosen");
        entry.configured.then_some(reason)
    })
    .or_else(|| {
        pick(Source::Profile, &|entry| match &entry.credential {
            Credential::Profile(id) => Some(format!("there is a stored credential {id}")),
            _ => None,
        })
    })
    .or_else(|| {
        pick(Source::Environment, &|entry| match &entry.credential {
            Credential::Env(name) if !entry.discovered => {
                Some(format!("{name} is set in the environment"))
            }
            _ => None,
        })
    })
    .or_else(|| {
        // The order in which they are asked is that of the servers, not that of the providers.
        inputs.local.iter().find_map(|server| {
            pick(Source::LocalServer, &|entry| {
                let this = entry.discovered && entry.endpoint.provider == server.id;
                this.then(|| format!("{} answers at {}", server.name, server.base_url))
            })
        })
    })
    .unwrap_or_else(Choice::builtin)
}
