//! A client with as little of its own cost as there can be: one socket, text frames, no event handling.

use std::time::Instant;

use futures_util::{SinkExt, StreamExt};
use openclaw_support::gateway::TOKEN;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// What a socket reads at once: thousands of them wait at the same time.
const SMALL: usize = 4 * 1024;
/// For the few that get long answers.
const LARGE: usize = 1024 * 1024;

/// What a program of this machine says when it connects.
pub(crate) fn operator(auth: Value) -> Value {
    json!({
        "minProtocol": 3, "maxProtocol": 4, "role": "operator",
        "scopes": ["operator.admin", "operator.read", "operator.write"],
        "client": { "id": "gateway-client", "version": "bench", "platform": "linux", "mode": "backend" },
        "auth": auth,
    })
}

pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next: u64,
}

impl Socket {
    /// Opens a socket and waits for hello-ok.
    pub(crate) async fn open(port: u16) -> Self {
        Self::open_with(port, SMALL).await
    }

    /// The same for answers of some megabytes.
    pub(crate) async fn open_for_much(port: u16) -> Self {
        Self::open_with(port, LARGE).await
    }

    async fn open_with(port: u16, buffer: usize) -> Self {
        let mut socket = Self::upgrade_with(port, buffer).await;
        socket.frame(r#""connect.challenge""#).await;
        socket.hello(operator(json!({ "token": TOKEN }))).await;
        socket
    }

    /// Opens a socket and says nothing.
    pub(crate) async fn upgrade(port: u16) -> Self {
        Self::upgrade_with(port, SMALL).await
    }

    async fn upgrade_with(port: u16, buffer: usize) -> Self {
        let limits = WebSocketConfig::default()
            .read_buffer_size(buffer)
            .write_buffer_size(0);
        let (stream, _) =
            connect_async_with_config(format!("ws://127.0.0.1:{port}/"), Some(limits), true)
                .await
                .expect("the gateway accepts a socket");
        Self { stream, next: 0 }
    }

    /// Says who it is and waits for hello-ok.
    pub(crate) async fn hello(&mut self, params: Value) -> String {
        let hello = self.request("connect", params).await;
        assert!(hello.contains("hello-ok"), "no hello-ok: {hello}");
        hello
    }

    /// The bare connection, to be read without being understood.
    pub(crate) fn into_stream(self) -> MaybeTlsStream<TcpStream> {
        self.stream.into_inner()
    }

    /// Sends a request and returns the text of its response; other frames are passed over.
    pub(crate) async fn request(&mut self, method: &str, params: Value) -> String {
        self.next += 1;
        let id = format!("b{}", self.next);
        let frame = json!({ "type": "req", "id": id, "method": method, "params": params });
        self.stream
            .send(Message::text(frame.to_string()))
            .await
            .expect("the frame is sent");
        let wanted = format!(r#""id":"{id}""#);
        loop {
            let text = self.frame("").await;
            if text.contains(r#""type":"res""#) && text.contains(&wanted) {
                return text;
            }
        }
    }

    /// Waits for a frame that contains `part`.
    pub(crate) async fn frame(&mut self, part: &str) -> String {
        loop {
            let frame = self
                .stream
                .next()
                .await
                .expect("the socket stays open")
                .expect("a frame");
            if let Message::Text(text) = frame
                && text.contains(part)
            {
                return text.as_str().to_owned();
            }
        }
    }

    /// One whole turn: from `chat.send` to the final `chat` event of its run.
    pub(crate) async fn turn(&mut self, session: &str, run: &str) {
        self.turn_saying(session, run, "hello").await;
    }

    /// The same with words of its own; says when the first words of the answer came.
    pub(crate) async fn turn_saying(
        &mut self,
        session: &str,
        run: &str,
        message: &str,
    ) -> Option<Instant> {
        self.next += 1;
        let frame = json!({
            "type": "req", "id": format!("b{}", self.next), "method": "chat.send",
            "params": { "sessionKey": session, "message": message, "idempotencyKey": run },
        });
        self.stream
            .send(Message::text(frame.to_string()))
            .await
            .expect("the frame is sent");
        let run = format!(r#""runId":"{run}""#);
        let mut first = None;
        loop {
            let text = self.frame(&run).await;
            let is_delta =
                || text.contains(r#""stream":"assistant""#) || text.contains(r#""state":"delta""#);
            if first.is_none() && is_delta() {
                first = Some(Instant::now());
            }
            if text.contains(r#""state":"#) {
                if text.contains(r#""state":"final""#) {
                    return first;
                }
                assert!(
                    !text.contains(r#""state":"error""#),
                    "a turn failed: {text}"
                );
            }
        }
    }
}
