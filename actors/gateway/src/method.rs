//! The one dispatch: a principal, a method, its parameters, an answer.
//!
//! Every entry to the gateway (socket, HTTP, later cron and hooks) goes through [`dispatch`]. Rights come
//! from the protocol's table of methods and from nowhere else; what is not in the table can't be
//! called by anyone.

mod absent;
mod account;
mod agent;
mod agent_files;
mod agents;
mod audit;
mod channel_pairing;
mod channels;
mod chat;
mod commands;
mod config;
mod cron;
mod deadletters;
mod device;
mod exec_approval;
mod exec_approvals;
mod handler;
mod health;
mod heartbeat;
mod history;
mod logs;
mod memory;
mod messages;
mod models;
mod node;
mod node_event;
mod node_invoke;
mod page;
mod pairing;
mod roster;
mod run;
mod schema;
mod send;
mod session;
mod session_usage;
mod sessions;
mod skills;
pub mod supervisor;
mod system;
#[cfg(test)]
mod tests;
mod tools;
mod update;
mod usage;
mod voice;
pub(crate) mod wake;
mod wizard;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::ErrorShape;
use openclaw_protocol::Method;
use openclaw_protocol::Protocol;
use openclaw_protocol::Scopes;
use openclaw_protocol::method::METHODS;
use openclaw_protocol::method::is_for_nodes;
use openclaw_protocol::method::scope_of_missing;
use openclaw_runtime::BoxFuture;
use serde_json::Value;

use self::handler::handler;
use crate::ingress::outbound::Payload;
use crate::ingress::principal::Principal;
use crate::ingress::principal::Role;
use crate::services::Phase;
use crate::services::Services;

/// How long a request may take unless its method says otherwise.
const DEADLINE: Duration = Duration::from_secs(60);

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
    /// Later, and as JSON already: what is long and mostly there is not taken apart and put together again.
    Written {
        /// When it is given up.
        deadline: Duration,
        /// The work.
        future: BoxFuture<'static, Result<Payload, Refused>>,
    },
}

type Handler = fn(Call) -> Outcome;

/// Methods that are listed in the greeting of a version.
pub fn advertised(version: Protocol) -> Vec<&'static str> {
    METHODS
        .iter()
        .filter(|method| method.is_advertised && method.since <= version)
        .filter(|method| handler(method.name).is_some())
        .map(|method| method.name)
        .collect()
}

/// Decides whether the caller may, checks the parameters, and lets the method answer.
pub fn dispatch(method: &str, call: Call) -> Outcome {
    match route(method, &call) {
        Ok(handler) => audit::written(method, call, handler),
        Err(error) => Outcome::Now(Err(error.into())),
    }
}

/// Decides whether somebody may call a method, from nothing but what they are: their role and their
/// rights. Where they connect from, and by which way, is no part of it. The default is no.
pub fn permit(
    name: &str,
    params: &Value,
    role: Role,
    scopes: Scopes,
    version: Protocol,
) -> Result<&'static Method, ErrorShape> {
    let known = Method::find(name);
    let is_of_nodes = known.is_some_and(Method::is_of_nodes) || is_for_nodes(name);
    if is_of_nodes != (role == Role::Node) {
        let message = format!("unauthorized role: {}", role.as_str());
        return Err(ErrorShape::invalid(message));
    }
    // What came later does not exist for clients that were there before.
    let method = known.filter(|method| method.since <= version);
    // What does not exist here needs the right that it needs elsewhere, so that a caller without it
    // learns nothing of what there is.
    let scope = method.map_or_else(
        || scope_of_missing(name, version),
        |method| method.scope(params, version),
    );
    if !is_of_nodes && !scopes.allows(scope) {
        return Err(ErrorShape::missing_scope(scope, version));
    }
    method
        .filter(|method| handler(method.name).is_some())
        .ok_or_else(|| ErrorShape::unknown_method(name))
}

fn route(name: &str, call: &Call) -> Result<Handler, ErrorShape> {
    let caller = &call.principal;
    let (role, scopes, version) = (caller.role, caller.scopes, caller.version);
    let method = permit(name, &call.params, role, scopes, version)?;
    let handler = handler(name).ok_or_else(|| ErrorShape::unknown_method(name))?;
    method
        .params
        .check(&call.params)
        .map_err(|problems| ErrorShape::params(name, &problems))?;
    // While it ends, mail is stored and answered after the next start.
    if method.is_idempotent && call.services.phase() == Phase::Starting {
        let message = "the gateway takes no new messages while it starts";
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

    /// An answer that takes a moment and comes as JSON.
    pub fn written(
        future: impl Future<Output = Result<Payload, ErrorShape>> + Send + 'static,
    ) -> Self {
        Self::Written {
            deadline: DEADLINE,
            future: Box::pin(async move { future.await.map_err(Refused::from) }),
        }
    }

    /// Waits for the answer, whenever and however it comes; none when its time is over.
    pub async fn answer(self) -> Option<Answer> {
        match self {
            Self::Now(answer) => Some(answer),
            Self::Later { deadline, future } => tokio::time::timeout(deadline, future).await.ok(),
            Self::Written { deadline, future } => {
                let written = tokio::time::timeout(deadline, future).await.ok()?;
                Some(written.map(|json| serde_json::from_str(&json.text()).unwrap_or_default()))
            }
        }
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
            Self::Later { deadline, .. } | Self::Written { deadline, .. } => f
                .debug_struct("Later")
                .field("deadline", deadline)
                .finish_non_exhaustive(),
        }
    }
}
