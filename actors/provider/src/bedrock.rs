//! The wire `bedrock-converse-stream`: Amazon's one language for the models of many makers.

mod decode;
mod files;
mod request;
pub(crate) mod sign;

use reqwest::header::HeaderMap;

pub use self::decode::Decoder;
pub use self::files::AwsFiles;
pub use self::files::AwsProfile;
pub use self::request::body;
pub use self::sign::AwsKeys;
use crate::call::Outgoing;
use crate::client::Target;
use crate::framing::Framing;
use crate::model::ModelRequest;

/// What is sent; it is signed when its bytes are known, unless there is a key for the header.
pub(crate) fn outgoing(target: &Target, request: &ModelRequest) -> Outgoing {
    let mut headers = HeaderMap::new();
    target.bearer(&mut headers);
    target.extra(&mut headers);
    Outgoing {
        path: format!(
            "/model/{}/converse-stream",
            sign::encoded(&request.model.model)
        ),
        headers,
        body: body(request, &target.info),
        framing: Framing::Amazon,
        ..Outgoing::default()
    }
}
