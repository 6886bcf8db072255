//! How a turn gets at a model: choose one, take a lease, say how it went.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use openclaw_protocol::ModelRef;
use openclaw_protocol::config::ResolvedAgent;
use openclaw_provider::Model;
use openclaw_provider::ModelError;
use serde_json::Value;

/// The models of the house, as sessions see them.
pub trait Models: Send + Sync {
    /// Which model answers. `wanted` is the session's own choice, if a user made one.
    fn choose(&self, agent: &ResolvedAgent, wanted: Option<&str>) -> Result<Chosen, ModelError>;

    /// Waits for a permit to call the model.
    fn lease(&self, model: &ModelRef) -> BoxFuture<'static, Result<Leased, ModelError>>;

    /// Tells the provider how a call went.
    fn report(&self, model: &ModelRef, outcome: Result<(), &ModelError>);
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
    pub permit: Box<dyn std::any::Any + Send>,
}

impl std::fmt::Debug for Leased {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leased").finish_non_exhaustive()
    }
}
