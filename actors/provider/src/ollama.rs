//! The wire `ollama`: Ollama's own `/api/chat`.

mod decode;
mod request;

use reqwest::header::HeaderMap;

pub use self::decode::Decoder;
pub use self::request::body;
use crate::call::Outgoing;
use crate::client::Target;
use crate::framing::Framing;
use crate::model::ModelRequest;

/// What is sent.
pub(crate) fn outgoing(target: &Target, request: &ModelRequest) -> Outgoing {
    let mut headers = HeaderMap::new();
    target.bearer(&mut headers);
    target.extra(&mut headers);
    Outgoing {
        path: "/api/chat".to_owned(),
        headers,
        body: body(request, &target.info),
        framing: Framing::Lines,
        ..Outgoing::default()
    }
}
