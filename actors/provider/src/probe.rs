//! Asks each credential for a word: whether it works can only be seen from a call.
//!
//! For a command, not for the gateway: it takes no permit, and rests hold nobody back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use openclaw_protocol::AgentId;
use openclaw_protocol::Message;
use openclaw_protocol::ModelRef;
use openclaw_protocol::SessionKey;
use serde_json::json;
use tokio::time::Instant;

use crate::account::Account;
use crate::catalogue::Catalogue;
use crate::catalogue::ProviderEntry;
use crate::client::client_with;
use crate::embedding::is_remote;
use crate::embedding::makes_vectors;
use crate::endpoint::Endpoint;
use crate::endpoint::Wire;
use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::error::Phase;
use crate::keeper;
use crate::model::ModelEvent;
use crate::model::ModelRequest;

#[cfg(test)]
mod tests;

/// What is asked, and how.
#[derive(Debug, Clone)]
pub struct ProbeOptions {
    /// Only this provider.
    pub provider: Option<String>,
    /// Only these credentials; all when empty.
    pub accounts: Vec<String>,
    /// How long one call may take.
    pub within: Duration,
    /// How many calls at the same time.
    pub concurrency: usize,
    /// The longest answer, in tokens.
    pub max_tokens: u32,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self {
            provider: None,
            accounts: Vec::new(),
            within: Duration::from_secs(8),
            concurrency: 2,
            // OpenAI takes no smaller limit.
            max_tokens: 16,
        }
    }
}

/// How one credential fared.
#[derive(Debug, Clone)]
pub struct Probed {
    /// The provider.
    pub provider: String,
    /// The credential; none where none is needed.
    pub account: Option<String>,
    /// What was asked; none where no model is known.
    pub model: Option<ModelRef>,
    /// Until the first word, or the end.
    pub took: Duration,
    /// Why it did not answer.
    pub error: Option<ModelError>,
}

/// Asks every credential of every provider that can be called, in the catalogue's order.
pub async fn probe(catalogue: &Catalogue, options: &ProbeOptions) -> Vec<Probed> {
    let only = options.provider.as_deref().map(|name| {
        let found = catalogue.provider(name);
        found.map_or(name, |entry| &*entry.endpoint.provider)
    });
    let wanted = |entry: &&ProviderEntry| {
        let endpoint = &entry.endpoint;
        let fits = only.is_none_or(|only| only == endpoint.provider);
        // What makes vectors only has nothing to say.
        fits && endpoint.wire != Wire::Builtin && !is_remote(&endpoint.provider)
    };
    let calls = catalogue.usable().filter(wanted).flat_map(|entry| {
        let model = asked(catalogue, entry);
        let accounts: Vec<Option<Account>> = match entry.endpoint.accounts.as_slice() {
            [] => vec![None],
            accounts => accounts.iter().cloned().map(Some).collect(),
        };
        let endpoint = Arc::clone(&entry.endpoint);
        let accounts = accounts.into_iter();
        accounts.map(move |account| (Arc::clone(&endpoint), model.clone(), account))
    });
    let fits = |account: &Option<Account>| {
        let id = account.as_ref().map(|account| &account.id);
        options.accounts.is_empty() || id.is_some_and(|id| options.accounts.contains(id))
    };
    let calls = calls.filter(|(_, _, account)| fits(account));
    stream::iter(calls.map(|(endpoint, model, account)| one(endpoint, model, account, options)))
        .buffered(options.concurrency.max(1))
        .collect()
        .await
}

/// The model that answers, else the usual one of the provider, else the first that is known.
fn asked(catalogue: &Catalogue, entry: &ProviderEntry) -> Option<ModelRef> {
    let id = &entry.endpoint.provider;
    let chosen = &catalogue.choice().model;
    if chosen.provider == *id {
        return Some(chosen.clone());
    }
    if let Some(usual) = &entry.default_model {
        return Some(ModelRef::new(id, usual));
    }
    let mut models = entry.endpoint.models.iter().map(|info| &info.reference);
    models.find(|model| !makes_vectors(&model.model)).cloned()
}

async fn one(
    endpoint: Arc<Endpoint>,
    model: Option<ModelRef>,
    account: Option<Account>,
    options: &ProbeOptions,
) -> Probed {
    let begun = Instant::now();
    let asked = async {
        let model = model.as_ref().ok_or_else(no_model)?;
        let request = ModelRequest {
            messages: [Arc::new(Message::user("Reply with OK.", 0))].into(),
            ..plain(model, options.max_tokens)
        };
        ask(&endpoint, account.as_ref(), request).await
    };
    let answered = tokio::time::timeout(options.within, asked).await;
    let outcome = answered.unwrap_or_else(|_| Err(late(&endpoint.provider, options.within)));
    let account = account.filter(|account| account.id != "none");
    Probed {
        provider: endpoint.provider.clone(),
        account: account.map(|account| account.id),
        model,
        took: outcome
            .as_ref()
            .map_or_else(|_| begun.elapsed(), |first| *first - begun),
        error: outcome.err(),
    }
}

/// A request that says nothing yet.
pub(crate) fn plain(model: &ModelRef, max_tokens: u32) -> ModelRequest {
    ModelRequest {
        model: model.clone(),
        system: "".into(),
        messages: [].into(),
        tools: [].into(),
        max_tokens: Some(max_tokens),
        session: SessionKey::main(&AgentId::main()),
        params: json!({ "thinking": "off" }),
    }
}

/// Makes one call to its end; says when its first word came.
pub(crate) async fn ask(
    endpoint: &Arc<Endpoint>,
    account: Option<&Account>,
    request: ModelRequest,
) -> Result<Instant, ModelError> {
    follow(endpoint, account, request)
        .await
        .map(|(first, _)| first)
}

/// The same with the names of the tools that were called.
pub(crate) async fn follow(
    endpoint: &Arc<Endpoint>,
    account: Option<&Account>,
    request: ModelRequest,
) -> Result<(Instant, Vec<String>), ModelError> {
    let access = match account {
        Some(account) => keeper::grant(account).await?,
        None => endpoint.access.clone(),
    };
    let model = request.model.clone();
    let mut events = client_with(Arc::clone(endpoint), &model, access).stream(request);
    let (mut first, mut called) = (None, Vec::new());
    while let Some(event) = events.next().await {
        let event = event?;
        let now = *first.get_or_insert_with(Instant::now);
        match event {
            ModelEvent::ToolCall { name, .. } => called.push(name),
            ModelEvent::Done { .. } => return Ok((now, called)),
            _ => {}
        }
    }
    let text = format!("{} said nothing", endpoint.provider);
    Err(ModelError::new(ModelErrorKind::Network, text))
}

fn no_model() -> ModelError {
    ModelError::new(ModelErrorKind::ModelNotFound, "no model of it is known")
}

pub(crate) fn late(provider: &str, within: Duration) -> ModelError {
    let text = format!(
        "{provider} did not answer within {} s",
        within.as_secs_f64()
    );
    ModelError::new(ModelErrorKind::Timeout(Phase::Total), text)
}
