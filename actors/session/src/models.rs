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
use openclaw_runtime::BoxFuture;
use openclaw_runtime::Directory;
use serde_json::Value;

/// How long a turn may queue for a permit; the turn's own deadline is usually earlier.
const QUEUE: Duration = Duration::from_secs(600);

/// The models of the house, as sessions see them.
pub trait Models: Send + Sync {
    /// Which model answers. `wanted` is the session's own choice, if a user made one.
    fn choose(&self, agent: &ResolvedAgent, wanted: Option<&str>) -> Result<Chosen, ModelError>;

    /// Waits for a permit to call the model.
    fn lease(&self, model: &ModelRef) -> BoxFuture<'static, Result<Leased, ModelError>>;
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
}

/// A client and the permit to use it once; dropping it gives the permit back.
pub struct Leased {
    pub client: Arc<dyn Model>,
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

impl Models for HouseModels {
    fn choose(&self, agent: &ResolvedAgent, wanted: Option<&str>) -> Result<Chosen, ModelError> {
        let catalogue = (self.catalogue)();
        let model = match wanted {
            Some(name) => catalogue.resolve(name).map_err(|error| {
                ModelError::new(ModelErrorKind::ModelNotFound, error.to_string())
            })?,
            None => catalogue.choice_for(&agent.id).model.clone(),
        };
        let info = catalogue.info(&model);
        let window = info.as_ref().and_then(|info| info.context_window);
        let smaller = agent.defaults.context_tokens;
        Ok(Chosen {
            api: info
                .as_ref()
                .map(|info| info.wire.as_str().to_owned())
                .unwrap_or_default(),
            context_window: match (window, smaller) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            // The client knows what the model allows.
            max_tokens: None,
            params: catalogue.params(&model),
            model,
        })
    }

    fn lease(&self, model: &ModelRef) -> BoxFuture<'static, Result<Leased, ModelError>> {
        let (directory, catalogue) = (self.directory.clone(), (self.catalogue)());
        let model = model.clone();
        Box::pin(async move {
            let lease = openclaw_provider::lease(&directory, &catalogue, &model, QUEUE).await?;
            Ok(Leased {
                client: lease.model().clone(),
                report: Box::new(move |outcome| lease.report(outcome)),
            })
        })
    }
}
