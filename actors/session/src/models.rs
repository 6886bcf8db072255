//! How a turn gets at a model: choose one, take a lease, say how it went.

use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::ModelRef;
use openclaw_protocol::config::ResolvedAgent;
use openclaw_provider::CallOutcome;
use openclaw_provider::Catalogue;
use openclaw_provider::Model;
use openclaw_provider::ModelError;
use openclaw_provider::ModelErrorKind;
use openclaw_provider::NoLease;
use openclaw_provider::Want;
use openclaw_provider::catalogue::ResolveError;
use openclaw_runtime::BoxFuture;
use openclaw_runtime::Directory;
use serde_json::Value;

/// How long a turn may queue for a permit; the turn's own deadline is usually earlier.
const QUEUE: Duration = Duration::from_secs(600);

/// The models of the house, as sessions see them.
pub trait Models: Send + Sync {
    /// Which model answers. `wanted` is the session's own choice, if a user made one.
    fn choose(&self, agent: &ResolvedAgent, wanted: Option<&str>) -> Result<Chosen, ModelError>;

    /// Waits for a permit to call a model.
    fn lease(&self, want: Want) -> BoxFuture<'static, Result<Leased, NoLease>>;
}

/// A model, and what has to be known to call it.
#[derive(Debug, Clone)]
pub struct Chosen {
    pub model: ModelRef,
    /// The wire, as transcripts name it.
    pub api: String,
    pub context_window: Option<u64>,
    pub max_tokens: Option<u32>,
    pub params: Value,
    /// The model can think.
    pub reasoning: bool,
    /// The account that a person chose for it.
    pub account: Option<String>,
    /// Who stands in for it, in order.
    pub fallbacks: Vec<Chosen>,
}

impl Chosen {
    /// A model of which nothing else is known.
    pub fn plain(model: ModelRef, api: &str) -> Self {
        Self {
            model,
            api: api.to_owned(),
            context_window: None,
            max_tokens: None,
            params: Value::Null,
            reasoning: false,
            account: None,
            fallbacks: Vec::new(),
        }
    }

    /// It and who stands in for it.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.fallbacks)
    }
}

/// A client and the permit to use it once; dropping it gives the permit back.
pub struct Leased {
    pub client: Arc<dyn Model>,
    /// The account it is called with.
    pub account: String,
    /// Tells the provider how the call went; owns the permit.
    pub report: Box<dyn FnOnce(CallOutcome) + Send>,
}

impl std::fmt::Debug for Leased {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leased").finish_non_exhaustive()
    }
}

/// The models of a running gateway: the catalogue of now, and the provider actors.
#[derive(Clone)]
pub struct HouseModels {
    pub directory: Directory,
    pub catalogue: Arc<dyn Fn() -> Arc<Catalogue> + Send + Sync>,
}

impl std::fmt::Debug for HouseModels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HouseModels").finish_non_exhaustive()
    }
}

impl HouseModels {
    fn chosen(catalogue: &Catalogue, agent: &ResolvedAgent, model: &ModelRef) -> Chosen {
        let info = catalogue.info(model);
        let window = info.as_ref().and_then(|info| info.context_window);
        let smaller = agent.defaults.context_tokens;
        Chosen {
            context_window: match (window, smaller) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            params: catalogue.params(model),
            reasoning: info.as_ref().is_some_and(|info| info.reasoning),
            ..Chosen::plain(
                model.clone(),
                info.as_ref().map_or("", |info| info.wire.as_str()),
            )
        }
    }
}

impl Models for HouseModels {
    fn choose(&self, agent: &ResolvedAgent, wanted: Option<&str>) -> Result<Chosen, ModelError> {
        let catalogue = (self.catalogue)();
        let choice = catalogue.choice_for(&agent.id);
        let (model, account) = match wanted {
            Some(name) => match catalogue.resolve_account(name) {
                Ok((model, account)) => (model, account),
                // One that is not there is passed over when somebody stands in for it.
                Err(ResolveError::Unknown { name, .. }) if !choice.fallbacks.is_empty() => {
                    let unknown = || ModelRef::new("unknown", name.as_str());
                    (name.parse().unwrap_or_else(|_| unknown()), None)
                }
                Err(error) => {
                    let kind = ModelErrorKind::ModelNotFound;
                    return Err(ModelError::new(kind, error.to_string()));
                }
            },
            None => (choice.model.clone(), choice.account.clone()),
        };
        let mut chosen = Self::chosen(&catalogue, agent, &model);
        chosen.account = account;
        // Whoever has a choice of their own still has the house's to fall back on.
        let usual = (!choice.fallbacks.is_empty()).then_some(&choice.model);
        let mut chain: Vec<&ModelRef> = Vec::new();
        for next in choice.fallbacks.iter().chain(usual) {
            if *next != model && !chain.contains(&next) {
                chain.push(next);
            }
        }
        chosen.fallbacks = chain
            .into_iter()
            .map(|next| Self::chosen(&catalogue, agent, next))
            .collect();
        Ok(chosen)
    }

    fn lease(&self, want: Want) -> BoxFuture<'static, Result<Leased, NoLease>> {
        let (directory, catalogue) = (self.directory.clone(), (self.catalogue)());
        Box::pin(async move {
            let lease = openclaw_provider::lease(&directory, &catalogue, want, QUEUE).await?;
            Ok(Leased {
                client: lease.model().clone(),
                account: lease.account().to_owned(),
                report: Box::new(move |outcome| lease.report(outcome)),
            })
        })
    }
}
