//! A client of the gateway's WebSocket, protocol 3 or 4, and one of its plain HTTP. Every wait has a
//! deadline and says what it waited for.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::StreamExt;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderName;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::device::Device;

/// How long a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What a client says when it connects.
#[derive(Debug, Clone)]
pub struct Hello {
    params: Value,
    headers: Vec<(String, String)>,
    device: Option<Device>,
}

impl Hello {
    /// A command line client that speaks versions `min` to `max` and asks for every right.
    pub fn new(min: u32, max: u32) -> Self {
        let params = json!({
            "minProtocol": min,
            "maxProtocol": max,
            "client": { "id": "cli", "version": "test", "platform": "linux", "mode": "cli" },
            "role": "operator",
            "scopes": ["operator.admin", "operator.read", "operator.write"],
            "caps": ["tool-events"],
        });
        Self {
            params,
            headers: Vec::new(),
            device: None,
        }
    }

    /// With the shared token.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.with("auth", json!({ "token": token }))
    }

    /// With the shared password.
    #[must_use]
    pub fn password(self, password: &str) -> Self {
        self.with("auth", json!({ "password": password }))
    }

    /// Asks for these rights only.
    #[must_use]
    pub fn scopes(self, scopes: &[&str]) -> Self {
        self.with("scopes", json!(scopes))
    }

    /// As another program.
    #[must_use]
    pub fn client(self, id: &str, mode: &str) -> Self {
        let client = json!({ "id": id, "version": "test", "platform": "test", "mode": mode });
        self.with("client", client)
    }

    /// As a device, which signs the challenge.
    #[must_use]
    pub fn device(mut self, device: &Device) -> Self {
        self.device = Some(device.clone());
        self
    }

    /// The device signed in from another time, with another nonce, or in another layout.
    #[must_use]
    pub fn altered(mut self, alter: impl FnOnce(&mut Device)) -> Self {
        if let Some(device) = &mut self.device {
            alter(device);
        }
        self
    }

    /// With any parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.params[name] = value;
        self
    }

    /// With a header on the upgrade, such as `Origin`.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// How a connection was refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// At the upgrade.
    Http(u16),
    /// At `connect`: the error, and the close code and reason.
    Connect(Value, u16, String),
}

/// What a client talks over: plain or encrypted.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Stream for S {}

/// A connected client.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<Box<dyn Stream>>,
    patience: Duration,
    next_id: u64,
    events: VecDeque<Value>,
    responses: VecDeque<Value>,
    closed: Option<(u16, String)>,
    /// The payload of `hello-ok`.
    pub hello: Value,
}

impl Client {
    /// Connects and says hello.
    pub async fn connect(address: SocketAddr, hello: Hello) -> Result<Self, Refusal> {
        let stream = TcpStream::connect(address).await.expect("the port listens");
        Self::over(stream, address, hello).await
    }

    /// Says hello over a stream.
    pub async fn over(
        stream: impl Stream + 'static,
        address: SocketAddr,
        hello: Hello,
    ) -> Result<Self, Refusal> {
        let mut client = Self::open_over(Box::new(stream), address, &hello.headers).await?;
        let challenge = client.event("connect.challenge").await;
        assert!(challenge["payload"]["nonce"].is_string(), "{challenge}");
        let mut params = hello.params;
        if let Some(device) = &hello.device {
            params["device"] = device.claim(&params, &challenge["payload"]);
        }
        let id = client.send("connect", params).await;
        let response = client.response(&id).await;
        if response["ok"] == true {
            client.hello = response["payload"].clone();
            return Ok(client);
        }
        let (code, reason) = client.closed().await;
        Err(Refusal::Connect(response["error"].clone(), code, reason))
    }

    /// Opens the socket without saying anything.
    pub async fn open(address: SocketAddr, headers: &[(String, String)]) -> Result<Self, Refusal> {
        let stream = TcpStream::connect(address).await.expect("the port listens");
        Self::open_over(Box::new(stream), address, headers).await
    }

    async fn open_over(
        stream: Box<dyn Stream>,
        address: SocketAddr,
        headers: &[(String, String)],
    ) -> Result<Self, Refusal> {
        let url = format!("ws://{address}/");
        let mut request = url.into_client_request().expect("a request");
        for (name, value) in headers {
            request.headers_mut().insert(
                HeaderName::from_bytes(name.as_bytes()).expect("a header's name"),
                HeaderValue::from_str(value).expect("a header's value"),
            );
        }
        match within("the upgrade", client_async(request, stream)).await {
            Ok((socket, _)) => Ok(Self {
                socket,
                patience: PATIENCE,
                next_id: 0,
                events: VecDeque::new(),
                responses: VecDeque::new(),
                closed: None,
                hello: Value::Null,
            }),
            Err(SocketError::Http(response)) => Err(Refusal::Http(response.status().as_u16())),
            Err(error) => panic!("the upgrade failed: {error}"),
        }
    }

    /// Calls a method and waits for its (first) answer.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.send(method, params).await;
        let mut response = self.response(&id).await;
        if response["ok"] == true {
            Ok(response["payload"].take())
        } else {
            Err(response["error"].take())
        }
    }

    /// Sends a request; returns its id.
    pub async fn send(&mut self, method: &str, params: Value) -> String {
        self.next_id += 1;
        let id = self.next_id.to_string();
        let frame = json!({ "type": "req", "id": id, "method": method, "params": params });
        self.raw(&frame.to_string()).await;
        id
    }

    /// Sends any text.
    pub async fn raw(&mut self, text: &str) {
        within("a write", self.socket.send(Message::text(text)))
            .await
            .expect("a write");
    }

    /// Sends any text to a gateway that may close in the middle of it.
    pub async fn try_raw(&mut self, text: &str) {
        drop(within("a write", self.socket.send(Message::text(text))).await);
    }

    /// Sends the beginning of a frame, and never the rest.
    pub async fn half_a_frame(&mut self) {
        // A masked text frame of 100 bytes, of which one comes.
        let bytes = [0x81, 0x80 | 100, 1, 2, 3, 4, b'{'];
        let stream = self.socket.get_mut();
        stream.write_all(&bytes).await.expect("a write");
        stream.flush().await.expect("a write");
    }

    /// The next response to a request, as a frame.
    pub async fn response(&mut self, id: &str) -> Value {
        loop {
            let at = self
                .responses
                .iter()
                .position(|response| response["id"] == id);
            if let Some(response) = at.and_then(|at| self.responses.remove(at)) {
                return response;
            }
            self.receive(&format!("a response to {id}")).await;
        }
    }

    /// The next event of a name, as a frame; others before it are skipped.
    pub async fn event(&mut self, name: &str) -> Value {
        self.event_where(name, |_| true).await
    }

    /// The next event of a name whose payload fits; others before it are skipped.
    pub async fn event_where(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            while let Some(event) = self.events.pop_front() {
                if event["event"] == name && fits(&event["payload"]) {
                    return event;
                }
            }
            self.receive(&format!("an event {name}")).await;
        }
    }

    /// All events up to and with the first `chat` event that ends a run.
    pub async fn run_events(&mut self, run_id: &str) -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            while let Some(event) = self.events.pop_front() {
                let payload = &event["payload"];
                let is_of_run = payload["runId"] == run_id;
                let state = payload["state"].as_str().unwrap_or_default();
                let is_end = is_of_run && matches!(state, "final" | "error" | "aborted");
                if is_of_run {
                    seen.push(event);
                }
                if is_end {
                    return seen;
                }
            }
            self.receive(&format!("the end of run {run_id}; so far {seen:#?}"))
                .await;
        }
    }

    /// Waits longer for each frame than [`PATIENCE`].
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Waits for the gateway to close the socket; returns code and reason (1005 when there is none).
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Some(closed) = &self.closed {
                return closed.clone();
            }
            self.receive("the close").await;
        }
    }

    /// Drops the events that came so far: a client that runs for hours must not keep them.
    pub fn forget_events(&mut self) {
        self.events.clear();
    }

    /// Closes the socket.
    pub async fn close(mut self) {
        drop(within("the close", self.socket.close(None)).await);
    }

    async fn receive(&mut self, what: &str) {
        assert!(
            self.closed.is_none(),
            "closed while waiting for {what}: {:?}",
            self.closed
        );
        let next = tokio::time::timeout(self.patience, self.socket.next()).await;
        match next.unwrap_or_else(|_| panic!("waited {:?} for {what}", self.patience)) {
            Some(Ok(Message::Text(text))) => {
                let frame: Value = serde_json::from_str(&text).expect("a frame is JSON");
                match frame["type"].as_str() {
                    Some("res") => self.responses.push_back(frame),
                    Some("event") => self.events.push_back(frame),
                    other => panic!("a frame of type {other:?}"),
                }
            }
            Some(Ok(Message::Close(frame))) => {
                let closed = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                self.closed = Some(closed.unwrap_or((1005, String::new())));
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => self.closed = Some((1006, String::new())),
        }
    }
}

/// An HTTP answer.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl HttpAnswer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e} in {}", self.body))
    }
}

/// One HTTP request on a connection of its own.
pub async fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> HttpAnswer {
    http_with(address, method, path, headers, "").await
}

/// One HTTP request with a body. An answer in pieces is put together.
pub async fn http_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    sent: &str,
) -> HttpAnswer {
    let mut stream = TcpStream::connect(address).await.expect("the port listens");
    let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        request.push_str(&format!("host: {address}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !sent.is_empty() {
        request.push_str(&format!("content-length: {}\r\n", sent.len()));
    }
    request.push_str("\r\n");
    request.push_str(sent);
    stream.write_all(request.as_bytes()).await.expect("a write");
    let mut bytes = Vec::new();
    within("the answer", stream.read_to_end(&mut bytes))
        .await
        .expect("an answer");
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let is_chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    let body = if is_chunked {
        unchunked(body)
    } else {
        body.to_owned()
    };
    HttpAnswer {
        status: status.and_then(|status| status.parse().ok()).unwrap_or(0),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body,
    }
}

/// Takes the lengths out of a body that was sent in pieces.
fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((length, behind)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or(0);
        if length == 0 {
            break;
        }
        body.push_str(behind.get(..length).unwrap_or_default());
        rest = behind.get(length + 2..).unwrap_or_default();
    }
    body
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
}
