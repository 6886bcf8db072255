//! The wire `anthropic-messages`: Anthropic's messages and all that is compatible with them.

mod decode;
mod request;

use reqwest::header::HeaderMap;

pub use self::decode::Decoder;
pub use self::request::body;
use crate::call::Outgoing;
use crate::client::Target;
use crate::http::secret_header;
use crate::model::ModelRequest;

/// The version of the wire.
const VERSION: &str = "2023-06-01";
/// How a subscription's token begins, in contrast to a key.
pub(crate) const TOKEN_PREFIX: &str = "sk-ant-oat";
/// What a subscription's token asks for.
const TOKEN_BETA: &str = "oauth-2025-04-20";

/// What is sent.
pub(crate) fn outgoing(target: &Target, request: &ModelRequest) -> Outgoing {
    let mut headers = HeaderMap::new();
    secret_header(&mut headers, "anthropic-version", VERSION);
    if let Some(key) = &target.access.key {
        let token = key.expose().starts_with(TOKEN_PREFIX);
        if token {
            secret_header(&mut headers, "anthropic-beta", TOKEN_BETA);
        }
        if token || target.endpoint.bearer {
            target.bearer(&mut headers);
        } else {
            secret_header(&mut headers, "x-api-key", key.expose());
        }
    }
    target.extra(&mut headers);
    Outgoing {
        path: "/v1/messages".to_owned(),
        headers,
        body: body(request, &target.info),
        ..Outgoing::default()
    }
}
