//! Texts become vectors, so that they can be found by what they mean.
//!
//! Which provider does it is chosen with the catalogue ([`Catalogue::embedding`]); the permit, the rest
//! of an account that fails and the renewal of a sign-in are those of any other call of that provider.

mod choice;
mod here;
mod post;
#[cfg(test)]
mod tests;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use openclaw_protocol::ModelRef;
use openclaw_protocol::SessionKey;
use openclaw_protocol::Usage;
use openclaw_runtime::Directory;
use tokio::time::Instant;

pub(crate) use self::choice::Wish;
pub(crate) use self::choice::chosen;
pub(crate) use self::choice::is_remote;
pub(crate) use self::choice::makes_vectors;
pub(crate) use self::choice::named;
pub(crate) use self::choice::wishes;
use self::post::post;
use self::wire::Shape;
use crate::catalogue::Catalogue;
use crate::deadline::late;
use crate::endpoint::Endpoint;
use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::error::Phase;
use crate::failover;
use crate::failover::Left;
use crate::failover::Next;
use crate::provider::CallOutcome;
use crate::provider::Lease;
use crate::provider::NoLease;
use crate::provider::Want;
use crate::provider::lease;

/// One request takes a second; a small computer that loads its model first needs more.
const REQUEST: Duration = Duration::from_secs(60);

/// Who makes the vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedder {
    /// `provider/model`.
    pub model: ModelRef,
    /// What decided, in a sentence for people.
    pub reason: String,
    shape: Shape,
    /// US dollars for a million tokens, where it is known.
    price: f64,
    /// The folder of a model that is computed here, without a provider.
    here: Option<PathBuf>,
}

/// What a text is for; some models keep questions and answers apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// Nothing is said of it.
    #[default]
    Any,
    /// It is stored and searched.
    Document,
    /// It searches.
    Query,
}

/// Texts that shall become vectors.
#[derive(Debug, Clone)]
pub struct EmbeddingRequest {
    /// The texts; none may be empty.
    pub texts: Vec<String>,
    /// What they are for.
    pub purpose: Purpose,
    /// How long the vectors shall be, where the model can choose.
    pub dimensions: Option<u32>,
    /// Whose work it is: calls of a conversation stay with one account.
    pub session: SessionKey,
    /// How long all of it may take.
    pub within: Duration,
}

/// The vectors, in the order of the texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// Who made them.
    pub model: ModelRef,
    /// The account that paid for the last of them.
    pub account: String,
    /// As the provider sent them, all of one length.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens and money; nought where the provider says nothing.
    pub usage: Usage,
}

/// Makes vectors of texts, in as many requests as the provider needs.
pub async fn embed(
    directory: &Directory,
    catalogue: &Catalogue,
    embedder: &Embedder,
    request: &EmbeddingRequest,
) -> Result<Embeddings, ModelError> {
    if let Some(at) = request.texts.iter().position(|text| text.trim().is_empty()) {
        let text = format!("text {} is empty: there is nothing to embed", at + 1);
        return Err(ModelError::new(ModelErrorKind::Format, text));
    }
    if let Some(folder) = &embedder.here {
        return here::embed(folder, embedder, request).await;
    }
    let end = Instant::now() + request.within;
    let mut done = Embeddings {
        model: embedder.model.clone(),
        account: String::new(),
        vectors: Vec::with_capacity(request.texts.len()),
        usage: Usage::default(),
    };
    for batch in embedder.shape.batches(&request.texts) {
        let (vectors, usage, account) =
            one(directory, catalogue, embedder, request, batch, end).await?;
        done.vectors.extend(vectors);
        done.usage.add(&usage);
        done.account = account;
    }
    let mut lengths = done.vectors.iter().map(Vec::len);
    let first = lengths.next();
    if lengths.any(|length| Some(length) != first) {
        return Err(embedder.unreadable("vectors of different lengths"));
    }
    Ok(done)
}

/// One request, with as many accounts as it takes.
async fn one(
    directory: &Directory,
    catalogue: &Catalogue,
    embedder: &Embedder,
    request: &EmbeddingRequest,
    batch: &[String],
    end: Instant,
) -> Result<(Vec<Vec<f32>>, Usage, String), ModelError> {
    let mut want = Want::new(embedder.model.clone(), request.session.clone());
    let mut last = None;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let provider = &embedder.model.provider;
            return Err(last.unwrap_or_else(|| late(provider, Phase::Total, request.within)));
        }
        let leased = match lease(directory, catalogue, want.clone(), left).await {
            Ok(leased) => leased,
            // Nobody else makes the same vectors: better to ask all the same than to say so.
            Err(NoLease::Resting { firm: false, .. }) if !want.probe => {
                want.probe = true;
                continue;
            }
            Err(NoLease::Resting { error, .. } | NoLease::Failed(error)) => {
                return Err(last.unwrap_or(error));
            }
            Err(NoLease::Spent) => return Err(last.unwrap_or_else(|| nobody(embedder))),
        };
        let begun = Instant::now();
        let outcome = call(&leased, embedder, request, batch, end).await;
        let usage = outcome
            .as_ref()
            .map(|(_, usage)| *usage)
            .unwrap_or_default();
        let error = outcome.as_ref().err().cloned();
        let account = leased.account().to_owned();
        leased.report(CallOutcome::new(error, begun.elapsed(), usage));
        let error = match outcome {
            Ok((vectors, usage)) => return Ok((vectors, usage, account)),
            Err(error) => error,
        };
        let left = Left {
            accounts: true,
            models: false,
        };
        match failover::after(error.kind, left) {
            Next::Account => want.tried.push(account),
            Next::Model | Next::Stop => return Err(error),
        }
        last = Some(error);
    }
}

async fn call(
    leased: &Lease,
    embedder: &Embedder,
    request: &EmbeddingRequest,
    batch: &[String],
    end: Instant,
) -> Result<(Vec<Vec<f32>>, Usage), ModelError> {
    let (endpoint, shape) = (leased.endpoint(), embedder.shape);
    let outgoing = shape.outgoing(
        endpoint,
        leased.access(),
        &embedder.model.model,
        request,
        batch,
    );
    let end = end.min(Instant::now() + REQUEST.min(endpoint.deadlines.total));
    let body = post(endpoint, outgoing, end).await?;
    let read = shape.read(&body, batch.len());
    let (vectors, tokens) = read.map_err(|what| embedder.unreadable(&what))?;
    let mut usage = Usage {
        input: tokens,
        ..Usage::default()
    };
    #[allow(clippy::cast_precision_loss)] // no request has 2^52 tokens
    let cost = tokens as f64 * embedder.price_at(endpoint) / 1e6;
    (usage.cost.input, usage.cost.total) = (cost, cost);
    Ok((vectors, usage))
}

impl Embedder {
    /// US dollars for a million tokens; nought where nobody knows.
    pub fn price(&self, catalogue: &Catalogue) -> f64 {
        let entry = catalogue.provider(&self.model.provider);
        entry.map_or(self.price, |entry| self.price_at(&entry.endpoint))
    }

    /// The configuration's own price goes before the known one.
    fn price_at(&self, endpoint: &Endpoint) -> f64 {
        match endpoint.model(&self.model).cost.input {
            own if own > 0.0 => own,
            _ => self.price,
        }
    }

    fn unreadable(&self, what: &str) -> ModelError {
        let text = format!("{} answered with {what}", self.model.provider);
        ModelError::new(ModelErrorKind::Format, text)
    }
}

fn nobody(embedder: &Embedder) -> ModelError {
    let text = format!("there is no account left for {}", embedder.model);
    ModelError::new(ModelErrorKind::Auth, text)
}
