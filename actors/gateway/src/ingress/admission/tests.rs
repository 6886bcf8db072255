use std::sync::Arc;
use std::time::Instant;

use openclaw_protocol::ConnectParams;
use openclaw_protocol::ErrorCode;
use openclaw_protocol::Protocol;
use openclaw_protocol::Scope;
use openclaw_protocol::Secret;
use openclaw_protocol::config::AuthMode;
use openclaw_protocol::config::TrustedProxy;
use openclaw_support::device::Device;
use serde_json::Value;
use serde_json::json;

use super::Admission;
use super::Memory;
use super::Origin;
use super::Refusal;
use super::Rules;
use super::admit;
use crate::device::Book;
use crate::device::proof::Replays;
use crate::ingress::auth::AuthPolicy;
use crate::ingress::auth::ProxyWord;
use crate::ingress::limiter::Limit;
use crate::ingress::limiter::Limiter;
use crate::ingress::limiter::TRIES;
use crate::ingress::origin::OriginPass;
use crate::ingress::peer::CanonicalAddress;
use crate::ingress::principal::Principal;
use crate::ingress::principal::Role;
use crate::ingress::tailscale::WhoisError;

mod device;
mod named;

const TOKEN: &str = "t0ken";
const NONCE: &str = "the-nonce";
const NOW: i64 = 1_800_000_000_000;

struct Caller {
    mode: AuthMode,
    page: OriginPass,
    is_direct: bool,
    proxy: ProxyWord,
    rule: TrustedProxy,
    tailscale: Option<(&'static str, Result<String, WhoisError>)>,
    limiter: Limiter,
    replays: Replays,
    book: Book,
}

impl Caller {
    fn new() -> Self {
        Self {
            mode: AuthMode::Token,
            page: OriginPass::NotABrowser,
            is_direct: true,
            proxy: ProxyWord::default(),
            rule: TrustedProxy::default(),
            tailscale: None,
            limiter: Limiter::default(),
            replays: Replays::default(),
            book: Book::default(),
        }
    }

    fn page(page: OriginPass) -> Self {
        Self {
            page,
            ..Self::new()
        }
    }

    /// Connects without a device, or by one that is let in.
    fn connect(&mut self, change: Value) -> Result<Principal, Refusal> {
        match self.knock(change)? {
            Admission::Ready(principal) => Ok(principal),
            Admission::Device { principal, .. } => Ok(principal),
        }
    }

    /// Connects as a device.
    fn by(&mut self, device: &Device, mut change: Value) -> Result<Admission, Refusal> {
        let mut params = params(&change);
        for (name, value) in change.as_object().unwrap() {
            params[name] = value.clone();
        }
        change["device"] = device.claim(&params, &json!({ "nonce": NONCE, "ts": NOW }));
        self.knock(change)
    }

    fn knock(&mut self, change: Value) -> Result<Admission, Refusal> {
        let auth = AuthPolicy {
            mode: self.mode,
            token: Some(Secret::from(TOKEN)),
            password: Some(Secret::from("passw0rd")),
            proxy: self.rule.clone(),
            trusts_tailscale: self.tailscale.is_some(),
        };
        let ip = "127.0.0.1".parse().unwrap();
        let origin = Origin {
            page: self.page,
            address: CanonicalAddress::of(ip),
            ip,
            is_local: true,
            is_direct: self.is_direct,
            proxy: Arc::new(self.proxy.clone()),
            tailscale_user: self.tailscale.as_ref().map(|(user, _)| (*user).to_owned()),
            connection: 1,
        };
        let rules = Rules {
            auth: &auth,
            limit: Limit::default(),
            allow_insecure_page: false,
            approves_local: true,
            book: &self.book,
            nonce: NONCE,
            whois: self.tailscale.as_ref().map(|(_, whois)| whois),
            now_ms: NOW,
        };
        let mut memory = Memory {
            limiter: &mut self.limiter,
            replays: &mut self.replays,
            now: Instant::now(),
        };
        let params = ConnectParams::parse(params(&change)).unwrap();
        admit(params, &origin, &rules, &mut memory)
    }
}

fn params(change: &Value) -> Value {
    let mut params = json!({
        "minProtocol": 3, "maxProtocol": 4,
        "client": { "id": "cli", "version": "dev", "platform": "linux", "mode": "cli" },
        "scopes": ["operator.read"],
        "auth": { "token": TOKEN },
    });
    for (name, value) in change.as_object().unwrap() {
        params[name] = value.clone();
    }
    params
}

fn client(id: &str, mode: &str) -> Value {
    json!({ "id": id, "version": "1", "platform": "web", "mode": mode })
}

/// Message, code, close code and `details.code` of a refusal.
fn refused(outcome: Result<Principal, Refusal>) -> (String, ErrorCode, u16, Option<String>) {
    let refusal = outcome.unwrap_err();
    let details = refusal.error.details.as_ref();
    let code = details
        .and_then(|details| details["code"].as_str())
        .map(str::to_owned);
    assert_eq!(refusal.goodbye.reason, refusal.error.message);
    (
        refusal.error.message.clone(),
        refusal.error.code,
        refusal.goodbye.code,
        code,
    )
}

#[test]
fn versions_are_negotiated() {
    for (min, max, expected) in [
        (3, 3, Protocol::V3),
        (3, 4, Protocol::V4),
        (4, 4, Protocol::V4),
    ] {
        let principal = Caller::new()
            .connect(json!({ "minProtocol": min, "maxProtocol": max }))
            .unwrap();
        assert_eq!(principal.version, expected);
        assert!(principal.scopes.allows(Scope::Read));
    }
    for (min, max) in [(1, 1), (1, 2), (5, 9), (99, 99)] {
        let outcome = Caller::new().connect(json!({ "minProtocol": min, "maxProtocol": max }));
        let (message, code, close, details) = refused(outcome);
        assert_eq!(
            (message.as_str(), code, close),
            ("protocol mismatch", ErrorCode::InvalidRequest, 1002)
        );
        assert_eq!(details.as_deref(), Some("PROTOCOL_MISMATCH"));
    }
}

#[test]
fn wrong_and_absent_credentials_are_refused_in_the_words_clients_know() {
    let early = json!({ "minProtocol": 3, "maxProtocol": 3 });
    let late = json!({});
    let table = [
        (
            &early,
            json!({ "token": "wrong" }),
            "unauthorized: gateway token mismatch (set gateway.remote.token to match gateway.auth.token)",
            None,
        ),
        (
            &late,
            json!({ "token": "wrong" }),
            "unauthorized: gateway token mismatch (use this gateway's gateway.auth.token or pair the device)",
            Some("AUTH_TOKEN_MISMATCH"),
        ),
        (&early, json!({}), "device identity required", None),
        (
            &late,
            json!({}),
            "device identity required",
            Some("DEVICE_IDENTITY_REQUIRED"),
        ),
        (
            &late,
            json!({ "token": "  " }),
            "device identity required",
            Some("DEVICE_IDENTITY_REQUIRED"),
        ),
    ];
    for (base, auth, expected, expected_code) in table {
        let mut change = base.clone();
        change["auth"] = auth;
        let (message, _, close, code) = refused(Caller::new().connect(change));
        assert_eq!(
            (message.as_str(), close, code.as_deref()),
            (expected, 1008, expected_code)
        );
    }
    let outcome = Caller::new().by(&Device::new(1), json!({ "auth": {} }));
    let message = outcome.unwrap_err().error.message;
    assert!(
        message.starts_with("unauthorized: gateway token missing ("),
        "{message}"
    );
    let mut password = Caller::new();
    password.mode = AuthMode::Password;
    let (message, _, _, code) = refused(password.connect(json!({ "auth": { "password": "x" } })));
    assert!(
        message.starts_with("unauthorized: gateway password mismatch ("),
        "{message}"
    );
    assert_eq!(code.as_deref(), Some("AUTH_PASSWORD_MISMATCH"));
    assert!(
        password
            .connect(json!({ "auth": { "password": "passw0rd" } }))
            .is_ok()
    );
}

#[test]
fn the_eleventh_guess_is_not_looked_at_even_if_it_is_right() {
    let mut caller = Caller::new();
    for _ in 0..TRIES {
        assert!(
            caller
                .connect(json!({ "auth": { "token": "wrong" } }))
                .unwrap_err()
                .is_guess
        );
    }
    let refusal = caller.connect(json!({})).unwrap_err();
    assert!(!refusal.is_guess);
    assert_eq!(refusal.error.details.unwrap()["code"], "AUTH_RATE_LIMITED");
    assert_eq!(refusal.error.retryable, Some(true));
    assert!(refusal.error.retry_after_ms.unwrap() > 50_000);
}

#[test]
fn rights_are_those_asked_for_and_known() {
    let asked = json!({ "scopes": ["operator.write", "operator.root", "admin"] });
    let principal = Caller::new().connect(asked).unwrap();
    assert_eq!(
        principal.scopes.names().collect::<Vec<_>>(),
        ["operator.write"]
    );
    let principal = Caller::new().connect(json!({ "scopes": [] })).unwrap();
    assert!(
        Scope::ALL
            .iter()
            .all(|scope| !principal.scopes.allows(*scope))
    );
}

#[test]
fn pages_must_be_known_and_the_operator_page_must_prove_its_device() {
    let ours = json!({ "client": client("webchat-ui", "webchat") });
    let (message, ..) = refused(Caller::new().connect(ours.clone()));
    assert!(message.starts_with("origin not allowed"), "{message}");
    for page in [OriginPass::SameOrigin, OriginPass::Listed] {
        assert!(Caller::page(page).connect(ours.clone()).is_ok());
    }
    let control = json!({ "client": client("openclaw-control-ui", "ui") });
    let (_, _, _, code) = refused(Caller::page(OriginPass::SameOrigin).connect(control));
    assert_eq!(code.as_deref(), Some("CONTROL_UI_DEVICE_IDENTITY_REQUIRED"));
    // The page is judged before the secret is read: no try is counted.
    let mut caller = Caller::new();
    let mut wrong = ours;
    wrong["auth"] = json!({ "token": "wrong" });
    assert!(caller.connect(wrong).is_err());
    assert_eq!(caller.limiter.total(), 0);
}

#[test]
fn roles_are_operator_and_node() {
    let (message, ..) = refused(Caller::new().connect(json!({ "role": "worker" })));
    assert_eq!(message, "invalid role");
    let node = client("node-host", "node");
    let early = json!({
        "role": "node", "client": node, "maxProtocol": 3, "scopes": ["operator.admin"],
    });
    let principal = Caller::new().connect(early).unwrap();
    assert_eq!(
        (principal.role, principal.scopes.names().count()),
        (Role::Node, 0)
    );
    let late = json!({ "role": "node", "client": node });
    let (_, code, _, _) = refused(Caller::new().connect(late));
    assert_eq!(code, ErrorCode::NotPaired);
}

#[test]
fn mode_none_asks_for_nothing() {
    let mut caller = Caller::new();
    caller.mode = AuthMode::None;
    assert!(caller.connect(json!({ "auth": {} })).is_ok());
}
