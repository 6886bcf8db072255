//! Which provider makes the vectors, and why. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use openclaw_protocol::AgentId;
use openclaw_protocol::Config;
use openclaw_protocol::ModelRef;
use serde_json::Value;

use super::Embedder;
use super::wire::Shape;
use crate::catalogue::Catalogue;
use crate::catalogue::ProviderEntry;
use crate::error::ModelError;
use crate::error::ModelErrorKind;

/// The provider that `memorySearch.remote` makes: another address, key or headers for vectors only.
const REMOTE: &str = "memory-search";

/// Provider, what it is asked for when nobody says, US dollars for a million tokens.
const USUAL: &[(&str, &str, f64)] = &[
    ("openai", "text-embedding-3-small", 0.02),
    ("google", "gemini-embedding-001", 0.15),
    ("voyage", "voyage-4-large", 0.0),
    ("mistral", "mistral-embed", 0.1),
    ("ollama", "nomic-embed-text", 0.0),
    ("lmstudio", "text-embedding-nomic-embed-text-v1.5", 0.0),
];
/// What else is known of prices.
const PRICES: &[(&str, f64)] = &[
    ("text-embedding-3-large", 0.13),
    ("text-embedding-ada-002", 0.1),
    ("voyage-3.5", 0.06),
    ("voyage-3.5-lite", 0.02),
    ("voyage-3-large", 0.18),
];
/// Who is asked when nobody says, after the servers of this machine.
const ORDER: [&str; 4] = ["openai", "google", "voyage", "mistral"];

/// What the configuration says of vectors: for the house, or for one agent.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// `memorySearch`.
    pub(crate) settings: Value,
    /// The provider that its `remote` makes.
    pub(crate) remote: String,
}

/// The wish of the house, and those of the agents that have one of their own.
pub(crate) fn wishes(config: &Config) -> (Wish, BTreeMap<AgentId, Wish>) {
    let house = config.tree.value().pointer("/agents/defaults/memorySearch");
    let house = house.unwrap_or(&Value::Null);
    let listed = config.tree.value().pointer("/agents/list");
    let listed = listed.and_then(Value::as_array).into_iter().flatten();
    let own = listed.filter_map(|entry| {
        let id = AgentId::parse(entry.get("id")?.as_str()?).ok()?;
        let own = entry.get("memorySearch").filter(|own| own.is_object())?;
        let remote = format!("{REMOTE}-{id}");
        let settings = over(house, own);
        Some((id, Wish { settings, remote }))
    });
    let own = own.collect();
    let house = Wish {
        settings: house.clone(),
        remote: REMOTE.to_owned(),
    };
    (house, own)
}

/// An agent's settings stand over those of the house, field by field.
fn over(house: &Value, own: &Value) -> Value {
    match (house, own) {
        (Value::Object(house), Value::Object(own)) => {
            let mut both = house.clone();
            for (name, value) in own {
                let below = house.get(name).unwrap_or(&Value::Null);
                both.insert(name.clone(), over(below, value));
            }
            Value::Object(both)
        }
        (_, own) => own.clone(),
    }
}

/// Whether a provider is there for vectors only.
pub(crate) fn is_remote(provider: &str) -> bool {
    let rest = provider.strip_prefix(REMOTE);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Whether a model's name says that it makes vectors rather than words.
pub(crate) fn makes_vectors(id: &str) -> bool {
    let id = id.to_lowercase();
    let words = ["embed", "bge-", "minilm", "-e5-", "gte-"];
    words.iter().any(|word| id.contains(word)) && !id.contains("rerank")
}

/// What the configuration chooses, else the first provider that can be called.
pub(crate) fn chosen(catalogue: &Catalogue, wish: &Wish) -> Result<Embedder, ModelError> {
    let remote = wish.remote.as_str();
    let text = |name: &str| {
        let found = wish.settings.get(name).and_then(Value::as_str);
        found.map(str::trim).filter(|text| !text.is_empty())
    };
    let model = text("model");
    let folder = wish.settings.pointer("/local/modelPath");
    let folder = folder.and_then(Value::as_str).and_then(here);
    let meant = text("provider").is_none_or(|named| matches!(named, "auto" | "local"));
    if let (Some(folder), true) = (folder, meant) {
        return Ok(computed(folder));
    }
    let Some(named) = text("provider").filter(|named| *named != "auto") else {
        return found(catalogue, remote, model);
    };
    let first = asked(catalogue, remote, named, model);
    match (first, text("fallback").filter(|name| *name != "none")) {
        // Another provider has another model: the name is not for it.
        (Err(error), Some(other)) => asked(catalogue, remote, other, None).map_err(|_| error),
        (first, _) => first,
    }
}

/// The folder that `memorySearch.local.modelPath` names. Other programs take one file there, or a place to load it
/// from: a server of this machine stands in for those.
fn here(written: &str) -> Option<&Path> {
    let written = written.trim();
    let other = written.is_empty() || written.starts_with("hf:") || written.contains("://");
    let file = written.to_ascii_lowercase().ends_with(".gguf");
    (!other && !file).then(|| Path::new(written))
}

/// A model that is computed here; whether the folder holds one shows when it is read.
fn computed(folder: &Path) -> Embedder {
    let name = folder.file_name().map(|name| name.to_string_lossy());
    let name = name.unwrap_or_else(|| "model".into());
    Embedder {
        model: ModelRef::new("local", name),
        reason: "memorySearch.local.modelPath is set".to_owned(),
        shape: Shape::Openai,
        price: 0.0,
        here: Some(folder.to_owned()),
    }
}

/// The same for a model that somebody names: `provider/model`, or a model of the chosen provider.
pub(crate) fn named(
    catalogue: &Catalogue,
    usual: &Result<Embedder, ModelError>,
    name: &str,
) -> Result<Embedder, ModelError> {
    let name = name.trim();
    if let Some((provider, model)) = name.split_once('/')
        && let Some(entry) = catalogue.provider(provider)
    {
        return with(entry, Some(model), format!("{name} was asked for"));
    }
    let usual = usual.clone()?;
    if usual.here.is_some() && usual.model.model == name {
        return Ok(usual);
    }
    let entry = catalogue.provider(&usual.model.provider);
    let entry = entry.ok_or_else(none)?;
    with(entry, Some(name), format!("{name} was asked for"))
}

/// The provider that the configuration names.
fn asked(
    catalogue: &Catalogue,
    remote: &str,
    wish: &str,
    model: Option<&str>,
) -> Result<Embedder, ModelError> {
    let reason = format!("memorySearch.provider is \"{wish}\"");
    if wish == "local" {
        let entry = local(catalogue).ok_or_else(|| {
            let text = "no server on this machine has a model for embeddings; `ollama pull nomic-embed-text` brings one to Ollama";
            ModelError::new(ModelErrorKind::ModelNotFound, text)
        })?;
        return with(entry, model, reason);
    }
    // What was set for vectors only goes before the provider's own.
    let entry = catalogue
        .provider(remote)
        .or_else(|| catalogue.provider(wish));
    let Some(entry) = entry else {
        let text = format!("there is no provider \"{wish}\" for embeddings");
        return Err(ModelError::new(ModelErrorKind::ModelNotFound, text));
    };
    if entry.endpoint.provider != remote {
        return with(entry, model, reason);
    }
    let known = catalogue
        .provider(wish)
        .map_or(wish, |own| &own.endpoint.provider);
    let model = model.or(usual(known).map(|(model, _)| model));
    let mut embedder = with(entry, model, reason)?;
    if known == "voyage" {
        embedder.shape = Shape::Voyage;
    }
    Ok(embedder)
}

/// The first that can be called.
fn found(catalogue: &Catalogue, remote: &str, model: Option<&str>) -> Result<Embedder, ModelError> {
    if let Some(entry) = catalogue.provider(remote) {
        let reason = "memorySearch.remote is set".to_owned();
        let model = model.or(usual("openai").map(|(model, _)| model));
        return with(entry, model, reason);
    }
    if let Some(entry) = local(catalogue) {
        let reason = format!("{} has a model for it", entry.name);
        return with(entry, model, reason);
    }
    let mut known = ORDER.iter().filter_map(|id| catalogue.provider(id));
    match known.find(|entry| entry.usable()) {
        Some(entry) => with(entry, model, format!("{} can be called", entry.name)),
        None => Err(none()),
    }
}

fn none() -> ModelError {
    let text = "no provider of embeddings is configured; set OPENAI_API_KEY, GEMINI_API_KEY or VOYAGE_API_KEY, or run Ollama with a model such as nomic-embed-text";
    ModelError::new(ModelErrorKind::Auth, text)
}

/// A server on this machine that has such a model.
fn local(catalogue: &Catalogue) -> Option<&ProviderEntry> {
    let mut here = catalogue.usable().filter(|entry| entry.discovered);
    here.find(|entry| own(entry).is_some())
}

/// A model of a provider's list that makes vectors.
fn own(entry: &ProviderEntry) -> Option<&str> {
    let mut models = entry.endpoint.models.iter();
    let found = models.find(|info| makes_vectors(&info.reference.model))?;
    Some(&found.reference.model)
}

fn usual(provider: &str) -> Option<(&'static str, f64)> {
    let found = USUAL.iter().find(|(id, ..)| *id == provider)?;
    Some((found.1, found.2))
}

fn with(
    entry: &ProviderEntry,
    model: Option<&str>,
    reason: String,
) -> Result<Embedder, ModelError> {
    let provider = &entry.endpoint.provider;
    if let Some(problem) = entry.problem() {
        return Err(ModelError::new(ModelErrorKind::Auth, problem));
    }
    let Some(shape) = Shape::of(&entry.endpoint) else {
        let text = format!(
            "{provider} makes no embeddings; openai, google, voyage, mistral and ollama do"
        );
        return Err(ModelError::new(ModelErrorKind::ModelNotFound, text));
    };
    let known = usual(provider);
    let model = model
        .map(|model| model.strip_prefix(&format!("{provider}/")).unwrap_or(model))
        .or_else(|| own(entry))
        .or(known.map(|(model, _)| model));
    let Some(model) = model else {
        let text = format!(
            "which model of {provider} makes embeddings is not known; run `openclaw config set agents.defaults.memorySearch.model <model>`"
        );
        return Err(ModelError::new(ModelErrorKind::ModelNotFound, text));
    };
    let prices = USUAL.iter().map(|(_, model, price)| (*model, *price));
    let mut prices = prices.chain(PRICES.iter().copied());
    Ok(Embedder {
        model: ModelRef::new(provider, model),
        reason,
        shape,
        here: None,
        price: prices
            .find(|(known, _)| *known == model)
            .map_or(0.0, |(_, price)| price),
    })
}
