//! A client of the gateway's WebSocket protocol, versions 3 and 4: connect, ask, listen. Every wait has a deadline.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::StreamExt;
use openclaw_protocol::Secret;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

pub(crate) use self::device::DeviceFiles;
pub(crate) use self::tunnel::Ssh;

use self::device::HostDevice;
use self::tunnel::Tunnel;
use crate::endpoint::Endpoint;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;

mod device;
mod failure;
#[cfg(test)]
mod tests;
mod tunnel;

/// What a command line client asks for; the gateway grants what the credentials allow.
const SCOPES: &[&str] = &[
    "operator.admin",
    "operator.read",
    "operator.write",
    "operator.approvals",
    "operator.pairing",
];
/// As large as the largest answer a gateway gives.
const MAX_FRAME: usize = 26_214_400;

/// Something the gateway sent.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// The answer to a request, by its id.
    Answer {
        id: String,
        answer: Result<Value, Refusal>,
    },
    Event {
        name: String,
        payload: Value,
    },
}

/// The gateway's "no" to a request.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) details: Value,
}

/// A connection that has said hello.
#[derive(Debug)]
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    endpoint: Endpoint,
    hello: Value,
    next_id: u64,
    waiting: VecDeque<Incoming>,
    /// The way there, kept open.
    tunnel: Option<Tunnel>,
}

impl Client {
    /// Connects and proves itself.
    pub(crate) async fn connect(mut endpoint: Endpoint, within: Duration) -> CommandResult<Self> {
        let deadline = Instant::now() + within;
        let tunnel = match &endpoint.tunnel {
            Some(ssh) => Some(ssh.open(deadline).await?),
            None => None,
        };
        if let Some(tunnel) = &tunnel {
            endpoint.url.clone_from(&tunnel.url);
        }
        if endpoint.url.starts_with("wss://") {
            // Only a connection that needs TLS pays for its set-up.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let mut device = endpoint.device.as_ref().and_then(HostDevice::load);
        // The operator's secret first; where that is not known, what the gateway gave this host.
        let own = device.as_ref().and_then(HostDevice::stand_in);
        let mut offers: Vec<Option<Secret>> = vec![endpoint.token.clone()];
        if endpoint.token.is_none() && endpoint.password.is_none() && own.is_some() {
            offers = vec![own];
        } else if endpoint.token.is_some() && own.is_some() {
            offers.push(own);
        }
        let mut refused = None;
        for token in offers {
            let mut client = Self::open(endpoint.clone(), deadline, within).await?;
            let challenge = client.challenge(deadline, within).await?;
            let params = client.introduction(device.as_ref(), token.as_ref(), &challenge);
            let id = client.send("connect", &params).await?;
            match client.answer(&id, deadline, "connect").await? {
                Ok(hello) => {
                    if let Some(device) = &mut device {
                        device.remember(&hello);
                    }
                    client.hello = hello;
                    client.tunnel = tunnel;
                    return Ok(client);
                }
                // A secret that was changed elsewhere: the gateway may still know this host.
                Err(refusal) if refusal.message.contains("gateway token mismatch") => {
                    refused.get_or_insert(refusal);
                }
                Err(refusal) => return Err(failure::connecting(&endpoint, &refusal)),
            }
        }
        match refused {
            Some(refusal) => Err(failure::connecting(&endpoint, &refusal)),
            None => Err(failure::silent(&endpoint, within)),
        }
    }

    async fn open(endpoint: Endpoint, deadline: Instant, within: Duration) -> CommandResult<Self> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_FRAME))
            .max_frame_size(Some(MAX_FRAME));
        let opening =
            tokio_tungstenite::connect_async_with_config(endpoint.url.as_str(), Some(config), true);
        let (socket, _) = match tokio::time::timeout_at(deadline, opening).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return Err(failure::opening(&endpoint, &error)),
            Err(_) => return Err(failure::silent(&endpoint, within)),
        };
        Ok(Self {
            socket,
            endpoint,
            hello: Value::Null,
            next_id: 0,
            waiting: VecDeque::new(),
            tunnel: None,
        })
    }

    /// What the gateway said of itself.
    pub(crate) fn hello(&self) -> &Value {
        &self.hello
    }

    pub(crate) fn url(&self) -> &str {
        &self.endpoint.url
    }

    /// Asks and waits for the answer; events that come meanwhile are kept for [`Client::next`].
    pub(crate) async fn call(
        &mut self,
        method: &str,
        params: &Value,
        within: Duration,
    ) -> CommandResult<Value> {
        let id = self.send(method, params).await?;
        let answer = self.answer(&id, Instant::now() + within, method).await?;
        answer.map_err(|refusal| failure::refused(method, &refusal))
    }

    /// Asks without waiting; the answer comes by [`Client::next`] under the id.
    pub(crate) async fn send(&mut self, method: &str, params: &Value) -> CommandResult<String> {
        self.next_id += 1;
        let id = self.next_id.to_string();
        let frame = json!({ "type": "req", "id": id, "method": method, "params": params });
        self.socket
            .send(Message::text(frame.to_string()))
            .await
            .map_err(|error| failure::lost(&self.endpoint, &error))?;
        Ok(id)
    }

    /// What comes next. `None` = nothing within the time.
    pub(crate) async fn next(&mut self, within: Duration) -> CommandResult<Option<Incoming>> {
        if let Some(incoming) = self.waiting.pop_front() {
            return Ok(Some(incoming));
        }
        match tokio::time::timeout(within, self.read()).await {
            Ok(incoming) => incoming.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Says goodbye; a peer that doesn't answer is left alone.
    pub(crate) async fn close(mut self) {
        let goodbye = self.socket.close(None);
        drop(tokio::time::timeout(Duration::from_millis(200), goodbye).await);
    }

    async fn challenge(&mut self, deadline: Instant, within: Duration) -> CommandResult<Value> {
        loop {
            match tokio::time::timeout_at(deadline, self.read()).await {
                Ok(Ok(Incoming::Event { name, payload })) if name == "connect.challenge" => {
                    return Ok(payload);
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(failure::silent(&self.endpoint, within)),
            }
        }
    }

    fn introduction(
        &self,
        device: Option<&HostDevice>,
        token: Option<&Secret>,
        challenge: &Value,
    ) -> Value {
        let mut auth = serde_json::Map::new();
        if let Some(token) = token {
            auth.insert("token".into(), token.expose().into());
        }
        if let Some(password) = &self.endpoint.password {
            auth.insert("password".into(), password.expose().into());
        }
        let client = json!({
            "id": "cli",
            "displayName": "openclaw",
            "version": env!("CARGO_PKG_VERSION"),
            "platform": std::env::consts::OS,
            "mode": "cli",
            "instanceId": uuid::Uuid::new_v4().to_string(),
        });
        let token = token.map(Secret::expose).unwrap_or_default();
        let device = device.map(|device| device.claim(&client, SCOPES, token, challenge));
        let mut params = json!({
            "minProtocol": 3,
            "maxProtocol": 4,
            "client": client,
            "role": device::ROLE,
            "scopes": SCOPES,
            "caps": ["tool-events"],
            "auth": auth,
        });
        if let (Some(device), Value::Object(params)) = (device, &mut params) {
            params.insert("device".into(), device);
        }
        params
    }

    async fn answer(
        &mut self,
        id: &str,
        deadline: Instant,
        method: &str,
    ) -> CommandResult<Result<Value, Refusal>> {
        loop {
            let incoming = tokio::time::timeout_at(deadline, self.read())
                .await
                .map_err(|_| failure::unanswered(&self.endpoint, method))??;
            match incoming {
                Incoming::Answer {
                    id: answered,
                    answer,
                } if answered == id => return Ok(answer),
                // A late answer to a request nobody waits for any more.
                Incoming::Answer { .. } => {}
                event @ Incoming::Event { .. } => self.waiting.push_back(event),
            }
        }
    }

    async fn read(&mut self) -> CommandResult<Incoming> {
        loop {
            let message = match self.socket.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(failure::lost(&self.endpoint, &error)),
                None => {
                    return Err(failure::lost(
                        &self.endpoint,
                        &SocketError::ConnectionClosed,
                    ));
                }
            };
            match message {
                Message::Text(text) => {
                    let frame = serde_json::from_str(&text).ok().and_then(parse);
                    if let Some(incoming) = frame {
                        return Ok(incoming);
                    }
                }
                Message::Close(frame) => {
                    return Err(failure::closed(&self.endpoint, frame.as_ref()));
                }
                _ => {}
            }
        }
    }
}

/// Reads a frame; what makes no sense is ignored, as newer gateways may say more.
fn parse(mut frame: Value) -> Option<Incoming> {
    match frame.get("type")?.as_str()? {
        "res" => {
            let id = frame.get("id")?.as_str()?.to_owned();
            let answer = if frame.get("ok")?.as_bool()? {
                Ok(frame
                    .get_mut("payload")
                    .map(Value::take)
                    .unwrap_or_default())
            } else {
                let error = frame.get_mut("error").map(Value::take).unwrap_or_default();
                Err(Refusal::read(error))
            };
            Some(Incoming::Answer { id, answer })
        }
        "event" => Some(Incoming::Event {
            name: frame.get("event")?.as_str()?.to_owned(),
            payload: frame
                .get_mut("payload")
                .map(Value::take)
                .unwrap_or_default(),
        }),
        _ => None,
    }
}

impl Refusal {
    fn read(mut error: Value) -> Self {
        let text = |name: &str| {
            error
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            code: text("code"),
            message: text("message"),
            details: error
                .get_mut("details")
                .map(Value::take)
                .unwrap_or_default(),
        }
    }

    /// The finer code of newer gateways.
    pub(crate) fn detail(&self) -> &str {
        self.details
            .get("code")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

impl From<Refusal> for CommandError {
    fn from(refusal: Refusal) -> Self {
        Self::new(Kind::Daemon, refusal.message)
    }
}
