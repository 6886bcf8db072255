//! Vectors of notes, made by the provider that is configured for them, on the agent's account.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::Weak;
use std::time::Duration;

use openclaw_protocol::AgentId;
use openclaw_protocol::SessionKey;
use openclaw_provider::embedding::EmbeddingRequest;
use openclaw_provider::embedding::Purpose;
use openclaw_runtime::BoxFuture;
use openclaw_session::Deps;
use openclaw_session::Sessions;
use openclaw_tool::memory::EmbedFor;
use openclaw_tool::memory::Embedded;
use openclaw_tool::memory::Vectors;

use crate::services::CatalogueNow;

/// A question is waited for; what is stored may take as long as a provider needs.
const ASKING: Duration = Duration::from_secs(10);
const STORING: Duration = Duration::from_secs(120);

/// The sessions, which are made after the memory that they use. Held loosely: they hold the memory.
pub(crate) type Payers = Arc<OnceLock<Weak<Deps>>>;

/// Asks the provider through the house's permits, accounts and budgets.
pub(super) struct HouseVectors {
    pub(super) payers: Payers,
    pub(super) catalogue: CatalogueNow,
}

impl Vectors for HouseVectors {
    fn model(&self, agent: &AgentId) -> Result<String, String> {
        let embedder = (self.catalogue)().embedding_for(agent, None);
        embedder
            .map(|embedder| embedder.model.to_string())
            .map_err(|error| error.to_string())
    }

    fn make(
        &self,
        agent: AgentId,
        texts: Vec<String>,
        what_for: EmbedFor,
    ) -> BoxFuture<'static, Embedded> {
        let deps = self.payers.get().and_then(Weak::upgrade);
        let catalogue = (self.catalogue)();
        Box::pin(async move {
            let deps = deps.ok_or_else(|| "the gateway is starting or ending".to_owned())?;
            let embedder = catalogue
                .embedding_for(&agent, None)
                .map_err(|error| error.to_string())?;
            let (purpose, within) = match what_for {
                EmbedFor::Asking => (Purpose::Query, ASKING),
                EmbedFor::Storing => (Purpose::Document, STORING),
            };
            let request = EmbeddingRequest {
                texts,
                purpose,
                dimensions: None,
                session: SessionKey::expand("memory", &agent).map_err(|error| error.to_string())?,
                within,
            };
            let sessions = Sessions::new(deps);
            let made = sessions
                .embed(&catalogue, &embedder, &request, "memory")
                .await;
            made.map(|made| made.vectors)
                .map_err(|error| error.to_string())
        })
    }
}
