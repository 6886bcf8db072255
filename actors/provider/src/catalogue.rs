//! What can be called: the providers, their models, and the choice with its reason.
//!
//! A catalogue is a value made of the configuration, the environment, stored credentials and the
//! local servers that answered. A change of any of them makes a new one.

mod choice;
mod credential;
mod entry;
mod known;
mod region;

use std::collections::BTreeMap;
use std::sync::Arc;

use openclaw_protocol::AgentId;
use openclaw_protocol::Config;
use openclaw_protocol::ModelRef;
use serde_json::Value;
use serde_json::json;

pub use self::choice::Choice;
pub use self::choice::Source;
pub use self::credential::Credential;
pub use self::entry::ProviderEntry;
use crate::embedding;
use crate::embedding::Embedder;
use crate::endpoint::Endpoint;
use crate::endpoint::ModelInfo;
use crate::endpoint::Wire;
use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::profile::Profiles;

#[cfg(test)]
mod tests;

/// The provider that needs nothing.
pub const BUILTIN: &str = "builtin";
/// The model that needs nothing.
pub const BASIC: &str = "basic";

/// What a catalogue is made of.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Looks a variable up.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Stored credentials.
    pub profiles: &'a Profiles,
    /// Servers on this machine that answered.
    pub local: &'a [LocalServer],
    /// For credentials that expire.
    pub now_ms: i64,
}

/// A model server on this machine that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalServer {
    /// The provider's id: `ollama`, `lmstudio` or `llamacpp`.
    pub id: String,
    /// The name to show.
    pub name: String,
    /// Its address.
    pub base_url: String,
    /// What it serves.
    pub models: Vec<LocalModel>,
}

/// A model of such a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalModel {
    /// The id the server knows it by.
    pub id: String,
    /// How much it reads, in tokens.
    pub context_window: Option<u64>,
    /// Whether it says that it can see.
    pub images: bool,
}

/// What can be called.
#[derive(Debug, Clone)]
pub struct Catalogue {
    providers: Vec<Arc<ProviderEntry>>,
    aliases: BTreeMap<String, String>,
    /// `provider/model` of what may be called; empty for everything.
    allowed: Vec<ModelRef>,
    params: BTreeMap<String, Value>,
    choice: Choice,
    agents: BTreeMap<AgentId, Choice>,
    embedding: Result<Embedder, ModelError>,
    /// The same for the agents that wish for another.
    embeddings: BTreeMap<AgentId, Result<Embedder, ModelError>>,
    /// Who is asked where there are pictures that the model that answers can't see.
    for_pictures: Vec<ModelRef>,
}

/// Why a name stands for no model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Nothing was named.
    #[error("no model was named; write provider/model, for instance builtin/basic")]
    Empty,
    /// No provider and no list knows it.
    #[error("unknown model \"{name}\"{}; `openclaw models list` shows what there is", hint(.nearest.as_deref()))]
    Unknown {
        /// What was written.
        name: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// The configuration's list doesn't have it.
    #[error("Model \"{0}\" is not allowed. Use /model to list available models.")]
    NotAllowed(String),
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(" (did you mean {nearest}?)"))
}

impl Catalogue {
    /// Makes the catalogue.
    pub fn build(inputs: &Inputs<'_>) -> Self {
        let providers: Vec<_> = entry::entries(inputs).into_iter().map(Arc::new).collect();
        let defaults = inputs.config.agents.defaults.or_default();
        let mut aliases: BTreeMap<String, String> = known::ALIASES
            .iter()
            .map(|(short, long)| ((*short).to_owned(), (*long).to_owned()))
            .collect();
        for (name, settings) in &defaults.models {
            if let Some(alias) = &settings.alias {
                aliases.insert(alias.trim().to_lowercase(), name.clone());
            }
        }
        let mut catalogue = Self {
            providers,
            aliases,
            allowed: Vec::new(),
            params: BTreeMap::new(),
            choice: Choice::builtin(),
            agents: BTreeMap::new(),
            for_pictures: Vec::new(),
            embedding: Err(ModelError::new(ModelErrorKind::ModelNotFound, "")),
            embeddings: BTreeMap::new(),
        };
        for (name, settings) in &defaults.models {
            let params = settings.params.clone().filter(Value::is_object);
            if let (Ok(reference), Some(params)) = (catalogue.find(name), params) {
                catalogue.params.insert(reference.to_string(), params);
            }
        }
        catalogue.choice = choice::choose(&catalogue, inputs, &defaults.model);
        for id in inputs.config.agents.ids() {
            let own = inputs.config.agents.resolve(&id).map(|agent| agent.model);
            if let Some(mut own) = own.filter(|own| *own != defaults.model) {
                // Who names only those who stand in keeps the house's model.
                own.primary = own.primary.or_else(|| defaults.model.primary.clone());
                let choice = choice::choose(&catalogue, inputs, &own);
                catalogue.agents.insert(id, choice);
            }
        }
        let (house, own) = embedding::wishes(inputs.config);
        catalogue.embedding = embedding::chosen(&catalogue, &house);
        let own = own.into_iter();
        let own = own.map(|(id, wish)| (id, embedding::chosen(&catalogue, &wish)));
        catalogue.embeddings = own.collect();
        catalogue.for_pictures = catalogue.image_models(inputs.config);
        catalogue.allowed = catalogue.allow_list(defaults.models.keys());
        catalogue
    }

    /// `agents.defaults.imageModel`, as far as it names models that can be called.
    fn image_models(&self, config: &Config) -> Vec<ModelRef> {
        let wish = config.tree.value().pointer("/agents/defaults/imageModel");
        let wish = wish.unwrap_or(&Value::Null);
        let first = wish.as_str().or_else(|| wish.get("primary")?.as_str());
        let others = wish.get("fallbacks").and_then(Value::as_array);
        let others = others.into_iter().flatten().filter_map(Value::as_str);
        let mut models: Vec<ModelRef> = Vec::new();
        for name in first.into_iter().chain(others) {
            match self.find(name) {
                Ok(model) if self.check(&model).is_err() || models.contains(&model) => {}
                Ok(model) => models.push(model),
                Err(error) => tracing::warn!(%error, "agents.defaults.imageModel"),
            }
        }
        models
    }

    /// Who is asked where there are pictures that the model that answers can't see, in order.
    pub fn for_pictures(&self) -> &[ModelRef] {
        &self.for_pictures
    }

    /// A list in the configuration allows what is on it, and what it chooses.
    fn allow_list<'n>(&self, names: impl Iterator<Item = &'n String>) -> Vec<ModelRef> {
        let mut allowed: Vec<ModelRef> = names.filter_map(|name| self.find(name).ok()).collect();
        if allowed.is_empty() {
            return allowed;
        }
        for choice in self.agents.values().chain([&self.choice]) {
            allowed.push(choice.model.clone());
            allowed.extend(choice.fallbacks.iter().cloned());
        }
        allowed.extend(self.for_pictures.iter().cloned());
        allowed.push(ModelRef::new(BUILTIN, BASIC));
        allowed
    }

    /// The model that answers unless an agent or a session has another, and why.
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// The model that answers for an agent, and why.
    pub fn choice_for(&self, agent: &AgentId) -> &Choice {
        self.agents.get(agent).unwrap_or(&self.choice)
    }

    /// Who makes vectors of texts for an agent, or why nobody does; `wanted` names a model other than the chosen.
    pub fn embedding_for(
        &self,
        agent: &AgentId,
        wanted: Option<&str>,
    ) -> Result<Embedder, ModelError> {
        let usual = self.embeddings.get(agent).unwrap_or(&self.embedding);
        match wanted {
            Some(name) => embedding::named(self, usual, name),
            None => usual.clone(),
        }
    }

    /// Reads what a person wrote: `provider/model`, an alias, or the bare name of a listed model.
    pub fn resolve(&self, name: &str) -> Result<ModelRef, ResolveError> {
        let reference = self.find(name)?;
        if self.allowed.is_empty() || self.allowed.contains(&reference) {
            Ok(reference)
        } else {
            Err(ResolveError::NotAllowed(reference.to_string()))
        }
    }

    /// The same without regard to what is allowed: for those who change the list.
    pub fn resolve_any(&self, name: &str) -> Result<ModelRef, ResolveError> {
        self.find(name)
    }

    /// The short names and what they stand for.
    pub fn aliases(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.aliases.iter();
        pairs.map(|(alias, model)| (alias.as_str(), model.as_str()))
    }

    /// The same with an account: `provider/model@profile`.
    pub fn resolve_account(&self, name: &str) -> Result<(ModelRef, Option<String>), ResolveError> {
        let (name, account) = self.split_account(name);
        Ok((self.resolve(name)?, account))
    }

    /// Models have `@` in their names too: what follows it counts only when there is such an account.
    fn split_account<'n>(&self, name: &'n str) -> (&'n str, Option<String>) {
        let accounts = || self.providers().flat_map(|entry| &entry.endpoint.accounts);
        let mut ats = name.match_indices('@');
        let found = ats.find_map(|(at, _)| {
            let (before, after) = (name.get(..at)?, name.get(at + 1..)?.trim());
            let account = accounts().find(|account| account.id == after)?;
            Some((before, account.id.clone()))
        });
        match found {
            Some((name, account)) => (name, Some(account)),
            None => (name, None),
        }
    }

    fn find(&self, name: &str) -> Result<ModelRef, ResolveError> {
        let name = name.trim();
        if name.is_empty() {
            return Err(ResolveError::Empty);
        }
        let alias = self.aliases.get(&name.to_lowercase());
        let name = alias.map_or(name, String::as_str);
        if let Some((provider, model)) = name.split_once('/') {
            let id = provider_id(provider);
            if let Some(entry) = self.provider(&id).filter(|_| !model.is_empty()) {
                // Some models carry their provider's name in their own.
                let own = |written: &str| {
                    let mut models = entry.endpoint.models.iter();
                    models.any(|info| info.reference.model == written)
                };
                if own(name) && !own(model) {
                    return Ok(ModelRef::new(id, name));
                }
                if id != BUILTIN || model == BASIC {
                    return Ok(ModelRef::new(id, model));
                }
            }
        }
        // A server at home is known also while it is not there.
        if let Some((provider, model)) = name.split_once('/') {
            let id = provider_id(provider);
            let at_home = known::known(&id).is_some_and(|known| known.auth == known::Auth::Open);
            if at_home && !model.is_empty() {
                return Ok(ModelRef::new(id, model));
            }
        }
        // A bare name, or one with slashes of its own, of a model that is listed.
        let listed = self.usable().chain(self.providers()).find_map(|entry| {
            let models = &entry.endpoint.models;
            models.iter().find(|info| info.reference.model == name)
        });
        match listed {
            Some(info) => Ok(info.reference.clone()),
            None if name.starts_with("claude-") => Ok(ModelRef::new("anthropic", name)),
            None => Err(ResolveError::Unknown {
                name: name.to_owned(),
                nearest: self.nearest(name),
            }),
        }
    }

    /// The listed model or alias that looks most like a name.
    fn nearest(&self, name: &str) -> Option<String> {
        let lower = name.to_lowercase();
        let listed = self.models().map(|info| info.reference.to_string());
        let names = self.aliases.keys().cloned().chain(listed);
        let mut best: Option<(usize, String)> = None;
        for candidate in names {
            let bare = candidate
                .split_once('/')
                .map_or(&*candidate, |(_, model)| model);
            let distance = distance(&lower, bare).min(distance(&lower, &candidate));
            if distance <= lower.chars().count() / 3
                && best.as_ref().is_none_or(|(least, _)| distance < *least)
            {
                best = Some((distance, candidate));
            }
        }
        best.map(|(_, candidate)| candidate)
    }

    /// All providers, also those whose key is missing.
    pub fn providers(&self) -> impl Iterator<Item = &ProviderEntry> {
        self.providers.iter().map(AsRef::as_ref)
    }

    /// A provider by id.
    pub fn provider(&self, id: &str) -> Option<&ProviderEntry> {
        let id = provider_id(id);
        self.providers().find(|entry| entry.endpoint.provider == id)
    }

    /// The providers that can be called.
    pub fn usable(&self) -> impl Iterator<Item = &ProviderEntry> {
        self.providers().filter(|entry| entry.usable())
    }

    /// The models of the providers that can be called, as far as they are known.
    pub fn models(&self) -> impl Iterator<Item = &ModelInfo> {
        self.usable().flat_map(|entry| &entry.endpoint.models)
    }

    /// What is known of a model.
    pub fn info(&self, reference: &ModelRef) -> Option<ModelInfo> {
        let entry = self.provider(&reference.provider)?;
        Some(entry.endpoint.model(reference))
    }

    /// The parameters that the configuration sets for a model; null for none.
    pub fn params(&self, reference: &ModelRef) -> Value {
        let params = self.params.get(&reference.to_string());
        params.cloned().unwrap_or(Value::Null)
    }

    /// Tells before a call whether it can be made, and what mends it if not.
    pub fn check(&self, reference: &ModelRef) -> Result<Arc<Endpoint>, ModelError> {
        let Some(entry) = self.provider(&reference.provider) else {
            return Err(ModelError::new(
                ModelErrorKind::ModelNotFound,
                format!(
                    "there is no provider \"{}\"; add it with `openclaw config set models.providers.{}.baseUrl <address>`, or choose another model",
                    reference.provider, reference.provider
                ),
            ));
        };
        match entry.problem() {
            None => Ok(Arc::clone(&entry.endpoint)),
            Some(problem) => Err(ModelError::new(ModelErrorKind::Auth, problem)),
        }
    }

    /// The answer of `models.list`.
    pub fn list(&self) -> Vec<Value> {
        self.models()
            .filter(|info| self.allowed.is_empty() || self.allowed.contains(&info.reference))
            .map(listing)
            .collect()
    }
}

/// One model as clients list it.
fn listing(info: &ModelInfo) -> Value {
    let mut input = vec!["text"];
    if info.images {
        input.push("image");
    }
    let mut value = json!({
        "id": info.reference.model,
        "name": info.name,
        "provider": info.reference.provider,
        "reasoning": info.reasoning,
        "input": input,
    });
    if let (Some(window), Value::Object(fields)) = (info.context_window, &mut value) {
        fields.insert("contextWindow".into(), json!(window));
    }
    value
}

/// A provider's id as it is stored.
fn provider_id(written: &str) -> String {
    let id = written.trim().to_lowercase();
    let spelling = known::SPELLINGS.iter().find(|(other, _)| *other == id);
    spelling.map_or(id, |(_, id)| (*id).to_owned())
}

/// Letters to change from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let change = corner + usize::from(x != *y);
            corner = *cell;
            left = change.min(left + 1).min(corner + 1);
            *cell = left;
        }
    }
    match row.last() {
        Some(last) if !b.is_empty() => *last,
        _ => a.chars().count(),
    }
}

impl std::fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inputs")
            .field("local", &self.local)
            .field("now_ms", &self.now_ms)
            .finish_non_exhaustive()
    }
}

/// The wire that a word in the configuration stands for.
fn wire(api: openclaw_protocol::config::Api) -> Wire {
    use openclaw_protocol::config::Api;
    match api {
        // Copilot's models are behind chat completions; what differs is the key.
        Api::OpenaiCompletions | Api::GithubCopilot => Wire::OpenaiCompletions,
        Api::OpenaiResponses => Wire::OpenaiResponses,
        Api::OpenaiCodexResponses => Wire::OpenaiCodexResponses,
        Api::AnthropicMessages => Wire::AnthropicMessages,
        Api::GoogleGenerativeAi => Wire::GoogleGenerativeAi,
        Api::Ollama => Wire::Ollama,
        Api::BedrockConverseStream => Wire::BedrockConverseStream,
    }
}
