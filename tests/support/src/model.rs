//! A strict, scripted model server that speaks every wire, streamed.
//!
//! It checks each request as the vendors do and answers a wrong one as they do, so a client that
//! gets along with it has a chance with them. What it answers is a script of [`Reply`]s; every
//! request is kept. It speaks HTTP by hand, because a test needs to hang or to cut the connection at
//! a chosen byte.

pub mod check;

mod embedding;
mod http;
mod reply;
mod wire;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Notify;

pub use self::reply::Reply;

/// The key it accepts.
pub const KEY: &str = "sk-fake-0123456789";

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct FakeModel {
    addr: SocketAddr,
    state: Arc<State>,
    accept: tokio::task::JoinHandle<()>,
}

/// A wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// `POST /v1/chat/completions`.
    Openai,
    /// `POST /v1/responses`.
    Responses,
    /// `POST /v1/messages`.
    Anthropic,
    /// `POST /v1beta/models/<model>:streamGenerateContent`.
    Google,
    /// `POST /api/chat`.
    Ollama,
    /// `POST /model/<model>/converse-stream`.
    Bedrock,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Over which wire.
    pub wire: Wire,
    /// Header names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Value,
    /// Why it was refused, if it was.
    pub refused: Option<String>,
}

/// Makes the reply to a request that has none in the script.
struct Otherwise(Box<dyn Fn(&Value) -> Reply + Send>);

impl std::fmt::Debug for Otherwise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Otherwise")
    }
}

#[derive(Debug)]
struct State {
    script: Mutex<VecDeque<Reply>>,
    otherwise: Mutex<Otherwise>,
    requests: Mutex<Vec<Recorded>>,
    models: Mutex<Vec<String>>,
    /// What `/v1/models` lists instead.
    catalogue: Mutex<Option<Vec<Value>>>,
    recording: AtomicBool,
    count: AtomicU64,
    open: AtomicUsize,
    cancelled: AtomicUsize,
    changed: Notify,
}

/// The body of an answer as it would be sent, for tests that have no socket.
pub fn stream(wire: Wire, reply: &Reply) -> Vec<u8> {
    let frames = wire::frames(wire, reply, &json!({ "model": "fake-1" }));
    frames.into_iter().flat_map(|(_, frame)| frame).collect()
}

impl FakeModel {
    /// Starts on a free port of this machine. Without a script it answers "ok".
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    /// Starts at an address.
    #[allow(clippy::disallowed_methods)] // a test has no supervisor
    pub async fn start_at(addr: &str) -> Self {
        let listener = TcpListener::bind(addr).await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            script: Mutex::default(),
            otherwise: Mutex::new(Otherwise(Box::new(|_| Reply::text("ok")))),
            requests: Mutex::default(),
            models: Mutex::new(vec!["fake-1".to_owned()]),
            catalogue: Mutex::default(),
            recording: AtomicBool::new(true),
            count: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            cancelled: AtomicUsize::new(0),
            changed: Notify::new(),
        });
        let shared = Arc::clone(&state);
        let accept = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((stream, _)) = accepted else { return };
                        connections.spawn(http::serve(stream, Arc::clone(&shared)));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Self {
            addr,
            state,
            accept,
        }
    }

    /// Scheme, host and port.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Answers the next request that has no reply yet with this.
    pub fn push(&self, reply: Reply) {
        self.state.script.lock().unwrap().push_back(reply);
    }

    /// Takes back what is left of the script.
    pub fn forget_script(&self) {
        self.state.script.lock().unwrap().clear();
    }

    /// Answers with this when the script is over.
    pub fn otherwise(&self, reply: Reply) {
        self.answer_with(move |_| reply.clone());
    }

    /// Answers with what this makes of a request's body when the script is over.
    pub fn answer_with(&self, answer: impl Fn(&Value) -> Reply + Send + 'static) {
        *self.state.otherwise.lock().unwrap() = Otherwise(Box::new(answer));
    }

    /// For benchmarks and long runs: keeps no requests, and doesn't read the tools that they offer.
    pub fn stop_recording(&self) {
        self.state.recording.store(false, Ordering::Relaxed);
    }

    /// What `/v1/models` and `/api/tags` list.
    pub fn serve_models(&self, models: &[&str]) {
        *self.state.models.lock().unwrap() = models.iter().map(|id| (*id).to_owned()).collect();
    }

    /// What `/v1/models` lists, as OpenRouter describes its models.
    pub fn serve_catalogue(&self, rows: Vec<Value>) {
        *self.state.catalogue.lock().unwrap() = Some(rows);
    }

    /// The requests that came, in order.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.requests.lock().unwrap().clone()
    }

    /// How many requests came, also when none are kept.
    pub fn count(&self) -> u64 {
        self.state.count.load(Ordering::Relaxed)
    }

    /// Why requests were refused; a correct client leaves this empty.
    pub fn refusals(&self) -> Vec<String> {
        let requests = self.requests();
        requests
            .into_iter()
            .filter_map(|request| request.refused)
            .collect()
    }

    /// How many answers are under way.
    pub fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }

    /// How many answers the client did not wait for.
    pub fn cancelled(&self) -> usize {
        self.state.cancelled.load(Ordering::SeqCst)
    }

    /// Waits until something holds; panics when it doesn't within ten seconds.
    pub async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let wait = async {
            loop {
                let changed = self.state.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if holds(self) {
                    return;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), wait).await;
        assert!(waited.is_ok(), "the fake model never saw: {what}");
    }

    /// The settings of a gateway whose agents talk to it.
    pub fn config(&self, wire: Wire) -> Value {
        let (api, base_url) = match wire {
            Wire::Openai => ("openai-completions", format!("{}/v1", self.base_url())),
            Wire::Responses => ("openai-responses", format!("{}/v1", self.base_url())),
            Wire::Anthropic => ("anthropic-messages", self.base_url()),
            Wire::Google => ("google-generative-ai", self.base_url()),
            Wire::Ollama => ("ollama", self.base_url()),
            Wire::Bedrock => ("bedrock-converse-stream", self.base_url()),
        };
        json!({
            "agents": { "defaults": { "model": { "primary": "fake/fake-1" } } },
            "models": { "providers": { "fake": {
                "baseUrl": base_url, "apiKey": KEY, "api": api,
                "models": [{ "id": "fake-1", "name": "Fake", "input": ["text", "image"],
                             "contextWindow": 100_000, "maxTokens": 4096 }],
            }}},
        })
    }
}

impl Drop for FakeModel {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl State {
    fn next_reply(&self, body: &Value) -> Reply {
        let scripted = self.script.lock().unwrap().pop_front();
        scripted.unwrap_or_else(|| (self.otherwise.lock().unwrap().0)(body))
    }

    fn record(&self, request: impl FnOnce() -> Recorded) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if self.recording.load(Ordering::Relaxed) {
            self.requests.lock().unwrap().push(request());
        }
        self.changed.notify_waiters();
    }
}
