//! The one dispatch: a principal, a method, its parameters, an answer.
//!
//! Every entry to the gateway (socket, HTTP, later cron and hooks) goes through [`dispatch`]. Rights come
//! from the protocol's table of methods and from nowhere else; what is not in the table can't be
//! called by anyone.

mod agent;
mod agents;
mod channels;
mod chat;
mod config;
mod health;
mod history;
mod logs;
mod models;
mod run;
mod sessions;
pub mod supervisor;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::ErrorShape;
use openclaw_protocol::Method;
use openclaw_protocol::Scope;
use openclaw_protocol::method::METHODS;
use openclaw_runtime::BoxFuture;
use serde_json::Value;

use crate::ingress::principal::Principal;
use crate::ingress::principal::Role;
use crate::services::Phase;
use crate::services::Services;

/// How long a request may take unless its method says otherwise.
const DEADLINE: Duration = Duration::from_secs(60);

/// Methods that only nodes call; they arrive with the nodes themselves.
const NODE_METHODS: [&str; 11] = [
    "node.invoke.result",
    "node.invoke.progress",
    "node.event",
    "node.pending.pull",
    "node.pending.ack",
    "node.pending.drain",
    "node.pluginSurface.refresh",
    "node.pluginTools.update",
    "node.skills.update",
    "node.runnerInventory.update",
    "skills.bins",
];

/// One call.
pub struct Call {
    /// Who calls.
    pub principal: Arc<Principal>,
    /// What is answered from.
    pub services: Arc<Services>,
    /// The parameters; checked against the method's shape before its handler sees them.
    pub params: Value,
    /// The trace that the caller belongs to.
    pub traceparent: Option<String>,
    /// Sends the first of two answers.
    pub early: Arc<dyn Fn(Value) + Send + Sync>,
}

/// An answer that says no, possibly with a payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// The error.
    pub error: Box<ErrorShape>,
    /// What stands beside it.
    pub payload: Option<Value>,
}

/// The answer to a call.
pub type Answer = Result<Value, Refused>;

/// When the answer comes.
pub enum Outcome {
    /// Now.
    Now(Answer),
    /// Later, from a task of its own.
    Later {
        /// When it is given up.
        deadline: Duration,
        /// The work.
        future: BoxFuture<'static, Answer>,
    },
}

type Handler = fn(Call) -> Outcome;

/// The handler of a method.
fn handler(method: &str) -> Option<Handler> {
    Some(match method {
        "health" => health::health,
        "status" => health::status,
        "system-presence" => health::presence,
        "logs.tail" => logs::tail,
        "channels.status" => channels::status,
        "config.get" => config::get,
        "config.set" => config::set,
        "config.patch" => config::patch,
        "models.list" => models::list,
        "agents.list" => agents::list,
        "sessions.list" => sessions::list,
        "sessions.preview" => sessions::preview,
        "sessions.patch" => sessions::patch,
        "sessions.reset" => sessions::reset,
        "sessions.delete" => sessions::delete,
        "agent" => agent::agent,
        "agent.wait" => agent::wait,
        "chat.history" => history::history,
        "chat.send" => chat::send,
        "chat.abort" => chat::abort,
        "chat.inject" => chat::inject,
        "supervisor.tree" => supervisor::tree,
        "supervisor.watch" => supervisor::watch,
        "supervisor.crash" => supervisor::crash,
        "supervisor.restart" => supervisor::restart,
        "supervisor.stop" => supervisor::stop,
        "supervisor.park" => supervisor::park,
        "supervisor.unpark" => supervisor::unpark,
        #[cfg(feature = "chaos")]
        "supervisor.chaos" => supervisor::chaos,
        _ => return None,
    })
}

/// Methods that are listed in the greeting.
pub fn advertised() -> Vec<&'static str> {
    METHODS
        .iter()
        .filter(|method| method.is_advertised && handler(method.name).is_some())
        .map(|method| method.name)
        .collect()
}

/// Decides whether the caller may, checks the parameters, and lets the method answer.
pub fn dispatch(method: &str, call: Call) -> Outcome {
    match route(method, &call) {
        Ok(handler) => handler(call),
        Err(error) => Outcome::Now(Err(error.into())),
    }
}

fn route(name: &str, call: &Call) -> Result<Handler, ErrorShape> {
    let caller = &call.principal;
    let is_node_method = NODE_METHODS.contains(&name);
    match caller.role {
        Role::Operator if !is_node_method => {}
        role => {
            let message = format!("unauthorized role: {}", role.as_str());
            return Err(ErrorShape::invalid(message));
        }
    }
    let method = Method::find(name);
    // Without a declared scope a method needs the highest one, and then does not exist.
    let scope = method.map_or(Scope::Admin, |method| {
        method.scope(&call.params, caller.version)
    });
    if !caller.scopes.allows(scope) {
        return Err(ErrorShape::missing_scope(scope, caller.version));
    }
    let (Some(method), Some(handler)) = (method, handler(name)) else {
        return Err(ErrorShape::unknown_method(name));
    };
    method
        .params
        .check(&call.params)
        .map_err(|problems| ErrorShape::params(name, &problems))?;
    if method.is_idempotent && call.services.phase() != Phase::Open {
        let message = "the gateway takes no new messages while it starts or stops";
        return Err(ErrorShape::unavailable(message).retry_after(1000));
    }
    Ok(handler)
}

impl Outcome {
    /// An answer that is there.
    pub fn now(answer: Result<Value, ErrorShape>) -> Self {
        Self::Now(answer.map_err(Refused::from))
    }

    /// An answer that takes a moment.
    pub fn later(future: impl Future<Output = Result<Value, ErrorShape>> + Send + 'static) -> Self {
        Self::within(DEADLINE, async move { future.await.map_err(Refused::from) })
    }

    /// An answer that takes up to a deadline.
    pub fn within(
        deadline: Duration,
        future: impl Future<Output = Answer> + Send + 'static,
    ) -> Self {
        let future = Box::pin(future);
        Self::Later { deadline, future }
    }
}

impl From<ErrorShape> for Refused {
    fn from(error: ErrorShape) -> Self {
        let (error, payload) = (Box::new(error), None);
        Self { error, payload }
    }
}

impl Call {
    /// A text parameter that is there and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.params
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    }

    /// A parameter that is a whole number from 0.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.params.get(name).and_then(Value::as_u64)
    }

    /// A parameter that is true or false.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.params.get(name).and_then(Value::as_bool)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Parameters may hold what people said.
        f.debug_struct("Call")
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(answer) => f.debug_tuple("Now").field(answer).finish(),
            Self::Later { deadline, .. } => f
                .debug_struct("Later")
                .field("deadline", deadline)
                .finish_non_exhaustive(),
        }
    }
}
