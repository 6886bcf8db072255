//! One call over HTTP: send, watch the clock, turn the answer's events into the model's.
//!
//! Dropping the stream closes the connection, which ends the work at the provider.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderValue;
use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::answer::Out;
use crate::bedrock::AwsKeys;
use crate::deadline::Deadlines;
use crate::deadline::guard;
use crate::deadline::late;
use crate::endpoint::Endpoint;
use crate::endpoint::ModelInfo;
use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::error::Phase;
use crate::error::classify;
use crate::error::retry_after;
use crate::framing::Frames;
use crate::framing::Framing;
use crate::http;
use crate::model::ModelEvent;
use crate::model::ModelStream;

/// The most that is read of an error's body.
const ERROR_BODY: usize = 64 * 1024;
/// How long the body of an error may take; the status alone says enough.
const ERROR_BODY_WAIT: Duration = Duration::from_secs(5);

/// Reads one wire's pieces.
pub(crate) trait Decode: Send + 'static {
    /// What has been read so far.
    fn answer(&self) -> &Answer;

    /// Takes one piece; `out` gets what it means.
    fn piece(&mut self, kind: &str, piece: &Value, out: &mut Out) -> Result<(), ModelError>;

    /// The body ended; an error unless the answer was complete.
    fn end(&mut self, out: &mut Out) -> Result<(), ModelError>;

    /// The mark that some wires close an answer with.
    fn closed(&mut self, out: &mut Out) -> Result<(), ModelError> {
        self.end(out)
    }

    /// Takes the text of one piece.
    fn event(&mut self, kind: &str, data: &str, out: &mut Out) -> Result<(), ModelError> {
        let data = data.trim();
        if self.answer().is_over() || data.is_empty() {
            return Ok(());
        }
        if data == "[DONE]" {
            return self.closed(out);
        }
        let piece = self.answer().json(data)?;
        if piece.get("error").is_some_and(|error| !error.is_null()) {
            return Err(self.answer().failed(data));
        }
        self.piece(kind, &piece, out)
    }
}

/// What is sent.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// After the provider's address.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// JSON.
    pub(crate) body: String,
    /// Signs it.
    pub(crate) aws: Option<AwsKeys>,
    /// Where it goes, when that isn't the provider's usual address.
    pub(crate) base_url: Option<String>,
    /// How the answer is cut into pieces.
    pub(crate) framing: Framing,
}

enum State<D> {
    Begin(Box<Outgoing>, D),
    Open(Frames, D, Out),
    Drain(Out, Option<ModelError>),
}

/// Makes the call when the stream is first polled.
pub(crate) fn call<D: Decode>(
    endpoint: Arc<Endpoint>,
    info: Arc<ModelInfo>,
    outgoing: Outgoing,
    decoder: D,
) -> ModelStream {
    let begin = State::Begin(Box::new(outgoing), decoder);
    run(endpoint, info, begin)
}

fn run<D: Decode>(endpoint: Arc<Endpoint>, info: Arc<ModelInfo>, begin: State<D>) -> ModelStream {
    let steps = stream::unfold(Some(begin), move |state| {
        let endpoint = Arc::clone(&endpoint);
        let info = Arc::clone(&info);
        async move {
            let (item, state) = step(&endpoint, state?).await?;
            let item = item.map(|event| priced(event, &info));
            // Nothing follows an error or the end.
            let over = matches!(item, Err(_) | Ok(ModelEvent::Done { .. }));
            Some((item, if over { None } else { state }))
        }
    });
    Box::pin(steps)
}

type Step<D> = Option<(Result<ModelEvent, ModelError>, Option<State<D>>)>;

async fn step<D: Decode>(endpoint: &Endpoint, mut state: State<D>) -> Step<D> {
    loop {
        state = match state {
            State::Begin(outgoing, decoder) => match open(endpoint, *outgoing).await {
                Ok(events) => State::Open(events, decoder, Out::new()),
                Err(error) => return Some((Err(error), None)),
            },
            State::Open(mut events, mut decoder, mut ready) => {
                if let Some(event) = ready.pop_front() {
                    return Some((Ok(event), Some(State::Open(events, decoder, ready))));
                }
                let outcome = match events.next().await {
                    Some(Ok((name, data))) => decoder.event(&name, &data, &mut ready),
                    Some(Err(error)) => Err(error),
                    None => {
                        let end = decoder.end(&mut ready);
                        // What was understood still counts before an error.
                        state = State::Drain(ready, end.err());
                        continue;
                    }
                };
                match outcome {
                    Ok(()) => State::Open(events, decoder, ready),
                    Err(error) => State::Drain(ready, Some(error)),
                }
            }
            State::Drain(mut ready, error) => {
                if let Some(event) = ready.pop_front() {
                    return Some((Ok(event), Some(State::Drain(ready, error))));
                }
                return error.map(|error| (Err(error), None));
            }
        }
    }
}

fn priced(event: ModelEvent, info: &ModelInfo) -> ModelEvent {
    match event {
        ModelEvent::Done { mut usage, stop } => {
            info.price(&mut usage);
            ModelEvent::Done { usage, stop }
        }
        other => other,
    }
}

async fn open(endpoint: &Endpoint, outgoing: Outgoing) -> Result<Frames, ModelError> {
    let Deadlines {
        connect,
        first_byte,
        total,
        ..
    } = endpoint.deadlines;
    let begun = Instant::now();
    let base_url = outgoing.base_url.as_ref().unwrap_or(&endpoint.base_url);
    let url = format!("{base_url}{}", outgoing.path);
    let body = outgoing.body;
    let mut headers = outgoing.headers;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(keys) = &outgoing.aws {
        keys.sign(&url, &body, &mut headers, jiff::Timestamp::now());
    }
    let request = http::client(&url, connect)?
        .post(&url)
        .headers(headers)
        .body(body);
    let phase = if first_byte <= total {
        Phase::FirstByte
    } else {
        Phase::Total
    };
    let response = tokio::time::timeout_at(begun + first_byte.min(total), request.send())
        .await
        .map_err(|_| late(&endpoint.provider, phase, first_byte.min(total)))?
        .map_err(|error| unreachable(endpoint, &error))?;
    if !response.status().is_success() {
        return Err(refused(endpoint, response).await);
    }
    if !streams(&response) {
        return Err(no_stream(endpoint, response).await);
    }
    let provider = endpoint.provider.clone();
    let bytes = response.bytes_stream().map({
        let provider = provider.clone();
        move |piece| piece.map_err(|error| broken(&provider, &error))
    });
    let guarded = guard(bytes, provider.clone(), endpoint.deadlines, begun);
    Ok(outgoing.framing.frames(Box::pin(guarded), provider))
}

/// Servers that stream say so; some say nothing.
fn streams(response: &Response) -> bool {
    response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_none_or(|kind| {
            let kind = kind.to_ascii_lowercase();
            !(kind.starts_with("application/json") || kind.starts_with("text/html"))
        })
}

async fn no_stream(endpoint: &Endpoint, response: Response) -> ModelError {
    let status = response.status().as_u16();
    let body = beginning(response).await;
    let says_error = serde_json::from_str::<Value>(&body)
        .is_ok_and(|value| value.get("error").is_some_and(|error| !error.is_null()));
    if says_error {
        return classify(&endpoint.provider, 0, &body, None);
    }
    ModelError {
        kind: ModelErrorKind::Format,
        message: format!(
            "{} answered at {} with a page instead of a stream; check its address with `openclaw config get models.providers.{}.baseUrl`",
            endpoint.provider, endpoint.base_url, endpoint.provider
        ),
        status: Some(status),
        retry_after: None,
    }
}

pub(crate) async fn refused(endpoint: &Endpoint, response: Response) -> ModelError {
    let status = response.status().as_u16();
    let header = |name: &str| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let wait = retry_after(
        header("retry-after"),
        header("retry-after-ms"),
        jiff::Timestamp::now(),
    );
    // Amazon names the error in a header only.
    let named = header("x-amzn-errortype").map(str::to_owned);
    let mut body = beginning(response).await;
    if let (Some(kind), Ok(Value::Object(said))) = (named, serde_json::from_str(&body)) {
        let text = said.get("message").or(said.get("Message"));
        body = json!({ "error": { "type": kind, "message": text } }).to_string();
    }
    classify(&endpoint.provider, status, &body, wait)
}

async fn beginning(response: Response) -> String {
    let mut body = Vec::new();
    let mut bytes = response.bytes_stream();
    let read = async {
        while let Some(Ok(piece)) = bytes.next().await {
            let room = ERROR_BODY - body.len();
            body.extend_from_slice(piece.get(..room).unwrap_or(&piece));
            if body.len() >= ERROR_BODY {
                break;
            }
        }
    };
    // Late or not: what has come is what there is to say.
    drop(tokio::time::timeout(ERROR_BODY_WAIT, read).await);
    String::from_utf8_lossy(&body).into_owned()
}

pub(crate) fn unreachable(endpoint: &Endpoint, error: &reqwest::Error) -> ModelError {
    if error.is_connect() && error.is_timeout() {
        return late(
            &endpoint.provider,
            Phase::Connect,
            endpoint.deadlines.connect,
        );
    }
    let what = if error.is_connect() {
        "could not be reached"
    } else {
        "broke off before it answered"
    };
    ModelError::new(
        ModelErrorKind::Network,
        format!(
            "{} {what} at {}: {}",
            endpoint.provider,
            endpoint.base_url,
            root_cause(error)
        ),
    )
}

pub(crate) fn broken(provider: &str, error: &reqwest::Error) -> ModelError {
    ModelError::new(
        ModelErrorKind::Network,
        format!(
            "{provider} broke off in the middle of its answer: {}",
            root_cause(error)
        ),
    )
}

/// The innermost cause: the outer ones repeat the address.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
