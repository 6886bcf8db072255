//! One connection to a server, as its callers see it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::Value;
use serde_json::json;
use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use super::http::Post;
use super::message;
use super::message::Heard;
use super::message::Refusal;

/// Messages to a program that does not read: past them its callers wait.
const WRITES: usize = 32;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    #[error("it refused ({}): {}", .0.code, .0.message)]
    Refused(Refusal),
    #[error("the connection ended")]
    Gone,
    /// An answer that is none, or a service that can't be reached.
    #[error("{0}")]
    Failed(String),
}

/// A connection; all copies are the same one.
#[derive(Debug, Clone)]
pub(super) struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    way: Way,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Result<Value, Refusal>>>>,
    /// The server said that its tools are others now.
    changed: Notify,
}

#[derive(Debug)]
enum Way {
    /// A program that reads lines.
    Lines(mpsc::Sender<String>),
    /// A service that answers requests.
    Posts(Box<Post>),
}

/// Forgets a request that nobody waits for any more, and tells the server.
struct Waiting<'a> {
    client: &'a Client,
    lines: &'a mpsc::Sender<String>,
    id: u64,
}

impl Client {
    /// A connection to a program; what is to be written comes out of the receiver.
    pub(super) fn lines() -> (Self, mpsc::Receiver<String>) {
        let (lines, written) = mpsc::channel(WRITES);
        (Self::over(Way::Lines(lines)), written)
    }

    /// A connection to a service.
    pub(super) fn posts(post: Post) -> Self {
        Self::over(Way::Posts(Box::new(post)))
    }

    fn over(way: Way) -> Self {
        Self(Arc::new(Shared {
            way,
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// Asks, and waits for the answer as long as the caller likes: dropping this ends the request.
    pub(super) async fn ask(&self, method: &str, params: Value) -> Result<Value, CallError> {
        let id = self.0.next.fetch_add(1, Relaxed);
        let message = message::request(id, method, params);
        match &self.0.way {
            Way::Posts(post) => post.ask(self, id, &message).await,
            Way::Lines(lines) => {
                let (answered, answer) = oneshot::channel();
                self.waiting().insert(id, answered);
                let _waiting = Waiting {
                    client: self,
                    lines,
                    id,
                };
                let sent = lines.send(message.to_string()).await;
                sent.map_err(|_| CallError::Gone)?;
                let answer = answer.await.map_err(|_| CallError::Gone)?;
                answer.map_err(CallError::Refused)
            }
        }
    }

    /// Says something that has no answer.
    pub(super) async fn tell(&self, method: &str, params: Value) -> Result<(), CallError> {
        self.say(&message::notification(method, params)).await
    }

    /// Answers a request of the server's.
    pub(super) async fn say(&self, answer: &Value) -> Result<(), CallError> {
        match &self.0.way {
            Way::Posts(post) => post.tell(self, answer).await,
            Way::Lines(lines) => {
                let sent = lines.send(answer.to_string()).await;
                sent.map_err(|_| CallError::Gone)
            }
        }
    }

    /// Takes in what the server says, and gives back what it is to be answered.
    pub(super) fn hear(&self, message: Value) -> Option<Value> {
        match message::read(message)? {
            Heard::Answer { id, result } => {
                if let Some(waiting) = self.waiting().remove(&id) {
                    // Whoever asked may have left just now.
                    drop(waiting.send(result));
                }
                None
            }
            Heard::Asked { id, method } => Some(message::answer(id, &method)),
            Heard::Told { method, params } => {
                match method.as_str() {
                    "notifications/tools/list_changed" => self.0.changed.notify_one(),
                    "notifications/message" => tracing::debug!(%params, "an MCP server says"),
                    _ => {}
                }
                None
            }
        }
    }

    /// Waits until the server says that its tools are others.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// The connection is over: nobody waits for an answer any more.
    pub(super) fn close(&self) {
        self.waiting().clear();
    }

    /// The service, if it is one.
    pub(super) fn post(&self) -> Option<&Post> {
        match &self.0.way {
            Way::Posts(post) => Some(post),
            Way::Lines(_) => None,
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Result<Value, Refusal>>>> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.client.waiting().remove(&self.id).is_none() {
            return; // answered
        }
        let params = json!({ "requestId": self.id, "reason": "nobody waits for it any more" });
        let message = message::notification("notifications/cancelled", params);
        // A program that does not read is not told that nobody waits for it.
        drop(self.lines.try_send(message.to_string()));
    }
}
