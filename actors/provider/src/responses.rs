//! The wire `openai-responses`: OpenAI's newer one, and that of its subscription for Codex.

mod decode;
mod request;

use reqwest::header::HeaderMap;

pub use self::decode::Decoder;
pub use self::request::body;
use crate::call::Outgoing;
use crate::client::Target;
use crate::endpoint::Wire;
use crate::http::secret_header;
use crate::model::ModelRequest;

/// What is sent.
pub(crate) fn outgoing(target: &Target, request: &ModelRequest) -> Outgoing {
    let mut headers = HeaderMap::new();
    target.bearer(&mut headers);
    let path = match target.info.wire {
        Wire::OpenaiCodexResponses => {
            if let Some(account) = &target.access.account {
                secret_header(&mut headers, "chatgpt-account-id", account);
            }
            secret_header(&mut headers, "openai-beta", "responses=experimental");
            secret_header(&mut headers, "originator", "openclaw");
            "/codex/responses"
        }
        _ => "/responses",
    };
    target.extra(&mut headers);
    Outgoing {
        path: path.to_owned(),
        headers,
        body: body(request, &target.info),
        ..Outgoing::default()
    }
}
