//! The provider that stands in the configuration for vectors only.

use std::sync::Arc;

use openclaw_protocol::Secret;
use openclaw_protocol::config::Api;
use openclaw_protocol::config::ProviderConfig;

use super::Inputs;
use super::ProviderEntry;
use super::entry;
use super::known;
use super::provider_id;
use crate::embedding::Wish;
use crate::endpoint::Endpoint;
use crate::endpoint::Wire;

/// What `memorySearch.remote` sets: another address, key or headers, for vectors only.
pub(super) fn remote(wish: &Wish, inputs: &Inputs<'_>) -> Option<ProviderEntry> {
    let settings = &wish.settings;
    let remote = settings.get("remote")?.as_object()?;
    let text = |name: &str| {
        let found = remote.get(name)?.as_str().map(str::trim);
        found.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let headers = remote.get("headers").and_then(serde_json::Value::as_object);
    let headers = headers.into_iter().flatten().filter_map(|(name, value)| {
        let value = value.as_str()?;
        Some((name.clone(), Secret::new(value)))
    });
    let config = ProviderConfig {
        base_url: text("baseUrl"),
        api_key: text("apiKey").map(Secret::new),
        headers: headers.collect(),
        ..ProviderConfig::default()
    };
    if config.base_url.is_none() && config.api_key.is_none() && config.headers.is_empty() {
        return None;
    }
    let named = settings.get("provider").and_then(serde_json::Value::as_str);
    let like = known(&provider_id(named.unwrap_or("openai")))?;
    // A key of its own goes before the variables of the provider it stands for.
    let (like, config) = match config.api_key {
        None => (Some(like), config),
        Some(_) => {
            let base_url = config.base_url.or_else(|| Some(like.base_url.to_owned()));
            let api = (like.wire == Wire::GoogleGenerativeAi).then_some(Api::GoogleGenerativeAi);
            let config = ProviderConfig {
                base_url,
                api,
                ..config
            };
            (None, config)
        }
    };
    let entry = entry(&wish.remote, like, Some(&config), inputs);
    let endpoint = Endpoint {
        models: Vec::new(),
        ..(*entry.endpoint).clone()
    };
    Some(ProviderEntry {
        name: "Embeddings".to_owned(),
        endpoint: Arc::new(endpoint),
        default_model: None,
        ..entry
    })
}
