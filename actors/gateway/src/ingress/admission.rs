//! Decides on a `connect` request: version, role, page, credential, device, in this order. Pure.
//!
//! What it lets in without a device is in; a device that proved its key goes on to [`crate::device::enter`], which knows
//! whether it is approved.

pub mod refusal;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use openclaw_protocol::ConnectParams;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use openclaw_protocol::Scopes;
use openclaw_protocol::Secret;
use openclaw_protocol::connect::DeviceClaim;

pub use self::refusal::Refusal;

use super::auth::AuthFailure;
use super::auth::AuthPolicy;
use super::auth::Presented;
use super::auth::Proof;
use super::auth::ProxyWord;
use super::auth::Verified;
use super::limiter::Account;
use super::limiter::Limit;
use super::limiter::Limiter;
use super::origin::OriginPass;
use super::peer::CanonicalAddress;
use super::principal::Principal;
use super::principal::Role;
use super::tailscale::WhoisError;
use crate::device::Book;
use crate::device::book::Ask;
use crate::device::book::TokenFailure;
use crate::device::enter::Entry;
use crate::device::proof;
use crate::device::proof::Challenge;
use crate::device::proof::Replays;

#[cfg(test)]
mod tests;

/// What is known of the connection besides the request itself.
#[derive(Debug, Clone)]
pub struct Origin {
    /// What the check at the upgrade said; a refused page never gets here.
    pub page: OriginPass,
    /// The bucket of its failures.
    pub address: CanonicalAddress,
    /// The address itself.
    pub ip: IpAddr,
    /// Whether it comes from this machine; only changes the wording of a hint.
    pub is_local: bool,
    /// Whether it comes from this machine and nobody speaks for somebody else. Never a right by
    /// itself: what it allows, it allows only to those who know the secret.
    pub is_direct: bool,
    /// What a proxy in front says.
    pub proxy: Arc<ProxyWord>,
    /// Whom Tailscale's proxy names.
    pub tailscale_user: Option<String>,
    /// The connection's number.
    pub connection: u64,
}

/// The gateway's rules.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The secret.
    pub auth: &'a AuthPolicy,
    /// How many wrong secrets are looked at.
    pub limit: Limit,
    /// Lets early operator pages in without a device (`gateway.controlUi.allowInsecureAuth`).
    pub allow_insecure_page: bool,
    /// Whether a device on this machine that knows the secret is approved at once.
    pub approves_local: bool,
    /// The devices.
    pub book: &'a Book,
    /// The nonce of this connection's challenge.
    pub nonce: &'a str,
    /// Whom Tailscale knows at the caller's address, if it was asked.
    pub whois: Option<&'a Result<String, WhoisError>>,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
}

/// What is remembered of earlier callers.
#[derive(Debug)]
pub struct Memory<'a> {
    /// Wrong secrets.
    pub limiter: &'a mut Limiter,
    /// Signatures without a nonce.
    pub replays: &'a mut Replays,
    /// Now, for the limiter.
    pub now: Instant,
}

/// What becomes of a caller who is not refused.
#[derive(Debug)]
pub enum Admission {
    /// It is in.
    Ready(Principal),
    /// It is in if its device is approved.
    Device {
        /// Who it then is.
        principal: Principal,
        /// What its device asks for.
        entry: Box<Entry>,
    },
}

/// What the caller's credential proves, and whom it names.
struct Shown {
    verified: Verified,
    user: Option<Arc<str>>,
    setup: Option<String>,
    token: Option<Secret>,
}

/// Decides on a `connect` request.
pub fn admit(
    params: ConnectParams,
    origin: &Origin,
    rules: &Rules<'_>,
    memory: &mut Memory<'_>,
) -> Result<Admission, Refusal> {
    let version = negotiate(&params)?;
    let role = Role::parse(&params.role)
        .ok_or_else(|| Refusal::new(ErrorShape::invalid("invalid role")))?;
    check_page(&params, origin, version)?;
    let door = Door {
        params: &params,
        origin,
        rules,
        version,
        role,
    };
    let (shown, ask) = match &params.device {
        None => (door.without_device(memory)?, None),
        Some(claim) => {
            let (shown, ask) = door.with_device(claim, memory)?;
            (shown, Some(ask))
        }
    };
    let wanted = match role {
        Role::Operator => Scopes::named(&params.scopes),
        Role::Node => Scopes::NONE,
    };
    let scopes = if ask.is_some() || door.keeps_scopes(shown.verified.proof()) {
        wanted
    } else {
        Scopes::NONE
    };
    let silent = door.silent(shown.verified.proof());
    let principal = Principal {
        verified: shown.verified,
        role,
        scopes,
        version,
        takes_tools: params.can("tool-events"),
        is_local: origin.is_local,
        connection: origin.connection,
        device: ask.as_ref().map(|ask| Arc::from(ask.device_id.as_str())),
        user: shown.user,
        client: Arc::new(params.client),
    };
    Ok(match ask {
        None => Admission::Ready(principal),
        Some(ask) => Admission::Device {
            principal,
            entry: Box::new(Entry {
                ask,
                silent,
                setup: shown.setup,
                token: shown.token,
            }),
        },
    })
}

fn negotiate(params: &ConnectParams) -> Result<Protocol, Refusal> {
    let (min, max) = (params.min_protocol, params.max_protocol);
    Protocol::negotiate(min, max).ok_or_else(|| refusal::version(min, max))
}

/// A client that only browsers run must come from a known page.
fn check_page(params: &ConnectParams, origin: &Origin, version: Protocol) -> Result<(), Refusal> {
    if params.client.is_browser_page() && origin.page == OriginPass::NotABrowser {
        return Err(refusal::page(version));
    }
    Ok(())
}

/// One caller before the rules.
struct Door<'a> {
    params: &'a ConnectParams,
    origin: &'a Origin,
    rules: &'a Rules<'a>,
    version: Protocol,
    role: Role,
}

impl Door<'_> {
    fn without_device(&self, memory: &mut Memory<'_>) -> Result<Shown, Refusal> {
        let limiter = &mut *memory.limiter;
        let shown = match self.look(limiter, memory.now) {
            Ok(shown) => shown,
            Err(AuthFailure::Missing(_)) => return Err(refusal::device_required(self.version)),
            Err(failure) => {
                if failure.is_guess() {
                    self.count(&Account::SharedSecret, memory);
                }
                return Err(self.unauthorized(failure));
            }
        };
        let proof = shown.verified.proof();
        if proof == Proof::Nothing || proof == Proof::TrustedProxy {
            return Ok(shown);
        }
        if self.params.client.is_control_ui() {
            if self.version == Protocol::V3 && self.rules.allow_insecure_page {
                return Ok(shown);
            }
            return Err(refusal::page_needs_device(self.version));
        }
        if self.role == Role::Node && self.version == Protocol::V4 {
            return Err(refusal::device_required(self.version));
        }
        Ok(shown)
    }

    fn with_device(
        &self,
        claim: &DeviceClaim,
        memory: &mut Memory<'_>,
    ) -> Result<(Shown, Ask), Refusal> {
        let looked = self.look(&mut *memory.limiter, memory.now);
        let challenge = Challenge {
            nonce: self.rules.nonce,
            version: self.version,
            is_direct: self.origin.is_direct,
            now_ms: self.rules.now_ms,
        };
        let proven = proof::check(self.params, claim, &challenge, memory.replays);
        let is_guess = looked.as_ref().is_err_and(AuthFailure::is_guess);
        let key = match proven {
            Ok(key) => key,
            Err(failure) => {
                if is_guess {
                    self.count(&Account::SharedSecret, memory);
                }
                return Err(refusal::proof(failure, self.version));
            }
        };
        let ask = self.ask(claim, key.to_base64());
        let failure = match looked {
            Ok(shown) => return Ok((shown, ask)),
            Err(failure) => failure,
        };
        match self.own_token(&ask, failure, memory) {
            Ok(shown) => Ok((shown, ask)),
            Err(refusal) => {
                if is_guess {
                    self.count(&Account::SharedSecret, memory);
                }
                Err(refusal)
            }
        }
    }

    /// Looks at the operator's own secret, or at whom a proxy names. Does not count.
    fn look(&self, limiter: &mut Limiter, now: Instant) -> Result<Shown, AuthFailure> {
        let shown = |verified, user: Option<&str>| Shown {
            verified,
            user: user.map(Arc::from),
            setup: None,
            token: None,
        };
        let auth = self.rules.auth;
        if auth.mode == openclaw_protocol::config::AuthMode::TrustedProxy {
            let (verified, user) = auth.verify_user(&self.origin.proxy)?;
            return Ok(shown(verified, Some(&user)));
        }
        let limit = self.rules.limit;
        limiter
            .check(&self.origin.address, &Account::SharedSecret, now, limit)
            .map_err(|wait| AuthFailure::RateLimited(wait.retry_after))?;
        let failure = match auth.verify(self.presented()) {
            Ok(verified) => return Ok(shown(verified, None)),
            Err(failure) => failure,
        };
        match (&self.origin.tailscale_user, self.rules.whois) {
            (Some(claimed), Some(known)) if matches!(failure, AuthFailure::Missing(_)) => {
                let verified = Verified::tailscale(claimed, known)?;
                Ok(shown(verified, Some(claimed)))
            }
            _ => Err(failure),
        }
    }

    fn presented(&self) -> Presented<'_> {
        Presented {
            token: self.params.auth.token.as_ref().map(Secret::expose),
            password: self.params.auth.password.as_ref().map(Secret::expose),
        }
    }

    /// A set-up code, or the token that the device was given; `failure` is what the operator's secret came to.
    fn own_token(
        &self,
        ask: &Ask,
        failure: AuthFailure,
        memory: &mut Memory<'_>,
    ) -> Result<Shown, Refusal> {
        let text = |secret: &Option<Secret>| {
            let text = secret.as_ref().map(|secret| secret.expose().to_owned());
            text.filter(|text| !text.trim().is_empty())
        };
        let auth = &self.params.auth;
        if let Some(code) = text(&auth.bootstrap_token) {
            return self.set_up(ask, &code, memory);
        }
        let explicit = text(&auth.device_token);
        let is_explicit = explicit.is_some();
        let Some(token) = explicit.or_else(|| text(&auth.token)) else {
            return Err(self.unauthorized(failure));
        };
        let account = Account::Device(ask.device_id.clone());
        self.check(&account, memory)?;
        let token_failure = match Verified::device(self.rules.book, ask, &token) {
            Ok(verified) => {
                return Ok(Shown {
                    verified,
                    user: None,
                    setup: None,
                    token: Some(Secret::new(token)),
                });
            }
            Err(failure) => failure,
        };
        if token_failure == TokenFailure::Mismatch {
            self.count(&account, memory);
        }
        match token_failure {
            TokenFailure::ScopeMismatch if is_explicit || self.version == Protocol::V4 => {
                Err(refusal::token_scopes(self.version))
            }
            _ if is_explicit => Err(Refusal {
                is_guess: token_failure == TokenFailure::Mismatch,
                ..refusal::device_token(self.version)
            }),
            _ => Err(self.unauthorized(failure)),
        }
    }

    fn set_up(&self, ask: &Ask, code: &str, memory: &mut Memory<'_>) -> Result<Shown, Refusal> {
        self.check(&Account::SetupCode, memory)?;
        match Verified::setup(self.rules.book, ask, code, self.rules.now_ms) {
            Some((verified, setup)) => Ok(Shown {
                verified,
                user: None,
                setup: Some(setup),
                token: None,
            }),
            None => {
                self.count(&Account::SetupCode, memory);
                Err(Refusal {
                    is_guess: true,
                    ..refusal::setup_code(self.version)
                })
            }
        }
    }

    fn check(&self, account: &Account, memory: &mut Memory<'_>) -> Result<(), Refusal> {
        let (address, limit) = (&self.origin.address, self.rules.limit);
        memory
            .limiter
            .check(address, account, memory.now, limit)
            .map_err(|wait| refusal::rate_limited(wait.retry_after, self.version))
    }

    fn count(&self, account: &Account, memory: &mut Memory<'_>) {
        let (address, limit) = (&self.origin.address, self.rules.limit);
        memory.limiter.count(address, account, memory.now, limit);
    }

    fn unauthorized(&self, failure: AuthFailure) -> Refusal {
        Refusal {
            is_guess: failure.is_guess(),
            ..refusal::unauthorized(failure, self.params, self.origin, self.version)
        }
    }

    fn ask(&self, claim: &DeviceClaim, public_key: String) -> Ask {
        let client = &self.params.client;
        Ask {
            device_id: claim.id.clone(),
            public_key,
            role: self.role.as_str().to_owned(),
            scopes: self.params.scopes.clone(),
            display_name: client.display_name.clone(),
            platform: Some(client.platform.clone()),
            device_family: client.device_family.clone(),
            client_id: Some(client.id.clone()),
            client_mode: Some(client.mode.clone()),
            remote_ip: (!self.origin.ip.is_loopback()).then(|| self.origin.ip.to_string()),
            is_pinned: self.version == Protocol::V4,
        }
    }

    /// Later clients without a device keep their rights only where the operator works: the command
    /// line on this machine, and pages whose origin was checked. Earlier ones have no other way.
    fn keeps_scopes(&self, proof: Proof) -> bool {
        if self.version == Protocol::V3 || !matches!(proof, Proof::Token | Proof::Password) {
            return true;
        }
        match self.origin.page {
            OriginPass::NotABrowser => self.origin.is_direct && self.params.client.is_local_tool(),
            OriginPass::SameOrigin | OriginPass::Listed => self.params.client.is_browser_page(),
        }
    }

    /// By which rule the device may be approved without anybody being asked.
    fn silent(&self, proof: Proof) -> Option<&'static str> {
        let client = &self.params.client;
        let is_program = self.origin.page == OriginPass::NotABrowser || client.is_browser_page();
        match proof {
            Proof::TrustedProxy => self
                .rules
                .auth
                .proxy
                .device_auto_approve
                .then_some("trusted-proxy"),
            proof if proof.is_shared_secret() => {
                let is_local = self.rules.approves_local && self.origin.is_direct && is_program;
                is_local.then_some("silent")
            }
            _ => None,
        }
    }
}
