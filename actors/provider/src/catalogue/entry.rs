//! One provider of the catalogue: from known data, the configuration, credentials and discovery.

mod vectors;

use std::collections::BTreeMap;
use std::sync::Arc;

use openclaw_protocol::ModelRef;
use openclaw_protocol::Secret;
use openclaw_protocol::config::ModelDef;
use openclaw_protocol::config::ProviderConfig;
use openclaw_protocol::config::models::ModelCost;
use openclaw_protocol::config::models::Timeouts;

use super::BASIC;
use super::BUILTIN;
use super::Credential;
use super::Inputs;
use super::LocalServer;
use super::credential::credential;
use super::credential::ordered;
use super::known::Auth;
use super::known::Known;
use super::known::PROVIDERS;
use super::known::known;
use super::provider_id;
use super::region;
use super::wire;
use crate::access::Access;
use crate::account::Account;
use crate::cooldown::Rests;
use crate::deadline::Deadlines;
use crate::embedding::makes_vectors;
use crate::embedding::wishes;
use crate::endpoint::Endpoint;
use crate::endpoint::ModelInfo;
use crate::endpoint::Quirks;
use crate::endpoint::ThinkingField;
use crate::endpoint::Wire;
use crate::history::History;

/// A household's agents ask this often at the same time; a provider's own limit is higher.
const CONCURRENCY: usize = 8;
/// One provider.
#[derive(Debug, Clone)]
pub struct ProviderEntry {
    /// The name to show.
    pub name: String,
    /// How it is reached.
    pub endpoint: Arc<Endpoint>,
    /// Where its key is from.
    pub credential: Credential,
    /// Whether the configuration names it.
    pub configured: bool,
    /// Whether it answered on this machine.
    pub discovered: bool,
    /// What to call when the provider is all there is.
    pub default_model: Option<String>,
    /// What is remembered of its accounts from before.
    pub history: History,
    /// Why the keys in Amazon's own files can't be used, where they would be.
    amazon: Option<String>,
}

impl ProviderEntry {
    /// Whether it can be called.
    pub fn usable(&self) -> bool {
        !matches!(self.credential, Credential::Missing(_)) && self.unreachable().is_none()
    }

    /// Why it can't be called, and what mends it.
    pub fn problem(&self) -> Option<String> {
        let id = &self.endpoint.provider;
        if let Some(problem) = self.unreachable() {
            return Some(problem);
        }
        let Credential::Missing(names) = &self.credential else {
            return None;
        };
        if let Some(problem) = &self.amazon {
            return Some(problem.clone());
        }
        if names.is_empty() {
            return Some(format!(
                "nobody is signed in at {id}; run `openclaw models auth login --provider {id}`"
            ));
        }
        let variable = names.first().map_or_else(String::new, |name| {
            format!("set {name} in the environment or ")
        });
        Some(format!(
            "there is no key for {id}; {variable}run `openclaw config set models.providers.{id}.apiKey <key>`"
        ))
    }
}

impl ProviderEntry {
    fn unreachable(&self) -> Option<String> {
        let Endpoint {
            provider,
            base_url,
            wire,
            ..
        } = &*self.endpoint;
        (base_url.is_empty() && *wire != Wire::Builtin).then(|| {
            format!(
                "there is no address for {provider}; run `openclaw config set models.providers.{provider}.baseUrl <address>`"
            )
        })
    }
}

/// All providers, in the order of the choice: configured ones first.
pub(super) fn entries(inputs: &Inputs<'_>) -> Vec<ProviderEntry> {
    let models = &inputs.config.models;
    let mut list: Vec<ProviderEntry> = Vec::new();
    let mut off: Vec<String> = Vec::new();
    for (written, section) in &models.providers {
        let id = provider_id(written);
        match section.get() {
            Some(config) if config.enabled != Some(false) => {
                list.push(entry(&id, known(&id), Some(config), inputs));
            }
            // Off, or not readable: its owner stays off.
            _ => off.push(id),
        }
    }
    if !models.replace {
        for known in PROVIDERS {
            let there = list.iter().any(|entry| entry.endpoint.provider == known.id);
            // A server at home is there when it answers, or when somebody says so.
            let said = known.env.iter().any(|name| (inputs.env)(name).is_some());
            let expected = known.auth != Auth::Open || said || named(known.id, inputs);
            if expected && !there && !off.iter().any(|id| id == known.id) {
                list.push(entry(known.id, Some(known), None, inputs));
            }
        }
    }
    for server in inputs.local {
        let there = list
            .iter()
            .any(|entry| entry.endpoint.provider == server.id);
        if !there && !off.contains(&server.id) {
            list.push(entry(&server.id, known(&server.id), None, inputs));
        }
    }
    let (house, own) = wishes(inputs.config);
    let wishes = std::iter::once(&house).chain(own.values());
    list.extend(wishes.filter_map(|wish| vectors::remote(wish, inputs)));
    list.push(builtin());
    list
}

fn entry(
    id: &str,
    known: Option<&Known>,
    config: Option<&ProviderConfig>,
    inputs: &Inputs<'_>,
) -> ProviderEntry {
    let server = inputs.local.iter().find(|server| server.id == id);
    let api = config.and_then(|config| config.api);
    let own = config.and_then(|config| config.base_url.as_deref());
    let wire = match (api, known) {
        (Some(api), _) => wire(api),
        (None, Some(known)) => known.wire_at(own),
        (None, None) => Wire::OpenaiCompletions,
    };
    let written = own
        .or_else(|| server.map(|server| server.base_url.as_str()))
        .or_else(|| known.map(|known| known.base_url))
        .unwrap_or_default();
    let base_url = wire.base_url(&region::placed(written, inputs));
    let near = is_near(&base_url);
    let quirks = known.map_or_else(Quirks::default, |known| known.quirks);
    // A known address on this machine is no server: only one that is configured or answered is.
    let needs_no_key = near && (config.is_some() || server.is_some());
    let (accounts, credential) = credential(id, known, config, needs_no_key, inputs);
    let history = inputs.profiles.history(id, &accounts);
    let mut models = Vec::new();
    for def in config.iter().flat_map(|config| &config.models) {
        models.push(defined(id, def, wire, quirks));
    }
    for model in server.iter().flat_map(|server| &server.models) {
        models.push(ModelInfo {
            name: file_name(&model.id).to_owned(),
            context_window: model.context_window,
            images: model.images,
            ..plain(id, &model.id, wire, quirks)
        });
    }
    for model in known.iter().flat_map(|known| known.models) {
        let [input, output, cache_read, cache_write] = model.cost;
        models.push(ModelInfo {
            name: model.name.to_owned(),
            context_window: Some(model.context),
            max_tokens: Some(model.output),
            reasoning: model.reasoning,
            images: model.images,
            cost: ModelCost {
                input,
                output,
                cache_read,
                cache_write,
            },
            ..plain(id, model.id, wire, quirks)
        });
    }
    dedupe(&mut models);
    let own = config.and_then(|config| config.models.first());
    let default_model = own
        .map(|def| def.id.clone())
        .or_else(|| server.and_then(talker))
        .or_else(|| known.map(|known| known.default_model.to_owned()))
        .filter(|model| !model.is_empty());
    let endpoint = Endpoint {
        provider: id.to_owned(),
        base_url,
        access: accounts
            .iter()
            .find_map(Account::access)
            .unwrap_or_default(),
        accounts,
        ordered: ordered(id, inputs),
        rests: rests(id, inputs),
        bearer: config
            .and_then(|config| config.auth_header)
            .unwrap_or(false),
        headers: headers(known, config),
        deadlines: deadlines(config.map(|config| config.timeouts), near),
        concurrency: config
            .and_then(|config| config.max_concurrent)
            .unwrap_or(CONCURRENCY)
            .max(1),
        quirks,
        wire,
        models,
    };
    ProviderEntry {
        name: known
            .map(|known| known.name)
            .or(server.map(|server| server.name.as_str()))
            .unwrap_or(id)
            .to_owned(),
        endpoint: Arc::new(endpoint),
        credential,
        configured: config.is_some(),
        discovered: server.is_some(),
        default_model,
        history,
        amazon: inputs
            .profiles
            .amazon()
            .filter(|_| known.is_some_and(|known| known.auth == Auth::Amazon))
            .and_then(|stored| stored.problem.clone()),
    }
}

/// Whether the configuration wants a model of a provider to answer or to stand in.
pub(super) fn named(id: &str, inputs: &Inputs<'_>) -> bool {
    let agents = &inputs.config.agents;
    let defaults = agents.defaults.or_default().model.clone();
    let own = agents
        .ids()
        .into_iter()
        .filter_map(|id| agents.resolve(&id));
    let mut choices = own.map(|agent| agent.model).chain([defaults]);
    choices.any(|choice| {
        let mut names = choice.primary.iter().chain(&choice.fallbacks);
        names.any(|name| {
            let provider = name
                .split_once('/')
                .map(|(provider, _)| provider_id(provider));
            provider.is_some_and(|provider| provider == id)
        })
    })
}

/// What a known provider wants to be sent along, and what the configuration adds.
fn headers(known: Option<&Known>, config: Option<&ProviderConfig>) -> BTreeMap<String, Secret> {
    let usual = known.into_iter().flat_map(|known| known.headers);
    let mut headers: BTreeMap<String, Secret> = usual
        .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
        .collect();
    let own = config.into_iter().flat_map(|config| &config.headers);
    headers.extend(own.map(|(name, value)| (name.to_ascii_lowercase(), value.clone())));
    headers
}

/// Whether an address is on this machine or its network.
fn is_near(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    match host.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(std::net::IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
        Err(_) => {
            let host = host.to_ascii_lowercase();
            host == "localhost" || host.ends_with(".local") || !host.contains('.')
        }
    }
}

fn deadlines(written: Option<Timeouts>, near: bool) -> Deadlines {
    let usual = if near {
        Deadlines::LOCAL
    } else {
        Deadlines::REMOTE
    };
    match written {
        Some(written) if written != Timeouts::default() => Deadlines {
            connect: millis(written.connect_ms),
            first_byte: millis(written.first_byte_ms),
            idle: millis(written.idle_ms),
            total: millis(written.total_ms),
        },
        _ => usual,
    }
}

/// `auth.cooldowns`: how long accounts without credit rest.
fn rests(id: &str, inputs: &Inputs<'_>) -> Rests {
    let usual = Rests::default();
    let tree = inputs.config.tree.value();
    let hours = |pointer: &str, usual: std::time::Duration| {
        let hours = tree.pointer(pointer).and_then(serde_json::Value::as_f64);
        hours
            .and_then(|hours| std::time::Duration::try_from_secs_f64(hours * 3600.0).ok())
            .filter(|rest| !rest.is_zero())
            .unwrap_or(usual)
    };
    let billing = hours("/auth/cooldowns/billingBackoffHours", usual.billing);
    let own = format!("/auth/cooldowns/billingBackoffHoursByProvider/{id}");
    Rests {
        billing: hours(&own, billing),
        billing_most: hours("/auth/cooldowns/billingMaxHours", usual.billing_most),
        window: hours("/auth/cooldowns/failureWindowHours", usual.window),
    }
}

/// Nought would end every call before it begins.
fn millis(written: u64) -> std::time::Duration {
    std::time::Duration::from_millis(written.max(1))
}

fn plain(provider: &str, model: &str, wire: Wire, quirks: Quirks) -> ModelInfo {
    ModelInfo {
        reference: ModelRef::new(provider, model),
        name: model.to_owned(),
        wire,
        context_window: None,
        max_tokens: None,
        reasoning: false,
        images: false,
        cost: ModelCost::default(),
        headers: BTreeMap::new(),
        quirks,
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // token counts, cut at nought
fn defined(provider: &str, def: &ModelDef, usual: Wire, quirks: Quirks) -> ModelInfo {
    let compat = &def.compat;
    ModelInfo {
        name: def.name.clone().unwrap_or_else(|| def.id.clone()),
        context_window: def.context_window.map(|tokens| tokens as u64),
        max_tokens: def.max_tokens.map(|tokens| tokens as u32),
        reasoning: def.reasoning,
        images: def.input.iter().any(|input| input == "image"),
        cost: def.cost,
        headers: def.headers.clone(),
        quirks: Quirks {
            thinking: match compat.supports_reasoning_effort {
                Some(true) => ThinkingField::Effort,
                Some(false) => ThinkingField::None,
                None => quirks.thinking,
            },
            completion_tokens_field: compat
                .max_tokens_field
                .as_deref()
                .map_or(quirks.completion_tokens_field, |name| {
                    name == "max_completion_tokens"
                }),
            ..quirks
        },
        ..plain(provider, &def.id, def.api.map_or(usual, wire), quirks)
    }
}

fn dedupe(models: &mut Vec<ModelInfo>) {
    let mut seen = std::collections::HashSet::new();
    models.retain(|info| seen.insert(info.reference.model.clone()));
}

/// llama.cpp calls a model by the path of its file; people know it by the file's name.
fn file_name(id: &str) -> &str {
    match id.strip_suffix(".gguf") {
        Some(path) => path.rsplit('/').next().unwrap_or(id),
        None => id,
    }
}

/// The first model of a server that talks: some only turn text into numbers.
fn talker(server: &LocalServer) -> Option<String> {
    let mute = ["rerank", "whisper"];
    let talks = |id: &str| {
        let lower = id.to_lowercase();
        !makes_vectors(id) && !mute.iter().any(|word| lower.contains(word))
    };
    let found = server.models.iter().find(|model| talks(&model.id))?;
    Some(found.id.clone())
}

fn builtin() -> ProviderEntry {
    let info = ModelInfo {
        name: "Built-in assistant (rule-based)".to_owned(),
        context_window: Some(200_000),
        ..plain(BUILTIN, BASIC, Wire::Builtin, Quirks::default())
    };
    ProviderEntry {
        name: "Built-in".to_owned(),
        endpoint: Arc::new(Endpoint {
            provider: BUILTIN.to_owned(),
            base_url: String::new(),
            access: Access::default(),
            accounts: Vec::new(),
            ordered: false,
            rests: Rests::default(),
            bearer: false,
            headers: BTreeMap::new(),
            deadlines: Deadlines::REMOTE,
            // It waits for nothing, so many may ask.
            concurrency: 64,
            quirks: Quirks::default(),
            wire: Wire::Builtin,
            models: vec![info],
        }),
        credential: Credential::NotNeeded,
        configured: false,
        discovered: false,
        default_model: Some(BASIC.to_owned()),
        history: History::default(),
        amazon: None,
    }
}
