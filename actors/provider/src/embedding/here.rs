//! Vectors that are computed here, on a thread that may take its time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use openclaw_protocol::Usage;

use super::Embedder;
use super::EmbeddingRequest;
use super::Embeddings;
use crate::deadline::late;
use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::error::Phase;
use crate::minilm;

/// Says so when whoever asked is gone: a thread can't be ended from outside.
struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(super) async fn embed(
    folder: &Path,
    embedder: &Embedder,
    request: &EmbeddingRequest,
) -> Result<Embeddings, ModelError> {
    let given_up = Arc::new(AtomicBool::new(false));
    let watch = GivenUp(Arc::clone(&given_up));
    let (folder, texts) = (folder.to_owned(), request.texts.clone());
    let work = tokio::task::spawn_blocking(move || minilm::vectors(&folder, &texts, &given_up));
    let done = tokio::time::timeout(request.within, work).await;
    drop(watch);
    let done = done.map_err(|_| late("the local model", Phase::Total, request.within))?;
    let failed = |what: String| {
        let text = format!("the model at memorySearch.local.modelPath can't be used: {what}");
        ModelError::new(ModelErrorKind::ModelNotFound, text)
    };
    let done = done.map_err(|error| failed(error.to_string()))?;
    let (vectors, read) = done.map_err(|error| failed(error.to_string()))?;
    Ok(Embeddings {
        model: embedder.model.clone(),
        account: String::new(),
        vectors,
        usage: Usage {
            input: read,
            total_tokens: read,
            ..Usage::default()
        },
    })
}
