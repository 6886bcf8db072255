//! `/v1/embeddings`: vectors of texts, made by the provider that is configured for them.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openclaw_protocol::AgentId;
use openclaw_protocol::SessionKey;
use openclaw_provider::ModelError;
use openclaw_provider::ModelErrorKind;
use openclaw_provider::embedding::EmbeddingRequest;
use openclaw_provider::embedding::Embeddings;
use openclaw_provider::embedding::Purpose;
use openclaw_session::NoVectors;
use serde_json::Value;
use serde_json::json;

use super::Caller;
use super::agent;
use super::failed;
use crate::ingress::body::invalid;
use crate::ingress::routes::text;

/// How many texts one request may bring.
const TEXTS: usize = 2048;
/// How long all of it may take.
const WITHIN: Duration = Duration::from_secs(120);

/// What a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) texts: Vec<String>,
    /// A model of a provider; none means the one that is configured.
    pub(super) model: Option<String>,
    pub(super) dimensions: Option<u32>,
    pub(super) as_base64: bool,
}

pub(super) async fn answer(caller: Caller, body: &Value) -> Response {
    let mut asked = match read(body) {
        Ok(asked) => asked,
        Err(problem) => return invalid(&problem),
    };
    if let Some(model) = text(&caller.headers, "x-openclaw-model").map(str::trim)
        && !model.is_empty()
    {
        asked.model = Some(model.to_owned());
    }
    let services = &caller.services;
    let catalogue = (services.catalogue)();
    let agent = match agent(services, &caller.headers, body) {
        Ok(agent) => agent,
        Err(refused) => return *refused,
    };
    let Ok(agent) = AgentId::parse(&agent) else {
        return invalid("there is no such agent");
    };
    let embedder = match catalogue.embedding_for(&agent, asked.model.as_deref()) {
        Ok(embedder) => embedder,
        Err(error) if error.kind == ModelErrorKind::ModelNotFound && asked.model.is_some() => {
            return refused(&error);
        }
        // What is missing, and how to set it, in the words of the catalogue.
        Err(error) => return failed(StatusCode::NOT_IMPLEMENTED, "api_error", &error.to_string()),
    };
    let session = match SessionKey::expand("openai-embeddings", &agent) {
        Ok(session) => session,
        Err(error) => return invalid(&error.to_string()),
    };
    let request = EmbeddingRequest {
        texts: asked.texts,
        purpose: Purpose::Any,
        dimensions: asked.dimensions,
        session,
        within: WITHIN,
    };
    let sessions = &services.sessions;
    match sessions
        .embed(&catalogue, &embedder, &request, "http")
        .await
    {
        Ok(made) => Json(shown(&made, asked.as_base64)).into_response(),
        Err(NoVectors::Model(error)) => refused(&error),
        Err(NoVectors::Budget(notice)) => {
            failed(StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", &notice)
        }
        Err(NoVectors::Ledger(error)) => failed(
            StatusCode::INTERNAL_SERVER_ERROR,
            "api_error",
            &error.to_string(),
        ),
    }
}

/// Reads a request; texts only, because tokens belong to a model that may not be the one that answers.
pub(super) fn read(body: &Value) -> Result<Asked, String> {
    let texts = match body.get("input") {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(texts)) => {
            let texts = texts.iter().map(|text| text.as_str().map(str::to_owned));
            let texts = texts.collect::<Option<Vec<String>>>();
            texts.ok_or("`input` takes a text or a list of texts")?
        }
        _ => return Err("`input` takes a text or a list of texts".to_owned()),
    };
    if texts.is_empty() || texts.iter().any(|text| text.trim().is_empty()) {
        return Err("`input` has an empty text: there is nothing to embed".to_owned());
    }
    if texts.len() > TEXTS {
        return Err(format!("`input` takes {TEXTS} texts at the most"));
    }
    let as_base64 = match body.get("encoding_format").and_then(Value::as_str) {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => return Err(format!("`encoding_format` can't be \"{other}\"")),
    };
    let dimensions = match body.get("dimensions") {
        None | Some(Value::Null) => None,
        Some(wanted) => {
            let wanted = wanted
                .as_u64()
                .and_then(|wanted| u32::try_from(wanted).ok());
            let wanted = wanted.filter(|wanted| *wanted > 0);
            Some(wanted.ok_or("`dimensions` takes a whole number from 1")?)
        }
    };
    let model = body
        .get("model")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let model = model.trim();
    // The agents' names, which the list of models has, leave the choice to the configuration.
    let is_ours = model.is_empty()
        || model == "openclaw"
        || ["openclaw:", "openclaw/", "agent:"]
            .iter()
            .any(|prefix| model.starts_with(prefix));
    Ok(Asked {
        texts,
        model: (!is_ours).then(|| model.to_owned()),
        dimensions,
        as_base64,
    })
}

/// The vectors as OpenAI lists them.
pub(super) fn shown(made: &Embeddings, as_base64: bool) -> Value {
    let row = |(index, vector): (usize, &Vec<f32>)| {
        let embedding = if as_base64 {
            let bytes: Vec<u8> = vector.iter().flat_map(|part| part.to_le_bytes()).collect();
            json!(STANDARD.encode(bytes))
        } else {
            json!(vector)
        };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    };
    let rows: Vec<Value> = made.vectors.iter().enumerate().map(row).collect();
    json!({
        "object": "list",
        "data": rows,
        "model": made.model,
        "usage": { "prompt_tokens": made.usage.input, "total_tokens": made.usage.input },
    })
}

/// A failure of the provider, by whose turn it is to do something.
fn refused(error: &ModelError) -> Response {
    let (status, kind) = match error.kind {
        ModelErrorKind::RateLimit => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error"),
        ModelErrorKind::ContextOverflow => (StatusCode::BAD_REQUEST, "invalid_request_error"),
        ModelErrorKind::ModelNotFound => (StatusCode::NOT_FOUND, "invalid_request_error"),
        ModelErrorKind::Timeout(_) => (StatusCode::GATEWAY_TIMEOUT, "api_error"),
        _ => (StatusCode::BAD_GATEWAY, "api_error"),
    };
    tracing::warn!(%error, "a request for embeddings failed");
    failed(status, kind, &error.to_string())
}
