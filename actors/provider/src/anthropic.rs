//! The wire `anthropic-messages`: Anthropic's messages and all that is compatible with them.

mod decode;
mod request;

use std::sync::Arc;

use openclaw_protocol::ModelRef;
use reqwest::header::AUTHORIZATION;
use reqwest::header::HeaderMap;

pub use self::decode::Decoder;
pub use self::request::body;
use crate::call::Outgoing;
use crate::call::call;
use crate::endpoint::Endpoint;
use crate::endpoint::ModelInfo;
use crate::http::secret_header;
use crate::model::Model;
use crate::model::ModelRequest;
use crate::model::ModelStream;

/// The version of the wire.
const VERSION: &str = "2023-06-01";
/// How a subscription's token begins, in contrast to a key.
const TOKEN_PREFIX: &str = "sk-ant-oat";
/// What a subscription's token asks for.
const TOKEN_BETA: &str = "oauth-2025-04-20";

/// A client of one model.
#[derive(Debug)]
pub struct Anthropic {
    endpoint: Arc<Endpoint>,
    info: Arc<ModelInfo>,
}

impl Anthropic {
    /// Makes a client; opens nothing.
    pub fn new(endpoint: Arc<Endpoint>, info: ModelInfo) -> Self {
        Self {
            endpoint,
            info: Arc::new(info),
        }
    }
}

impl Model for Anthropic {
    fn reference(&self) -> &ModelRef {
        &self.info.reference
    }

    fn stream(&self, request: ModelRequest) -> ModelStream {
        let mut headers = HeaderMap::new();
        secret_header(&mut headers, "anthropic-version", VERSION);
        if let Some(key) = &self.endpoint.key {
            let token = key.expose().starts_with(TOKEN_PREFIX);
            if token {
                secret_header(&mut headers, "anthropic-beta", TOKEN_BETA);
            }
            if token || self.endpoint.bearer {
                let value = format!("Bearer {}", key.expose());
                secret_header(&mut headers, AUTHORIZATION.as_str(), &value);
            } else {
                secret_header(&mut headers, "x-api-key", key.expose());
            }
        }
        for (name, value) in self.endpoint.headers.iter().chain(&self.info.headers) {
            secret_header(&mut headers, name, value.expose());
        }
        let outgoing = Outgoing {
            path: "/v1/messages",
            headers,
            body: body(&request, &self.info),
        };
        let decoder = Decoder::new(&self.endpoint.provider);
        call(
            Arc::clone(&self.endpoint),
            Arc::clone(&self.info),
            outgoing,
            decoder,
        )
    }
}
