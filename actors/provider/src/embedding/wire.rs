//! How each provider is asked for vectors, and what it answers. Pure.

use openclaw_protocol::Secret;
use reqwest::header::AUTHORIZATION;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::EmbeddingRequest;
use super::Purpose;
use crate::access::Access;
use crate::call::Outgoing;
use crate::endpoint::Endpoint;
use crate::endpoint::Wire;
use crate::http::secret_header;

/// The words of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `POST /embeddings`, which most servers have.
    Openai,
    /// The same path with words of its own.
    Voyage,
    /// `POST /models/<model>:batchEmbedContents`.
    Google,
    /// `POST /api/embed`.
    Ollama,
}

/// The most of one request.
struct Bounds {
    texts: usize,
    /// No tokenizer makes more tokens than there are bytes.
    bytes: usize,
}

impl Shape {
    /// How a provider is asked; none where it makes no vectors.
    pub(super) fn of(endpoint: &Endpoint) -> Option<Self> {
        match endpoint.wire {
            Wire::Ollama => Some(Self::Ollama),
            Wire::GoogleGenerativeAi => Some(Self::Google),
            Wire::OpenaiCompletions | Wire::OpenaiResponses => {
                let voyage = endpoint.provider == "voyage"
                    || endpoint.base_url.contains("://api.voyageai.com");
                Some(if voyage { Self::Voyage } else { Self::Openai })
            }
            Wire::OpenaiCodexResponses
            | Wire::AnthropicMessages
            | Wire::BedrockConverseStream
            | Wire::Builtin => None,
        }
    }

    fn bounds(self) -> Bounds {
        let (texts, bytes) = match self {
            // 300,000 tokens; more texts make answers of many megabytes.
            Self::Openai => (128, 250_000),
            // 120,000 tokens for the large models.
            Self::Voyage => (128, 100_000),
            Self::Google => (100, 200_000),
            // A small computer does one after the other.
            Self::Ollama => (32, 100_000),
        };
        Bounds { texts, bytes }
    }

    /// Cuts texts into requests. A text that is too long by itself goes alone: the provider cuts it or
    /// says so.
    pub(super) fn batches(self, texts: &[String]) -> Vec<&[String]> {
        let bounds = self.bounds();
        let mut batches = Vec::new();
        let (mut begin, mut bytes) = (0, 0);
        for (at, text) in texts.iter().enumerate() {
            let full = at - begin == bounds.texts || bytes + text.len() > bounds.bytes;
            if full && at > begin {
                batches.extend(texts.get(begin..at));
                (begin, bytes) = (at, 0);
            }
            bytes += text.len();
        }
        batches.extend(texts.get(begin..).filter(|rest| !rest.is_empty()));
        batches
    }

    pub(super) fn outgoing(
        self,
        endpoint: &Endpoint,
        access: &Access,
        model: &str,
        request: &EmbeddingRequest,
        batch: &[String],
    ) -> Outgoing {
        let mut headers = HeaderMap::new();
        if let Some(key) = &access.key {
            match self {
                Self::Google if !endpoint.bearer => {
                    secret_header(&mut headers, "x-goog-api-key", key.expose());
                }
                _ => {
                    let value = format!("Bearer {}", key.expose());
                    secret_header(&mut headers, AUTHORIZATION.as_str(), &value);
                }
            }
        }
        for (name, value) in &endpoint.headers {
            secret_header(&mut headers, name, Secret::expose(value));
        }
        let path = match self {
            Self::Openai | Self::Voyage => "/embeddings".to_owned(),
            Self::Google => format!("/models/{model}:batchEmbedContents"),
            Self::Ollama => "/api/embed".to_owned(),
        };
        Outgoing {
            path,
            headers,
            body: self.body(model, request, batch).to_string(),
            base_url: access.base_url.clone(),
            ..Outgoing::default()
        }
    }

    pub(super) fn body(self, model: &str, request: &EmbeddingRequest, batch: &[String]) -> Value {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        let (dimensions, purpose) = (request.dimensions, request.purpose);
        if self == Self::Google {
            let task = match purpose {
                Purpose::Any => None,
                Purpose::Document => Some("RETRIEVAL_DOCUMENT"),
                Purpose::Query => Some("RETRIEVAL_QUERY"),
            };
            let one = |text: &String| {
                let mut one = json!({
                    "model": format!("models/{model}"), "content": { "parts": [{ "text": text }] },
                });
                if let (Some(task), Value::Object(fields)) = (task, &mut one) {
                    fields.insert("taskType".to_owned(), json!(task));
                }
                if let (Some(length), Value::Object(fields)) = (dimensions, &mut one) {
                    fields.insert("outputDimensionality".to_owned(), json!(length));
                }
                one
            };
            put("requests", batch.iter().map(one).collect());
            return Value::Object(body);
        }
        put("model", json!(model));
        put("input", json!(batch));
        let length = match self {
            Self::Voyage => {
                match purpose {
                    Purpose::Any => None,
                    Purpose::Document => put("input_type", json!("document")),
                    Purpose::Query => put("input_type", json!("query")),
                };
                "output_dimension"
            }
            Self::Ollama => {
                put("truncate", json!(true));
                "dimensions"
            }
            _ => {
                put("encoding_format", json!("float"));
                "dimensions"
            }
        };
        if let Some(dimensions) = dimensions {
            put(length, json!(dimensions));
        }
        Value::Object(body)
    }

    /// The vectors in the order of the texts, and the tokens that were read.
    pub(super) fn read(self, body: &[u8], count: usize) -> Result<(Vec<Vec<f32>>, u64), String> {
        let broken = |error: serde_json::Error| format!("something that can't be read: {error}");
        let (vectors, tokens) = match self {
            Self::Openai | Self::Voyage => {
                let mut answer: Listed = serde_json::from_slice(body).map_err(broken)?;
                answer.data.sort_by_key(|row| row.index);
                let whole = answer.data.iter().enumerate();
                if whole.clone().any(|(at, row)| row.index != at) && answer.data.len() > 1 {
                    return Err("vectors that are not numbered one by one".to_owned());
                }
                let Counted {
                    prompt_tokens,
                    total_tokens,
                } = answer.usage;
                let vectors = answer.data.into_iter().map(|row| row.embedding).collect();
                (vectors, prompt_tokens.max(total_tokens))
            }
            Self::Google => {
                let answer: Values = serde_json::from_slice(body).map_err(broken)?;
                let rows = answer.embeddings.into_iter();
                (rows.map(|row| row.values).collect(), 0)
            }
            Self::Ollama => {
                let answer: Plain = serde_json::from_slice(body).map_err(broken)?;
                (answer.embeddings, answer.prompt_eval_count)
            }
        };
        let vectors: Vec<Vec<f32>> = vectors;
        if vectors.len() != count {
            return Err(format!("{} vectors for {count} texts", vectors.len()));
        }
        let sound = |vector: &Vec<f32>| !vector.is_empty() && vector.iter().all(|n| n.is_finite());
        match vectors.iter().all(sound) {
            true => Ok((vectors, tokens)),
            false => Err("a vector that is empty or not made of numbers".to_owned()),
        }
    }
}

#[derive(Deserialize)]
struct Listed {
    data: Vec<Row>,
    #[serde(default)]
    usage: Counted,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    index: usize,
    embedding: Vec<f32>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Counted {
    prompt_tokens: u64,
    total_tokens: u64,
}

#[derive(Deserialize)]
struct Values {
    embeddings: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    values: Vec<f32>,
}

#[derive(Deserialize)]
struct Plain {
    embeddings: Vec<Vec<f32>>,
    #[serde(default)]
    prompt_eval_count: u64,
}
