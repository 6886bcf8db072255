//! The client of one model, whichever wire it speaks.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use openclaw_protocol::ModelRef;
use reqwest::header::AUTHORIZATION;
use reqwest::header::HeaderMap;

use crate::access::Access;
use crate::anthropic;
use crate::basic::Basic;
use crate::bedrock;
use crate::call::Decode;
use crate::call::Outgoing;
use crate::call::call;
use crate::endpoint::Endpoint;
use crate::endpoint::ModelInfo;
use crate::endpoint::Wire;
use crate::google;
use crate::http::secret_header;
use crate::model::Model;
use crate::model::ModelRequest;
use crate::model::ModelStream;
use crate::ollama;
use crate::openai;
use crate::picture;
use crate::responses;

/// A model and where it is reached.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) info: Arc<ModelInfo>,
    pub(crate) access: Access,
}

impl Target {
    /// Adds the key as most wires take it.
    pub(crate) fn bearer(&self, headers: &mut HeaderMap) {
        if let Some(key) = &self.access.key {
            let value = format!("Bearer {}", key.expose());
            secret_header(headers, AUTHORIZATION.as_str(), &value);
        }
    }

    /// Adds what the configuration sends along; it wins over the wire's own.
    pub(crate) fn extra(&self, headers: &mut HeaderMap) {
        for (name, value) in self.endpoint.headers.iter().chain(&self.info.headers) {
            secret_header(headers, name, value.expose());
        }
    }

    fn call(&self, mut outgoing: Outgoing, decoder: impl Decode) -> ModelStream {
        outgoing.aws = self
            .access
            .aws
            .clone()
            .filter(|_| self.access.key.is_none());
        outgoing.base_url.clone_from(&self.access.base_url);
        let (endpoint, info) = (Arc::clone(&self.endpoint), Arc::clone(&self.info));
        call(endpoint, info, outgoing, decoder)
    }
}

impl Model for Target {
    fn reference(&self) -> &ModelRef {
        &self.info.reference
    }

    fn stream(&self, request: ModelRequest) -> ModelStream {
        let pictures = self.info.pictures();
        if !picture::is_due(&request, &pictures) {
            return self.begin(request);
        }
        let target = self.clone();
        let begun = async move { target.begin(picture::fitted(request, &pictures).await) };
        Box::pin(stream::once(begun).flatten())
    }
}

impl Target {
    fn begin(&self, request: ModelRequest) -> ModelStream {
        let name = &self.endpoint.provider;
        match self.info.wire {
            Wire::OpenaiCompletions => {
                self.call(openai::outgoing(self, &request), openai::Decoder::new(name))
            }
            Wire::OpenaiResponses | Wire::OpenaiCodexResponses => self.call(
                responses::outgoing(self, &request),
                responses::Decoder::new(name),
            ),
            Wire::AnthropicMessages => self.call(
                anthropic::outgoing(self, &request),
                anthropic::Decoder::new(name),
            ),
            Wire::GoogleGenerativeAi => {
                self.call(google::outgoing(self, &request), google::Decoder::new(name))
            }
            Wire::Ollama => self.call(ollama::outgoing(self, &request), ollama::Decoder::new(name)),
            Wire::BedrockConverseStream => self.call(
                bedrock::outgoing(self, &request),
                bedrock::Decoder::new(name),
            ),
            Wire::Builtin => Basic::new(self.info.reference.clone()).stream(request),
        }
    }
}

/// Makes the client of a model; opens nothing.
pub fn client(endpoint: Arc<Endpoint>, model: &ModelRef) -> Arc<dyn Model> {
    let access = endpoint.access.clone();
    client_with(endpoint, model, access)
}

/// The same with an access of its own.
pub(crate) fn client_with(
    endpoint: Arc<Endpoint>,
    model: &ModelRef,
    access: Access,
) -> Arc<dyn Model> {
    let info = Arc::new(endpoint.model(model));
    Arc::new(Target {
        endpoint,
        info,
        access,
    })
}
