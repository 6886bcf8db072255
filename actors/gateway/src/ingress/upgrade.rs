//! The step from an HTTP request to a WebSocket.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::Weak;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::Response;
use openclaw_runtime::ActorPath;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::KillReason;
use openclaw_runtime::Restart;
use openclaw_runtime::Shutdown;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

use super::admission::Origin;
use super::auth::ProxyWord;
use super::connection::Arrived;
use super::connection::WsArgs;
use super::connection::WsConnection;
use super::http::PeerAddress;
use super::origin::OriginPass;
use super::peer::CanonicalAddress;
use super::peer::FORWARDING_HEADERS;
use super::peer::Forwarding;
use super::peer::Network;
use super::peer::client_address;
use super::peer::fold;
use super::routes::refuse;
use super::routes::text;
use super::tailscale;
use super::websocket::accept_key;
use crate::services::Services;

/// WebSockets whose callers have not said who they are: enough for a burst of reconnects after a
/// restart, little memory for a flood. Past it the oldest makes room, as at the listener.
const NOT_ADMITTED: usize = 1024;

/// WebSockets past that which may wait for those they pushed out to be gone.
const OVERLAP: usize = 256;

/// Mail a connection holds: what its client sends ahead while a request is being looked at.
const MAILBOX: usize = 32;

/// How long a connection gets to say goodbye when the gateway stops.
const GOODBYE: Duration = Duration::from_secs(2);

/// What stands between a request and a connection.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) services: Arc<Services>,
    handshake: Duration,
    seats: Arc<Semaphore>,
    /// Who sits there, oldest first, and some who have left.
    seated: Mutex<VecDeque<(u64, Weak<Seat>)>>,
    ids: AtomicU64,
}

/// A place among those not yet admitted; given back when dropped.
#[derive(Debug)]
pub struct Seat(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Gate {
    pub(super) fn new(services: Arc<Services>, handshake: Duration) -> Arc<Self> {
        Arc::new(Self {
            services,
            handshake,
            seats: Arc::new(Semaphore::new(NOT_ADMITTED + OVERLAP)),
            seated: Mutex::default(),
            ids: AtomicU64::new(1),
        })
    }

    /// A seat for a connection; the oldest who says nothing leaves when there are too many.
    fn seat(&self, number: u64) -> Option<Arc<Seat>> {
        let mut seated = self.seated.lock().unwrap_or_else(PoisonError::into_inner);
        if self.seats.available_permits() <= OVERLAP {
            while let Some((number, seat)) = seated.pop_front() {
                if seat.strong_count() > 0 {
                    self.services.meters.crowded.add();
                    let path = ActorPath::new(format!("ingress/ws/{number}"));
                    self.services.directory.kill(&path, KillReason::Abort);
                    break;
                }
            }
        }
        let seat = Arc::clone(&self.seats).try_acquire_owned().ok()?;
        let seat = Arc::new(Seat(seat));
        seated.push_back((number, Arc::downgrade(&seat)));
        if seated.len() > 2 * NOT_ADMITTED {
            seated.retain(|(_, seat)| seat.strong_count() > 0);
        }
        Some(seat)
    }
}

/// Tells whether a request asks for a WebSocket.
pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    let has_word = |name: &str, word: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    has_word("connection", "upgrade") && has_word("upgrade", "websocket")
}

/// Answers a request for a WebSocket, and starts its connection.
pub(super) fn upgrade(gate: &Gate, mut request: Request) -> Response {
    let bad = |message: &str| {
        refuse(
            StatusCode::BAD_REQUEST,
            "invalid_request_error",
            message,
            None,
        )
    };
    let headers = request.headers();
    if text(headers, "sec-websocket-version") != Some("13") {
        let mut response = bad("WebSocket version 13 is spoken here");
        response.headers_mut().insert(
            "sec-websocket-version",
            header::HeaderValue::from_static("13"),
        );
        return response;
    }
    let Some(key) = headers
        .get("sec-websocket-key")
        .map(|key| key.as_bytes().to_vec())
    else {
        return bad("Sec-WebSocket-Key is missing");
    };
    let extensions = request.extensions();
    let (Some(peer), Some(page)) = (
        extensions.get::<PeerAddress>().copied(),
        extensions.get::<OriginPass>().copied(),
    ) else {
        return bad("the connection has no address");
    };
    let caller = match caller(&gate.services, headers, peer.0.ip()) {
        Ok(caller) => caller,
        Err(error) => {
            let message = error.to_string();
            return refuse(StatusCode::FORBIDDEN, "forbidden", &message, None);
        }
    };
    let number = gate.ids.fetch_add(1, Ordering::Relaxed);
    let Some(seat) = gate.seat(number) else {
        gate.services.meters.crowded.add();
        let message = "too many connections wait to be admitted; try again shortly";
        return refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            message,
            None,
        );
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let args = WsArgs {
        services: Arc::clone(&gate.services),
        origin: Origin {
            page,
            address: CanonicalAddress::of(caller.ip),
            ip: caller.ip,
            is_local: caller.ip.is_loopback(),
            is_direct: caller.is_direct,
            proxy: Arc::new(caller.proxy),
            tailscale_user: caller.tailscale_user,
            connection: number,
        },
        handshake: gate.handshake,
        arrived: Arc::new(Mutex::new(Some(Arrived { upgrade, seat }))),
    };
    let spec = ChildSpec::actor::<WsConnection>(format!("ws/{number}"), args)
        .restart(Restart::Temporary)
        .shutdown(Shutdown::Within(GOODBYE))
        .capacity(MAILBOX);
    gate.services
        .directory
        .supervisor(&ActorPath::new("ingress"))
        .ensure(spec);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accept = header::HeaderValue::from_str(&accept_key(&key));
    let headers = response.headers_mut();
    headers.insert(
        header::CONNECTION,
        header::HeaderValue::from_static("Upgrade"),
    );
    headers.insert(
        header::UPGRADE,
        header::HeaderValue::from_static("websocket"),
    );
    if let Ok(accept) = accept {
        headers.insert("sec-websocket-accept", accept);
    }
    response
}

/// The address to count a request by.
pub(super) fn real_address(
    services: &Services,
    headers: &HeaderMap,
    peer: IpAddr,
) -> Result<IpAddr, super::peer::UntrustedProxy> {
    caller(services, headers, peer).map(|caller| caller.ip)
}

/// Who calls, and who speaks for them.
struct Caller {
    ip: IpAddr,
    is_direct: bool,
    proxy: ProxyWord,
    tailscale_user: Option<String>,
}

fn caller(
    services: &Services,
    headers: &HeaderMap,
    peer: IpAddr,
) -> Result<Caller, super::peer::UntrustedProxy> {
    let forwarding = Forwarding {
        is_present: FORWARDING_HEADERS
            .iter()
            .any(|name| headers.contains_key(*name)),
        forwarded_for: headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .map(str::to_owned)
            .collect(),
        real_ip: text(headers, "x-real-ip").map(str::to_owned),
    };
    let config = services.configuration();
    let auth = services.auth_policy();
    let mut trusted: Vec<Network> = config
        .gateway
        .trusted_proxies
        .iter()
        .filter_map(|text| Network::parse(text))
        .collect();
    let peer = fold(peer);
    let is_trusted = trusted.iter().any(|network| network.contains(peer));
    // Tailscale's own proxy runs on this machine. What it says is only a claim until Tailscale is asked.
    let user = text(headers, tailscale::USER_HEADER)
        .filter(|_| auth.trusts_tailscale && peer.is_loopback() && forwarding.is_present);
    if user.is_some() {
        trusted.extend(Network::parse(&peer.to_string()));
    }
    let ip = client_address(peer, &forwarding, &trusted)?;
    let rule = &auth.proxy;
    let wanted = rule.user_header.iter().chain(&rule.required_headers);
    let headers = wanted
        .map(|name| name.trim().to_ascii_lowercase())
        .filter_map(|name| {
            let value = headers.get(name.as_str())?.to_str().ok()?.to_owned();
            Some((name, value))
        })
        .collect();
    Ok(Caller {
        ip,
        is_direct: peer.is_loopback() && !forwarding.is_present && user.is_none(),
        proxy: ProxyWord {
            is_trusted,
            is_loopback: peer.is_loopback(),
            headers,
        },
        tailscale_user: user.map(str::to_owned),
    })
}
