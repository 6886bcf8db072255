//! The first request: who it is, whether it may, and the greeting.

use std::sync::Arc;
use std::time::Instant;

use openclaw_protocol::ConnectParams;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use openclaw_protocol::frame::Request;
use openclaw_runtime::Context;
use serde_json::Value;
use serde_json::json;

use super::WsConnection;
use crate::health;
use crate::hub::Subscriber;
use crate::ingress::admission;
use crate::ingress::admission::Refusal;
use crate::ingress::admission::Rules;
use crate::ingress::hello;
use crate::ingress::limiter::Limit;
use crate::ingress::outbound::Event;
use crate::ingress::outbound::Goodbye;
use crate::ingress::outbound::Numbering;
use crate::ingress::principal::Principal;
use crate::ingress::principal::Role;
use crate::ingress::websocket::close;
use crate::presence::Arrival;
use crate::presence::Presence;
use crate::services::Phase;
use crate::services::now_ms;

impl WsConnection {
    pub(super) fn on_hello(&mut self, request: Request, ctx: &mut Context<Self>) {
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
            hears_sessions: false,
            hears_messages: Default::default(),
        };
        self.services
            .hub
            .subscribe(self.origin.connection, subscriber);
        self.services.meters.ws_admitted.add();
        let principal = Arc::new(principal);
        self.caller = Some(Arc::clone(&principal));
        self.on_presence(&principal, Presence::arrive);
        if principal.role == Role::Node {
            // A device that listens needs its words before anybody changes them.
            let words = json!({ "triggers": self.services.wake_words.now() });
            let event = Event::new("voicewake.changed", words.to_string());
            let event = Arc::new(event);
            self.shared.queue.event(&event, Numbering::Unnumbered);
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
        };
        let now = now_ms();
        if change(&self.services.presence, &arrival, now) {
            self.services
                .hub
                .presence_changed(&self.services.presence.list(now));
        }
    }
}
