//! Vectors of texts on somebody's account: budgets bind them, and what they cost is written down like any other call.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use openclaw_ledger::LedgerError;
use openclaw_ledger::Purpose;
use openclaw_protocol::Usage;
use openclaw_protocol::config::models::ModelCost;
use openclaw_provider::Catalogue;
use openclaw_provider::ModelError;
use openclaw_provider::embedding::Embedder;
use openclaw_provider::embedding::EmbeddingRequest;
use openclaw_provider::embedding::Embeddings;

use crate::context::size;
use crate::models::Chosen;
use crate::sessions::Sessions;
use crate::tab::Refused;
use crate::tab::Tab;

/// Numbers the requests of this process: those of one session that fall into one millisecond stay apart, and apart
/// from the calls of its turns.
static NEXT: AtomicU32 = AtomicU32::new(1 << 31);

/// Why there are no vectors.
#[derive(Debug, thiserror::Error)]
pub enum NoVectors {
    /// A budget is used up; the text is for people.
    #[error("{0}")]
    Budget(String),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Sessions {
    /// Makes vectors of texts for the session that the request names; `channel` is where it was asked for.
    pub async fn embed(
        &self,
        catalogue: &Catalogue,
        embedder: &Embedder,
        request: &EmbeddingRequest,
        channel: &str,
    ) -> Result<Embeddings, NoVectors> {
        let deps = self.deps();
        let read = request.texts.iter().map(|text| size::text(text)).sum();
        let asked = Chosen {
            max_tokens: Some(1), // nothing is written
            cost: ModelCost {
                input: embedder.price(catalogue),
                ..ModelCost::default()
            },
            ..Chosen::plain(embedder.model.clone(), "embeddings")
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed) | 1 << 31;
        let tab = Tab::of_vectors(deps, &request.session, channel, number);
        let open = tab.open(&asked, "", Purpose::Vectors, read).await;
        let open = open.map_err(|refused| match refused {
            Refused::Budget { notice, .. } => NoVectors::Budget(notice),
            Refused::Ledger(error) => NoVectors::Ledger(error),
        })?;
        let made = openclaw_provider::embed(&deps.directory, catalogue, embedder, request).await;
        match &made {
            Ok(made) if made.usage != Usage::default() => open.paid(&made.account).end(&made.usage),
            // Google counts nothing for vectors.
            Ok(made) => open.paid(&made.account).uncounted(),
            Err(_) => drop(open),
        }
        tab.flush().await?;
        Ok(made?)
    }
}
