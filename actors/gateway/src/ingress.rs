//! The one port: HTTP and WebSocket.
//!
//! A request passes the origin check, then, as a WebSocket, the admission; from there on its only
//! identity is a [`principal::Principal`], and every call goes through one dispatch
//! ([`crate::method::dispatch`]).

pub mod admission;
pub mod auth;
pub mod bind;
mod body;
mod bootstrap;
mod caller;
pub mod connection;
mod document;
pub mod hello;
pub mod http;
mod invoke;
mod leaving;
pub mod limiter;
mod openai;
pub mod origin;
pub mod outbound;
mod page;
pub mod peer;
pub mod principal;
pub mod pulse;
mod routes;
pub mod socket;
pub mod tailscale;
pub mod tls;
mod upgrade;
pub mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use openclaw_runtime::ChildSpec;
use openclaw_runtime::Strategy;
use serde_json::json;
use tokio::sync::watch;

use self::http::HttpArgs;
use self::http::HttpListener;
use self::outbound::Goodbye;
use self::pulse::Pulse;
use self::websocket::close;
use crate::device::owner::Owner;
use crate::device::owner::OwnerArgs;
use crate::hub::Audience;
use crate::hub::Broadcast;
use crate::services::Phase;
use crate::services::Services;

/// Where the listener stands in the tree.
pub const HTTP: &str = "ingress/http";

/// How long a caller may take to say who it is.
const HANDSHAKE: Duration = Duration::from_secs(15);

/// The supervisor of the port; `listening` says where, once it does.
pub fn spec(
    services: &Arc<Services>,
    listening: &Arc<watch::Sender<Option<SocketAddr>>>,
) -> ChildSpec {
    let env = services
        .loaded()
        .environment
        .get("OPENCLAW_HANDSHAKE_TIMEOUT_MS")
        .map(str::to_owned);
    let configured = env.and_then(|ms| ms.parse().ok()).filter(|ms| *ms > 0);
    let http = HttpArgs {
        services: Arc::clone(services),
        listening: Arc::clone(listening),
        handshake: configured.map_or(HANDSHAKE, Duration::from_millis),
    };
    let devices = Owner::spec(OwnerArgs {
        devices: services.devices.clone(),
        hub: services.hub.clone(),
    });
    let pulse = ChildSpec::actor::<Pulse>("pulse", Arc::clone(services));
    let listener = ChildSpec::actor::<HttpListener>("http", http)
        .backoff(
            Duration::from_millis(200),
            Duration::from_secs(5),
            Duration::from_secs(60),
        )
        .capacity(1024);
    ChildSpec::supervisor(
        "ingress",
        Strategy::OneForOne,
        vec![devices, pulse, listener],
    )
}

/// Tells every client that the gateway goes down; nothing new is taken in from here on.
pub fn announce_shutdown(services: &Services, reason: &str, restart_expected: Option<Duration>) {
    services.set_phase(Phase::Closing);
    let mut payload = json!({ "reason": reason });
    if let (Some(soon), Some(payload)) = (restart_expected, payload.as_object_mut()) {
        let soon = u64::try_from(soon.as_millis()).unwrap_or(u64::MAX);
        payload.insert("restartExpectedMs".to_owned(), json!(soon));
    }
    services.hub.broadcast(&Broadcast {
        name: "shutdown",
        payload,
        audience: Audience::Everyone,
        is_stale_soon: false,
        has_state_version: false,
    });
    services
        .hub
        .close_all(&Goodbye::new(close::SERVICE_RESTART, "service restart"));
}
