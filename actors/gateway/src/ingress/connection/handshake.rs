//! The first request: who it is, whether it may, and the greeting.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use openclaw_protocol::ConnectParams;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use openclaw_protocol::frame::Request;
use openclaw_runtime::Context;
use openclaw_runtime::Task;
use serde_json::Value;
use serde_json::json;

use super::WsConnection;
use super::WsMail;
use crate::device::desk::ChangeError;
use crate::device::desk::fresh_token;
use crate::device::enter::Entered;
use crate::device::enter::Lots;
use crate::device::enter::enter;
use crate::device::record::Token;
use crate::health;
use crate::hub::DeviceSeat;
use crate::hub::Subscriber;
use crate::ingress::admission;
use crate::ingress::admission::Admission;
use crate::ingress::admission::Memory;
use crate::ingress::admission::Refusal;
use crate::ingress::admission::Rules;
use crate::ingress::admission::refusal;
use crate::ingress::hello;
use crate::ingress::limiter::Limit;
use crate::ingress::outbound::Event;
use crate::ingress::outbound::Goodbye;
use crate::ingress::outbound::Numbering;
use crate::ingress::principal::Principal;
use crate::ingress::principal::Role;
use crate::ingress::tailscale;
use crate::ingress::tailscale::WhoisError;
use crate::ingress::websocket::close;
use crate::node::Offer;
use crate::presence::Arrival;
use crate::presence::Presence;
use crate::services::Phase;
use crate::services::now_ms;

/// The task that finds out whether the device is let in.
pub(super) const JUDGING: &str = "judging";

/// Frames that may come in behind a `connect` before it is answered.
const EARLY: usize = 15;

/// How long Tailscale and the device store may take together.
const JUDGEMENT: Duration = Duration::from_secs(12);

/// A `connect` that is being looked at.
#[derive(Debug)]
pub(super) struct Knock {
    request_id: String,
    params: Option<Box<ConnectParams>>,
    /// Who it is if its device is let in, and whether it knows the secret on this machine.
    principal: Option<(Box<Principal>, bool)>,
}

impl WsConnection {
    pub(super) fn on_hello(&mut self, request: Request, ctx: &mut Context<Self>) {
        let params = match self.read(request.method.as_str(), request.params) {
            Ok(params) => params,
            Err(refusal) => return self.refuse(&request.id, refusal),
        };
        let question = self.question(&params);
        self.knock = Some(Knock {
            request_id: request.id,
            params: Some(Box::new(params)),
            principal: None,
        });
        match question {
            None => self.judge(None, ctx),
            Some((program, ip)) => {
                let asking = async move { tailscale::whois(&program, ip).await };
                let task = Task::new("whois").kind("whois").deadline(JUDGEMENT);
                ctx.task(task, asking, WsMail::Identified);
            }
        }
    }

    /// Keeps what comes in while a `connect` is looked at.
    pub(super) fn wait_behind(&mut self, request: Request) {
        if self.early.len() >= EARLY {
            let reason = "too many pending handshake frames";
            return self.close(Goodbye::new(close::POLICY, reason));
        }
        self.early.push_back(request);
    }

    /// Whether Tailscale has to be asked who this is: a page without a secret, behind Tailscale's proxy.
    fn question(&self, params: &ConnectParams) -> Option<(String, IpAddr)> {
        let shows_secret = params.auth.token.is_some() || params.auth.password.is_some();
        let is_asked = self.origin.tailscale_user.is_some()
            && params.client.is_browser_page()
            && !shows_secret;
        let loaded = self.services.loaded();
        let program = loaded.environment.get("OPENCLAW_TAILSCALE_BIN");
        is_asked.then(|| (program.unwrap_or("tailscale").to_owned(), self.origin.ip))
    }

    pub(super) fn judge(
        &mut self,
        whois: Option<&Result<String, WhoisError>>,
        ctx: &mut Context<Self>,
    ) {
        let Some(knock) = &mut self.knock else { return };
        let Some(params) = knock.params.take() else {
            return;
        };
        let request_id = knock.request_id.clone();
        self.offer = Offer::of(&params);
        match self.admit(*params, whois) {
            Err(refusal) => self.refuse(&request_id, refusal),
            Ok(Admission::Ready(principal)) => self.welcome(principal, &[], ctx),
            Ok(Admission::Device { principal, entry }) => {
                let is_operators_own = entry.silent.is_some();
                if let Some(knock) = &mut self.knock {
                    knock.principal = Some((Box::new(principal), is_operators_own));
                }
                let devices = self.services.devices.clone();
                let entering = async move {
                    let fresh = || fresh_token().map_err(|e| ChangeError::Unstored(e.to_string()));
                    let lots = Lots {
                        request_id: uuid::Uuid::new_v4().to_string(),
                        tokens: [fresh()?, fresh()?],
                    };
                    devices
                        .change(move |draft| enter(draft, &entry, lots))
                        .await
                };
                let task = Task::new(JUDGING).kind("device").deadline(JUDGEMENT);
                ctx.task(task, entering, WsMail::Judged);
            }
        }
    }

    pub(super) fn on_judged(
        &mut self,
        judged: Result<Entered, ChangeError>,
        ctx: &mut Context<Self>,
    ) {
        let Some(knock) = &mut self.knock else { return };
        let Some((principal, is_operators_own)) = knock.principal.take() else {
            return;
        };
        let request_id = knock.request_id.clone();
        let version = principal.version;
        match judged {
            Ok(Entered::Admitted(tokens)) => self.welcome(*principal, &tokens, ctx),
            Ok(Entered::MustPair {
                reason,
                request,
                approved,
            }) => {
                let refusal = refusal::not_paired(reason, &request, approved.as_deref(), version);
                self.refuse(&request_id, refusal);
            }
            Err(ChangeError::Refused(_)) => {
                self.refuse(&request_id, refusal::device_token(version));
            }
            // A disk that is full must not lock the operator out, who knows the secret anyway.
            Err(problem) if is_operators_own => {
                tracing::warn!(%problem, "admitted without its device");
                let principal = Principal {
                    device: None,
                    ..*principal
                };
                self.welcome(principal, &[], ctx);
            }
            Err(problem) => {
                let error = ErrorShape::unavailable(problem.to_string()).retry_after(1000);
                self.refuse(&request_id, Refusal::new(error));
            }
        }
    }

    fn refuse(&mut self, request_id: &str, refusal: Refusal) {
        self.knock = None;
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
        self.respond(request_id, &Err((*refusal.error).clone()));
        self.close(refusal.goodbye);
    }

    fn read(&self, method: &str, params: Value) -> Result<ConnectParams, Refusal> {
        if method != "connect" {
            let message = "invalid handshake: first request must be connect";
            return Err(Refusal::new(ErrorShape::invalid(message)));
        }
        self.check_phase()?;
        ConnectParams::parse(params)
            .map_err(|problems| Refusal::new(ErrorShape::params("connect", &problems)))
    }

    fn admit(
        &self,
        params: ConnectParams,
        whois: Option<&Result<String, WhoisError>>,
    ) -> Result<Admission, Refusal> {
        let auth = self.services.auth_policy();
        let config = self.services.configuration();
        let book = self.services.devices.book();
        let rules = Rules {
            auth: &auth,
            limit: config
                .gateway
                .auth
                .get()
                .map_or_else(Limit::default, |auth| Limit::of(&auth.rate_limit)),
            allow_insecure_page: config.gateway.control_ui.allow_insecure_auth,
            approves_local: config.gateway.nodes.pairing.auto_approve_local != Some(false),
            book: &book,
            nonce: &self.nonce,
            whois,
            now_ms: now_ms(),
        };
        let mut limiter = self.services.limiter();
        let mut replays = self.services.devices.replays();
        let mut memory = Memory {
            limiter: &mut limiter,
            replays: &mut replays,
            now: Instant::now(),
        };
        admission::admit(params, &self.origin, &rules, &mut memory)
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

    fn welcome(&mut self, principal: Principal, tokens: &[Token], ctx: &mut Context<Self>) {
        let Some(knock) = self.knock.take() else {
            return;
        };
        if let Some(deadline) = self.deadline.take() {
            deadline.cancel();
        }
        drop(self.seat.take());
        let version = principal.version;
        self.shared
            .admit(hello::max_payload(version), hello::max_buffered(version));
        let hello = hello::hello(&self.services, &principal, &self.connection_id, tokens);
        self.respond(&knock.request_id, &Ok(hello));
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
            is_node: principal.role == Role::Node,
            takes_tools: principal.takes_tools,
            watches_tree: false,
            hears_sessions: false,
            hears_messages: Default::default(),
            device: principal.device.as_ref().map(|id| DeviceSeat {
                id: Arc::clone(id),
                role: principal.role.as_str(),
            }),
        };
        self.services
            .hub
            .subscribe(self.origin.connection, subscriber);
        self.services.meters.ws_admitted.add();
        self.check_still_paired(&principal);
        let principal = Arc::new(principal);
        self.caller = Some(Arc::clone(&principal));
        self.on_presence(&principal, Presence::arrive);
        if principal.role == Role::Node {
            // A device that listens needs its words before anybody changes them.
            let words = json!({ "triggers": self.services.wake_words.now() });
            let event = Event::new("voicewake.changed", words.to_string());
            let event = Arc::new(event);
            self.shared.queue.event(&event, Numbering::Unnumbered);
            self.link(&principal);
        }
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
        for request in std::mem::take(&mut self.early) {
            self.on_request(Arc::clone(&principal), request, ctx);
        }
    }

    /// What was taken back before this connection could be found is noticed here.
    fn check_still_paired(&self, principal: &Principal) {
        let Some(device_id) = &principal.device else {
            return;
        };
        let book = self.services.devices.book();
        let role = principal.role.as_str();
        let is_paired = book.paired.get(&**device_id).is_some_and(|device| {
            let token = device.tokens.get(role);
            device.has_role(role) && token.is_some_and(Token::is_live)
        });
        if is_paired {
            self.services.devices.note_seen(device_id, now_ms());
        } else {
            let reason = "client invalidated: device access ended";
            self.close(Goodbye::new(close::AUTH_CHANGED, reason));
        }
    }

    pub(super) fn on_presence(
        &self,
        principal: &Principal,
        change: fn(&Presence, &Arrival<'_>, i64) -> bool,
    ) {
        let scopes: Vec<&'static str> = principal.scopes.names().collect();
        let arrival = Arrival {
            client: &principal.client,
            role: principal.role.as_str(),
            scopes: &scopes,
            connection: &self.connection_id,
            device: principal.device.as_deref(),
        };
        let now = now_ms();
        if change(&self.services.presence, &arrival, now) {
            self.services
                .hub
                .presence_changed(&self.services.presence.list(now));
        }
    }
}
