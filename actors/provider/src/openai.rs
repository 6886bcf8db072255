//! The wire `openai-completions`: OpenAI's chat completions and all that is compatible with them.

mod decode;
mod request;

use std::sync::Arc;

use openclaw_protocol::ModelRef;
use reqwest::header::AUTHORIZATION;
use reqwest::header::HeaderMap;

pub use self::decode::Decoder;
pub(crate) use self::decode::read_arguments;
pub use self::request::body;
use crate::call::Outgoing;
use crate::call::call;
use crate::endpoint::Endpoint;
use crate::endpoint::ModelInfo;
use crate::http::secret_header;
use crate::model::Model;
use crate::model::ModelRequest;
use crate::model::ModelStream;

/// A client of one model.
#[derive(Debug)]
pub struct Openai {
    endpoint: Arc<Endpoint>,
    info: Arc<ModelInfo>,
}

impl Openai {
    /// Makes a client; opens nothing.
    pub fn new(endpoint: Arc<Endpoint>, info: ModelInfo) -> Self {
        Self {
            endpoint,
            info: Arc::new(info),
        }
    }
}

impl Model for Openai {
    fn reference(&self) -> &ModelRef {
        &self.info.reference
    }

    fn stream(&self, request: ModelRequest) -> ModelStream {
        let mut headers = HeaderMap::new();
        if let Some(key) = &self.endpoint.key {
            let value = format!("Bearer {}", key.expose());
            secret_header(&mut headers, AUTHORIZATION.as_str(), &value);
        }
        for (name, value) in self.endpoint.headers.iter().chain(&self.info.headers) {
            secret_header(&mut headers, name, value.expose());
        }
        let outgoing = Outgoing {
            path: "/chat/completions",
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
