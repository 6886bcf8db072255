//! One request whose answer is a page, read whole and bounded.

use futures_util::StreamExt;
use openclaw_runtime::memory::HOUSE;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::HeaderValue;
use tokio::time::Instant;
use tokio::time::timeout_at;

use crate::call::Outgoing;
use crate::call::broken;
use crate::call::refused;
use crate::call::unreachable;
use crate::deadline::late;
use crate::endpoint::Endpoint;
use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::error::Phase;
use crate::http;

/// More than the vectors of the largest request.
const LONGEST: usize = 16 * 1024 * 1024;

/// Sends it and reads the answer, all of it before `end`.
pub(super) async fn post(
    endpoint: &Endpoint,
    outgoing: Outgoing,
    end: Instant,
) -> Result<Vec<u8>, ModelError> {
    let begun = Instant::now();
    let work = read(endpoint, outgoing);
    timeout_at(end, work)
        .await
        .unwrap_or_else(|_| Err(late(&endpoint.provider, Phase::Total, begun.elapsed())))
}

async fn read(endpoint: &Endpoint, outgoing: Outgoing) -> Result<Vec<u8>, ModelError> {
    let provider = &endpoint.provider;
    let base_url = outgoing.base_url.as_ref().unwrap_or(&endpoint.base_url);
    let url = format!("{base_url}{}", outgoing.path);
    let mut headers = outgoing.headers;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let request = http::client(&url, endpoint.deadlines.connect)?
        .post(&url)
        .headers(headers)
        .body(outgoing.body);
    let sent = request.send().await;
    let response = sent.map_err(|error| unreachable(endpoint, &error))?;
    if !response.status().is_success() {
        return Err(refused(endpoint, response).await);
    }
    let mut bytes = response.bytes_stream();
    let (mut body, mut share) = (Vec::new(), HOUSE.share());
    while let Some(piece) = bytes.next().await {
        let piece = piece.map_err(|error| broken(provider, &error))?;
        if !share.take(piece.len()) || share.taken() > LONGEST {
            let text = format!("{provider} sent more than there is memory for");
            return Err(ModelError::new(ModelErrorKind::Format, text));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
