//! A server that is a service: each message is a request of its own (streamable HTTP), answered as JSON or as a stream of
//! events; what it says unasked comes over one long request.

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use futures_util::Stream;
use futures_util::StreamExt;
use openclaw_protocol::Secret;
use reqwest::Method;
use reqwest::RequestBuilder;
use reqwest::Response;
use reqwest::StatusCode;
use reqwest::header::ACCEPT;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::sync::watch;

use super::client::CallError;
use super::client::Client;
use super::link;
use super::message;
use super::message::Heard;
use super::server::ServerArgs;

/// The largest answer.
const ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// A refusal is told so far.
const REASON_CHARS: usize = 200;
/// How long the service may take to let the connection go.
const GOODBYE: Duration = Duration::from_secs(1);
/// The pause before it is listened to again, doubled from the first to the last.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";

/// How requests are made.
#[derive(Debug)]
pub(super) struct Post {
    url: String,
    http: reqwest::Client,
    headers: HeaderMap,
    /// The service's name for this connection.
    session: Mutex<Option<HeaderValue>>,
    /// The version that was agreed on.
    version: watch::Sender<Option<HeaderValue>>,
    /// The service forgot this connection.
    lost: Notify,
}

/// Talks to the service until something fails or it is to end.
pub(super) async fn run(
    url: &str,
    args: &ServerArgs,
    listed: impl Fn(usize),
    mut stop: watch::Receiver<bool>,
) -> Result<(), String> {
    let client = Client::posts(Post::new(url, args)?);
    let Some(post) = client.post() else {
        return Ok(()); // it was made one just now
    };
    let outcome = tokio::select! {
        failed = link::talk(&client, args, listed) => match failed {
            Ok(never) => match never {},
            Err(reason) => Err(reason),
        },
        never = post.listen(&client) => match never {},
        () = post.lost.notified() => Err("the service forgot this connection".to_owned()),
        _ = stop.wait_for(|stop| *stop) => Ok(()),
    };
    args.disconnected();
    if outcome.is_ok() {
        let goodbye = post.request(Method::DELETE).send();
        drop(tokio::time::timeout(GOODBYE, goodbye).await);
    }
    outcome
}

impl Post {
    fn new(url: &str, args: &ServerArgs) -> Result<Self, String> {
        // An error means that another part of the process has installed one: as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .connect_timeout(args.connects_within())
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("openclaw/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("the HTTPS client could not be made: {error}"))?;
        let settings = &args.settings().headers;
        let header = |(name, value): (&String, &Secret)| {
            let name = HeaderName::try_from(name.as_str()).ok()?;
            let mut value = HeaderValue::try_from(value.expose()).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        };
        Ok(Self {
            url: url.to_owned(),
            http,
            headers: settings.iter().filter_map(header).collect(),
            session: Mutex::default(),
            version: watch::Sender::new(None),
            lost: Notify::new(),
        })
    }

    /// From now on this version is spoken.
    pub(super) fn speaks(&self, version: &str) {
        self.version
            .send_replace(HeaderValue::try_from(version).ok());
    }

    /// Asks, and reads on until the answer comes.
    pub(super) async fn ask(
        &self,
        client: &Client,
        id: u64,
        message: &Value,
    ) -> Result<Value, CallError> {
        let response = self.send(message).await?;
        let mut messages = Box::pin(messages(response).await?);
        while let Some(message) = messages.next().await {
            let message = message?;
            let own = Value::from(id);
            let is_ours = message.get("method").is_none() && message.get("id") == Some(&own);
            if is_ours && let Some(Heard::Answer { result, .. }) = message::read(message.clone()) {
                return result.map_err(CallError::Refused);
            }
            self.heard(client, message).await?;
        }
        Err(CallError::Failed(
            "it ended its answer without a result".to_owned(),
        ))
    }

    /// Says something that has no answer.
    pub(super) async fn tell(&self, _client: &Client, message: &Value) -> Result<(), CallError> {
        self.send(message).await.map(drop)
    }

    async fn heard(&self, client: &Client, message: Value) -> Result<(), CallError> {
        match client.hear(message) {
            Some(answer) => self.send(&answer).await.map(drop),
            None => Ok(()),
        }
    }

    fn request(&self, method: Method) -> RequestBuilder {
        let mut request = self
            .http
            .request(method, &self.url)
            .headers(self.headers.clone());
        if let Some(session) = self.session().clone() {
            request = request.header(SESSION, session);
        }
        if let Some(version) = self.version.borrow().clone() {
            request = request.header(VERSION, version);
        }
        request
    }

    async fn send(&self, message: &Value) -> Result<Response, CallError> {
        let request = self
            .request(Method::POST)
            .header(ACCEPT, "application/json, text/event-stream")
            .json(message);
        let response = request.send().await.map_err(|error| failed(&error))?;
        if response.status() == StatusCode::NOT_FOUND && self.session().is_some() {
            self.lost.notify_one();
            return Err(CallError::Gone);
        }
        if !response.status().is_success() {
            return Err(refused(response).await);
        }
        if let Some(session) = response.headers().get(SESSION) {
            *self.session() = Some(session.clone());
        }
        Ok(response)
    }

    /// Hears what the service says unasked, where it does.
    async fn listen(&self, client: &Client) -> Infallible {
        let mut agreed = self.version.subscribe();
        // The sender is this very value.
        drop(agreed.wait_for(Option::is_some).await);
        let mut pause = PAUSES[0];
        loop {
            let request = self
                .request(Method::GET)
                .header(ACCEPT, "text/event-stream");
            if let Ok(response) = request.send().await {
                if !response.status().is_success() {
                    // Most services have nothing to say unasked, and are not asked twice.
                    std::future::pending::<()>().await;
                }
                pause = PAUSES[0];
                if let Ok(messages) = messages(response).await {
                    let mut messages = Box::pin(messages);
                    while let Some(Ok(message)) = messages.next().await {
                        if self.heard(client, message).await.is_err() {
                            break;
                        }
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES[1]);
        }
    }

    fn session(&self) -> MutexGuard<'_, Option<HeaderValue>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Cuts the messages out of a stream of events that comes in any portions.
#[derive(Default)]
struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
}

impl Events {
    /// The messages that are whole with this portion; what is no message is passed over.
    fn cut(&mut self, piece: &[u8]) -> Vec<Result<Value, CallError>> {
        let mut messages = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if !part.ends_with(b"\n") {
                break;
            }
            let line = std::mem::take(&mut self.line);
            let line = line.trim_ascii_end();
            if let Some(data) = line.strip_prefix(b"data:") {
                self.data.extend_from_slice(data);
                self.data.push(b'\n');
            } else if line.is_empty() {
                let data = std::mem::take(&mut self.data);
                messages.extend(serde_json::from_slice(&data).ok().map(Ok));
            }
        }
        messages
    }
}

/// The messages of a response, however it carries them.
async fn messages(
    response: Response,
) -> Result<impl Stream<Item = Result<Value, CallError>> + Send, CallError> {
    let kind = response.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_stream = kind.starts_with("text/event-stream");
    let mut left = ANSWER_BYTES;
    let bytes = response.bytes_stream().map(move |piece| {
        let piece = piece.map_err(|error| failed(&error))?;
        left = left.checked_sub(piece.len()).ok_or_else(|| {
            CallError::Failed(format!("it answered more than {ANSWER_BYTES} bytes"))
        })?;
        Ok::<_, CallError>(piece)
    });
    if is_stream {
        let mut events = Events::default();
        let events = bytes.flat_map(move |piece| {
            let heard: Vec<Result<Value, CallError>> = match piece {
                Ok(piece) => events.cut(&piece),
                Err(error) => vec![Err(error)],
            };
            futures_util::stream::iter(heard)
        });
        return Ok(events.left_stream());
    }
    let mut bytes = Box::pin(bytes);
    let mut body = Vec::new();
    while let Some(piece) = bytes.next().await {
        body.extend_from_slice(&piece?);
    }
    let messages = match serde_json::from_slice(&body) {
        Ok(Value::Array(messages)) => messages,
        Ok(message) => vec![message],
        Err(_) => {
            return Err(CallError::Failed(
                "it answered with what is no JSON".to_owned(),
            ));
        }
    };
    Ok(futures_util::stream::iter(messages.into_iter().map(Ok)).right_stream())
}

async fn refused(mut response: Response) -> CallError {
    let status = response.status();
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await
        && body.len() < 4 * REASON_CHARS
    {
        body.extend_from_slice(&piece);
    }
    let body = String::from_utf8_lossy(&body);
    let reason: String = body.trim().chars().take(REASON_CHARS).collect();
    CallError::Failed(format!("HTTP {status} {reason}").trim_end().to_owned())
}

/// An error without the address: it may hold a secret.
fn failed(error: &reqwest::Error) -> CallError {
    let mut text = match error {
        error if error.is_timeout() => "it did not answer in time".to_owned(),
        error if error.is_connect() => "it can't be reached".to_owned(),
        _ => "the connection broke".to_owned(),
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    CallError::Failed(text)
}
