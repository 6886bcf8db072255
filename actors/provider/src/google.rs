//! The wire `google-generative-ai`: Google's Gemini.

mod decode;
mod request;

use reqwest::header::HeaderMap;

pub use self::decode::Decoder;
pub use self::request::body;
use crate::bedrock::sign::encoded;
use crate::call::Outgoing;
use crate::client::Target;
use crate::http::secret_header;
use crate::model::ModelRequest;

/// What is sent.
pub(crate) fn outgoing(target: &Target, request: &ModelRequest) -> Outgoing {
    let mut headers = HeaderMap::new();
    match &target.access.key {
        Some(_) if target.endpoint.bearer => target.bearer(&mut headers),
        Some(key) => secret_header(&mut headers, "x-goog-api-key", key.expose()),
        None => {}
    }
    target.extra(&mut headers);
    let model = encoded(&request.model.model);
    Outgoing {
        path: format!("/models/{model}:streamGenerateContent?alt=sse"),
        headers,
        body: body(request, &target.info),
        ..Outgoing::default()
    }
}
