//! One WebSocket.
//!
//! Owns the socket, its queue and what the caller has proven. Started by the upgrade, under `ingress`.
//! Crashes when its socket loop does. Nothing survives it: what it accepted is in the ledger, and its
//! client connects again and reads the history.

mod handshake;
mod node;
mod request;

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use openclaw_protocol::frame::FrameError;
use openclaw_protocol::frame::Request;
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
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpStream;

use self::handshake::Knock;
use super::admission;
use super::hello;
use super::outbound::Event;
use super::outbound::Goodbye;
use super::outbound::Numbering;
use super::principal::Principal;
use super::socket;
use super::socket::Deliver;
use super::socket::Ended;
use super::socket::Shared;
use super::tailscale::WhoisError;
use super::upgrade::Seat;
use super::websocket::close;
use crate::device::desk::ChangeError;
use crate::device::enter::Entered;
use crate::node::Link;
use crate::node::Offer;
use crate::presence::Presence;
use crate::services::Services;
use crate::services::now_ms;

/// A full mailbox means that the actor hangs; the watchdog ends it well before this.
const DELIVERY: Duration = Duration::from_secs(30);

/// Mail of a connection.
#[derive(Debug)]
pub enum WsMail {
    /// The socket received a message.
    Received(String),
    /// A request was answered.
    Answered(ChildId),
    /// Tailscale said who is there, or couldn't.
    Identified(Result<String, WhoisError>),
    /// It is decided whether the device is let in.
    Judged(Result<Entered, ChangeError>),
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
            Self::Identified(_) => "identified",
            Self::Judged(_) => "judged",
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
    pub seat: Arc<Seat>,
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
    seat: Option<Arc<Seat>>,
    upgrade: Option<OnUpgrade>,
    handshake: Duration,
    deadline: Option<Timer>,
    caller: Option<Arc<Principal>>,
    /// What it offers, if it is a node.
    offer: Offer,
    /// The node it is.
    node: Option<Arc<Link>>,
    /// What the challenge's answer must be signed over.
    nonce: String,
    /// The `connect` that is being looked at.
    knock: Option<Knock>,
    /// What came in behind it.
    early: VecDeque<Request>,
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
        let payload = json!({ "nonce": self.nonce, "ts": now_ms() });
        let event = Arc::new(Event::new("connect.challenge", payload.to_string()));
        self.shared.queue.event(&event, Numbering::Unnumbered);
    }

    fn on_received(&mut self, text: &str, ctx: &mut Context<Self>) {
        // Whoever is shown out is no longer served, even if the frame came in before the door closed.
        if self.shared.queue.goodbye().is_some() {
            return;
        }
        let caller = self.caller.clone();
        let request = Request::parse(text);
        match (caller, request) {
            (Some(caller), Ok(request)) => self.on_request(caller, request, ctx),
            (None, Ok(request)) if self.knock.is_some() => self.wait_behind(request),
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

impl Drop for WsConnection {
    // Also after a kill or a panic: nobody else knows that the connection is gone.
    fn drop(&mut self) {
        self.services.meters.ws_open.sub();
        self.services.hub.unsubscribe(self.origin.connection);
        self.unlink();
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
            offer: Offer::default(),
            node: None,
            nonce: uuid::Uuid::new_v4().to_string(),
            knock: None,
            early: VecDeque::new(),
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
            WsMail::Identified(whois) => self.judge(Some(&whois), ctx),
            WsMail::Judged(judged) => self.on_judged(judged, ctx),
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

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        if exit.id.as_str() == handshake::JUDGING && !exit.exit.is_clean() {
            self.on_judged(Err(ChangeError::Down), ctx);
            return Ok(());
        }
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
