//! One WebSocket.
//!
//! Owns the socket, its queue and what the caller has proven. Started by the upgrade, under `ingress`.
//! Crashes when its socket loop does. Nothing survives it: what it accepted is in the ledger, and its
//! client connects again and reads the history.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use openclaw_protocol::ConnectParams;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use openclaw_protocol::frame::FrameError;
use openclaw_protocol::frame::Request;
use openclaw_protocol::frame::failed_response;
use openclaw_protocol::frame::response;
use openclaw_runtime::Actor;
use openclaw_runtime::Address;
use openclaw_runtime::BoxFuture;
use openclaw_runtime::ChildExit;
use openclaw_runtime::ChildId;
use openclaw_runtime::Context;
use openclaw_runtime::Exit;
use openclaw_runtime::ExitError;
use openclaw_runtime::KillReason;
use openclaw_runtime::Mail;
use openclaw_runtime::Task;
use openclaw_runtime::Timer;
use openclaw_runtime::TraceContext;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::admission;
use super::admission::Refusal;
use super::admission::Rules;
use super::hello;
use super::limiter::Limit;
use super::outbound::Event;
use super::outbound::Goodbye;
use super::outbound::Numbering;
use super::principal::Principal;
use super::principal::Role;
use super::socket;
use super::socket::Deliver;
use super::socket::Ended;
use super::socket::Shared;
use super::websocket::close;
use crate::health;
use crate::hub::Subscriber;
use crate::method;
use crate::method::Answer;
use crate::method::Call;
use crate::method::Outcome;
use crate::presence::Arrival;
use crate::services::Phase;
use crate::services::Services;
use crate::services::now_ms;

/// Requests of one connection that are answered at the same time; more are asked to come back.
const IN_FLIGHT: usize = 64;

/// A caller that calls what its role may not, so often, is broken.
const ROLE_ERRORS: u32 = 10;

/// A full mailbox means that the actor hangs; the watchdog ends it well before this.
const DELIVERY: Duration = Duration::from_secs(30);

/// Mail of a connection.
#[derive(Debug)]
pub enum WsMail {
    /// The socket received a message.
    Received(String),
    /// A request was answered.
    Answered(ChildId),
    /// The time to say hello is over.
    HandshakeExpired,
    /// The socket ended.
    Ended(Ended),
}

impl Mail for WsMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Received(_) => "received",
            Self::Answered(_) => "answered",
            Self::HandshakeExpired => "handshake_expired",
            Self::Ended(_) => "ended",
        }
    }
}

/// What is taken once: the upgraded stream, and the place among those not yet admitted.
#[derive(Debug)]
pub struct Arrived {
    /// Resolves when the answer to the upgrade is written.
    pub upgrade: OnUpgrade,
    /// Counts against the bound of connections not yet admitted.
    pub seat: OwnedSemaphorePermit,
}

/// What a connection starts from.
#[derive(Debug, Clone)]
pub struct WsArgs {
    /// The house.
    pub services: Arc<Services>,
    /// The page, address and number.
    pub origin: admission::Origin,
    /// How long the caller may take to say who it is.
    pub handshake: Duration,
    /// The stream; gone after the first start.
    pub arrived: Arc<Mutex<Option<Arrived>>>,
}

/// A connection.
#[derive(Debug)]
pub struct WsConnection {
    services: Arc<Services>,
    origin: admission::Origin,
    connection_id: String,
    shared: Arc<Shared>,
    seat: Option<OwnedSemaphorePermit>,
    upgrade: Option<OnUpgrade>,
    handshake: Duration,
    deadline: Option<Timer>,
    caller: Option<Arc<Principal>>,
    /// Request ids by the task that answers them.
    in_flight: HashMap<ChildId, String>,
    next_task: u64,
    role_errors: u32,
}

struct Mailbox(Address<WsMail>);

impl Deliver for Mailbox {
    async fn deliver(&self, text: String) -> bool {
        self.0.send(WsMail::Received(text), DELIVERY).await.is_ok()
    }
}

impl WsConnection {
    fn challenge(&self) {
        let payload = json!({ "nonce": uuid::Uuid::new_v4().to_string(), "ts": now_ms() });
        let event = Arc::new(Event::new("connect.challenge", payload.to_string()));
        self.shared.queue.event(&event, Numbering::Unnumbered);
    }

    fn on_received(&mut self, text: &str, ctx: &mut Context<Self>) {
        let caller = self.caller.clone();
        let request = Request::parse(text);
        match (caller, request) {
            (Some(caller), Ok(request)) => self.on_request(caller, request, ctx),
            (None, Ok(request)) => self.on_hello(request, ctx),
            (None, Err(FrameError::NotJson)) => self.close(Goodbye::new(close::NORMAL, "")),
            (None, Err(_)) => self.close(Goodbye::new(close::POLICY, "invalid handshake")),
            (Some(_), Err(FrameError::NotJson)) => {
                tracing::debug!(connection = %self.connection_id, "a frame that is not JSON was ignored");
            }
            (Some(_), Err(FrameError::NotARequest)) => {
                let problem = "at /type: must be equal to constant";
                self.respond("invalid", &invalid_frame(problem));
            }
            (Some(_), Err(FrameError::Malformed { id, problem })) => {
                self.respond(&id, &invalid_frame(&problem));
            }
        }
    }

    // === handshake ===

    fn on_hello(&mut self, request: Request, ctx: &mut Context<Self>) {
        let refusal = match self.admit(request.method.as_str(), request.params) {
            Ok(principal) => return self.welcome(&request.id, principal, ctx),
            Err(refusal) => refusal,
        };
        let meters = &self.services.meters;
        match refusal.error.retry_after_ms {
            _ if refusal.is_guess => meters.auth_guesses.add(),
            Some(_) => meters.auth_limited.add(),
            None => meters.auth_refused.add(),
        }
        let (reason, from) = (&refusal.error.message, &self.origin.address);
        if refusal.error.retry_after_ms.is_none() {
            tracing::info!(connection = %self.connection_id, %from, %reason, "connect refused");
        } else {
            // Whoever guesses on gets no line for each guess: the count is in the metrics.
            tracing::debug!(connection = %self.connection_id, %from, %reason, "connect refused");
        }
        self.respond(&request.id, &Err((*refusal.error).clone()));
        self.close(refusal.goodbye);
    }

    fn admit(&self, method: &str, params: Value) -> Result<Principal, Refusal> {
        if method != "connect" {
            let message = "invalid handshake: first request must be connect";
            return Err(Refusal::new(ErrorShape::invalid(message)));
        }
        self.check_phase()?;
        let params = ConnectParams::parse(params)
            .map_err(|problems| Refusal::new(ErrorShape::params("connect", &problems)))?;
        let auth = self.services.auth_policy();
        let config = self.services.configuration();
        let rules = Rules {
            auth: &auth,
            limit: config
                .gateway
                .auth
                .get()
                .map_or_else(Limit::default, |auth| Limit::of(&auth.rate_limit)),
            allow_insecure_page: config.gateway.control_ui.allow_insecure_auth,
        };
        let mut limiter = self.services.limiter();
        admission::admit(params, &self.origin, &rules, &mut limiter, Instant::now())
    }

    fn check_phase(&self) -> Result<(), Refusal> {
        let (message, details, reason, wait_ms) = match self.services.phase() {
            Phase::Open => return Ok(()),
            Phase::Starting => (
                "gateway starting; retry shortly",
                json!({ "reason": "startup-sidecars" }),
                "gateway starting",
                500,
            ),
            Phase::Closing => (
                "connect unavailable during gateway restart",
                json!({ "method": "connect", "reason": "restart", "phase": "draining" }),
                "gateway restart in progress",
                1000,
            ),
        };
        let error = ErrorShape::unavailable(message)
            .with(details)
            .retry_after(wait_ms);
        Err(Refusal {
            goodbye: Goodbye::new(close::TRY_AGAIN_LATER, reason),
            ..Refusal::new(error)
        })
    }

    fn welcome(&mut self, request_id: &str, principal: Principal, ctx: &mut Context<Self>) {
        if let Some(deadline) = self.deadline.take() {
            deadline.cancel();
        }
        drop(self.seat.take());
        let version = principal.version;
        self.shared
            .admit(hello::max_payload(version), hello::max_buffered(version));
        let hello = hello::hello(&self.services, &principal, &self.connection_id);
        self.respond(request_id, &Ok(hello));
        let client = &principal.client;
        ctx.note(format!(
            "{} {} (protocol {})",
            client.id,
            client.mode,
            version.number()
        ));
        let subscriber = Subscriber {
            shared: Arc::clone(&self.shared),
            version,
            scopes: principal.scopes,
            takes_tools: principal.takes_tools,
            watches_tree: false,
        };
        self.services
            .hub
            .subscribe(self.origin.connection, subscriber);
        self.services.meters.ws_admitted.add();
        let principal = Arc::new(principal);
        self.caller = Some(Arc::clone(&principal));
        self.on_presence(&principal, Presence::arrive);
        if version == Protocol::V3 && principal.role == Role::Operator {
            // Clients of protocol 3 wait for it before they show anything.
            let payload = health::snapshot(&self.services).to_string();
            let state_version = Some(self.services.hub.state_version());
            let event = Event {
                state_version,
                ..Event::new("health", payload)
            };
            self.shared
                .queue
                .event(&Arc::new(event), Numbering::Unnumbered);
        }
    }

    fn on_presence(&self, principal: &Principal, change: fn(&Presence, &Arrival<'_>, i64) -> bool) {
        let scopes: Vec<&'static str> = principal.scopes.names().collect();
        let arrival = Arrival {
            client: &principal.client,
            role: principal.role.as_str(),
            scopes: &scopes,
            connection: &self.connection_id,
        };
        let now = now_ms();
        if change(&self.services.presence, &arrival, now) {
            self.services
                .hub
                .presence_changed(&self.services.presence.list(now));
        }
    }

    // === requests ===

    fn on_request(&mut self, caller: Arc<Principal>, request: Request, ctx: &mut Context<Self>) {
        let Request {
            id,
            method,
            params,
            traceparent,
        } = request;
        let shared = Arc::clone(&self.shared);
        let early_id = id.clone();
        // What the request starts belongs to the caller's trace, or to that of this mail.
        let traceparent = traceparent
            .filter(|text| TraceContext::parse(text).is_some())
            .or_else(|| Some(ctx.trace().traceparent()));
        let call = Call {
            principal: caller,
            services: Arc::clone(&self.services),
            params,
            traceparent,
            early: Arc::new(move |payload| shared.queue.respond(response(&early_id, &Ok(payload)))),
        };
        match method::dispatch(&method, call) {
            Outcome::Now(answer) => {
                self.count_role_error(&answer);
                self.services.meters.called(&method, answer.is_ok());
                self.shared.queue.respond(written(&id, answer));
            }
            Outcome::Later { .. } if self.in_flight.len() >= IN_FLIGHT => {
                let busy = "The server is busy. Please try again in a moment.";
                self.respond(&id, &Err(ErrorShape::unavailable(busy).retry_after(1000)));
            }
            Outcome::Later { deadline, future } => {
                self.next_task += 1;
                let task_id = ChildId::new(format!("request-{}", self.next_task));
                let task = Task::new(task_id.clone())
                    .kind("request")
                    .deadline(deadline);
                let (services, shared) = (Arc::clone(&self.services), Arc::clone(&self.shared));
                let answered_id = id.clone();
                let answering = async move {
                    let answer = future.await;
                    services.meters.called(&method, answer.is_ok());
                    shared.queue.respond(written(&answered_id, answer));
                    after_ack(&method, &shared).await;
                };
                let done_id = task_id.clone();
                let task_id = ctx.task(task, answering, move |()| WsMail::Answered(done_id));
                self.in_flight.insert(task_id, id);
            }
        }
    }

    fn count_role_error(&mut self, answer: &Answer) {
        let is_role_error = answer
            .as_ref()
            .is_err_and(|refused| refused.error.message.starts_with("unauthorized role"));
        self.role_errors += u32::from(is_role_error);
        if self.role_errors > ROLE_ERRORS {
            self.close(Goodbye::new(close::POLICY, "repeated unauthorized calls"));
        }
    }

    fn respond(&self, id: &str, outcome: &Result<Value, ErrorShape>) {
        self.shared.queue.respond(response(id, outcome));
    }

    fn close(&self, goodbye: Goodbye) {
        self.shared.queue.close(goodbye);
    }

    fn on_ended(&mut self, ended: &Ended) {
        tracing::debug!(connection = %self.connection_id, ?ended, "socket ended");
        let meters = &self.services.meters;
        if self.shared.queue.is_slow() {
            meters.ws_slow.add();
            tracing::warn!(connection = %self.connection_id, "a client reads too slowly and was closed");
        }
        meters.ws_dropped.add_many(self.shared.queue.dropped());
    }
}

use crate::presence::Presence;

impl Drop for WsConnection {
    // Also after a kill or a panic: nobody else knows that the connection is gone.
    fn drop(&mut self) {
        self.services.meters.ws_open.sub();
        self.services.hub.unsubscribe(self.origin.connection);
        if let Some(principal) = self.caller.take() {
            self.services.meters.ws_admitted.sub();
            self.on_presence(&principal, Presence::leave);
        }
    }
}

fn invalid_frame(problem: &str) -> Result<Value, ErrorShape> {
    Err(ErrorShape::invalid(format!(
        "invalid request frame: {problem}"
    )))
}

fn written(id: &str, answer: Answer) -> String {
    match answer {
        Ok(payload) => response(id, &Ok(payload)),
        Err(refused) => match refused.payload {
            Some(payload) => failed_response(id, &payload, &refused.error),
            None => response(id, &Err(*refused.error)),
        },
    }
}

/// Where a test ends the process: the acknowledgement is on its way, and what it promised must hold.
#[cfg(feature = "chaos")]
async fn after_ack(method: &str, shared: &Shared) {
    use openclaw_protocol::Method;

    if Method::find(method).is_some_and(|method| method.is_idempotent) {
        while !shared.queue.is_empty() {
            tokio::task::yield_now().await;
        }
        drop(openclaw_runtime::fault::point_async!("ws.after_ack").await);
    }
}

#[cfg(not(feature = "chaos"))]
async fn after_ack(_method: &str, _shared: &Shared) {}

async fn serve(upgrade: OnUpgrade, shared: Arc<Shared>, mailbox: Mailbox) -> Ended {
    let Ok(upgraded) = upgrade.await else {
        return Ended::Broken;
    };
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => {
            // A copy: the original would keep the whole buffer of the HTTP connection alive.
            let early = parts.read_buf.to_vec();
            let stream = parts.io.into_inner();
            drop(parts.read_buf);
            socket::run(stream, early, shared, mailbox).await
        }
        Err(upgraded) => socket::run(TokioIo::new(upgraded), Vec::new(), shared, mailbox).await,
    }
}

impl Actor for WsConnection {
    const KIND: &'static str = "ws";
    type Mail = WsMail;
    type Args = WsArgs;

    fn init(args: WsArgs, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        let arrived = args
            .arrived
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Arrived { upgrade, seat } = arrived
            .ok_or_else(|| ExitError::new("the socket is gone; the client connects again"))?;
        args.services.meters.ws_opened.add();
        args.services.meters.ws_open.add();
        let max_queued = hello::max_buffered(Protocol::V3);
        Ok(Self {
            shared: Shared::new(hello::EARLY_LIMIT, max_queued, now_ms()),
            services: args.services,
            origin: args.origin,
            connection_id: uuid::Uuid::new_v4().to_string(),
            seat: Some(seat),
            upgrade: Some(upgrade),
            handshake: args.handshake,
            deadline: None,
            caller: None,
            in_flight: HashMap::new(),
            next_task: 0,
            role_errors: 0,
        })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        self.challenge();
        self.deadline = Some(ctx.after(self.handshake, WsMail::HandshakeExpired));
        let Some(upgrade) = self.upgrade.take() else {
            return Err(ExitError::new("started twice"));
        };
        let serving = serve(upgrade, Arc::clone(&self.shared), Mailbox(ctx.address()));
        ctx.task(Task::new("socket").kind("socket"), serving, WsMail::Ended);
        Ok(())
    }

    fn handle(&mut self, mail: WsMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            WsMail::Received(text) => self.on_received(&text, ctx),
            WsMail::Answered(task) => drop(self.in_flight.remove(&task)),
            WsMail::HandshakeExpired if self.caller.is_none() => {
                self.close(Goodbye::new(close::NORMAL, ""));
            }
            WsMail::HandshakeExpired => {}
            WsMail::Ended(ended) => {
                self.on_ended(&ended);
                ctx.stop();
            }
        }
        Ok(())
    }

    fn child_exited(&mut self, exit: ChildExit, _ctx: &mut Context<Self>) -> Result<(), ExitError> {
        let Some(id) = self.in_flight.remove(&exit.id) else {
            return if exit.exit.is_clean() {
                Ok(())
            } else {
                Err(ExitError::child(exit))
            };
        };
        let error = match &exit.exit {
            Exit::Panicked(crash) => ErrorShape::unavailable(format!(
                "internal error: crash {crash} (`openclaw supervisor crash {crash}` shows it)"
            )),
            Exit::Killed(KillReason::Deadline) => {
                ErrorShape::unavailable("no answer in time").retry_after(1000)
            }
            other => ErrorShape::unavailable(format!("request ended: {other}")),
        };
        self.respond(&id, &Err(error));
        Ok(())
    }

    fn stopping(&mut self, _ctx: &mut Context<Self>) -> Option<BoxFuture<'static, ()>> {
        self.close(Goodbye::new(close::SERVICE_RESTART, "service restart"));
        let shared = Arc::clone(&self.shared);
        Some(Box::pin(async move { shared.closed().await }))
    }
}
