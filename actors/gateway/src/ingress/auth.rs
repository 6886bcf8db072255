//! Who may operate the gateway: the shared token or password, a device's token, a user whom a proxy or Tailscale
//! names; and what each proves.
//!
//! A right is only ever derived from a [`Verified`] value, and only this file can make one. Where the
//! caller connects from plays no part.

use std::time::Duration;

use openclaw_protocol::Secret;
use openclaw_protocol::config::AuthMode;
use openclaw_protocol::config::Gateway;
use openclaw_protocol::config::TrustedProxy;
use sha2::Digest;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::tailscale::WhoisError;
use crate::device::Book;
use crate::device::book::Ask;
use crate::device::book::TokenFailure;
use crate::gateway::Overrides;

#[cfg(test)]
mod tests;

/// The gateway's own side of the proof.
#[derive(Debug, Clone)]
pub struct AuthPolicy {
    /// What is asked for.
    pub mode: AuthMode,
    /// `gateway.auth.token`.
    pub token: Option<Secret>,
    /// `gateway.auth.password`.
    pub password: Option<Secret>,
    /// Whose word counts in mode `trusted-proxy`.
    pub proxy: TrustedProxy,
    /// Whether Tailscale's word counts besides.
    pub trusts_tailscale: bool,
}

/// What the caller shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Presented<'a> {
    /// `auth.token`.
    pub token: Option<&'a str>,
    /// `auth.password`.
    pub password: Option<&'a str>,
}

/// What a proxy in front says of the caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyWord {
    /// Whether the peer is one of `gateway.trustedProxies`, and its headers count at all.
    pub is_trusted: bool,
    /// Whether the peer runs on this machine.
    pub is_loopback: bool,
    /// Its headers, by lower-case name.
    pub headers: Vec<(String, String)>,
}

/// What was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Proof {
    /// Nothing: the gateway asks for nothing, and listens on this machine only.
    Nothing,
    /// Knowledge of the shared token.
    Token,
    /// Knowledge of the shared password.
    Password,
    /// A user whom the trusted proxy names.
    TrustedProxy,
    /// A user whom Tailscale knows.
    Tailscale,
    /// A device's key, and the token it was given.
    DeviceToken,
    /// A device's key, and a set-up code.
    SetupCode,
    /// The message that a turn answers.
    Turn,
}

impl Proof {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Token => "token",
            Self::Password => "password",
            Self::TrustedProxy => "trusted-proxy",
            Self::Tailscale => "tailscale",
            Self::DeviceToken => "device-token",
            Self::SetupCode => "bootstrap-token",
            Self::Turn => "turn",
        }
    }

    /// Whether it is the operator's own secret, or the operator wants none.
    pub fn is_shared_secret(self) -> bool {
        matches!(self, Self::Nothing | Self::Token | Self::Password)
    }
}

/// A credential that was looked at and found right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    proof: Proof,
    // Keeps the struct from being built outside this file.
    _seal: (),
}

impl Verified {
    const fn by(proof: Proof) -> Self {
        Self { proof, _seal: () }
    }

    /// A turn of an agent: what it acts for was verified when its message was taken in.
    pub(crate) const fn turn() -> Self {
        Self::by(Proof::Turn)
    }

    /// What was proven.
    pub fn proof(self) -> Proof {
        self.proof
    }

    /// Verifies a device's own token. The device's key was proven before.
    pub fn device(book: &Book, ask: &Ask, token: &str) -> Result<Self, TokenFailure> {
        book.check_token(ask, token)
            .map(|()| Self::by(Proof::DeviceToken))
    }

    /// Verifies a set-up code's token; answers the code's name. The device's key was proven before.
    pub fn setup(book: &Book, ask: &Ask, token: &str, now_ms: i64) -> Option<(Self, String)> {
        let setup = book.setup_of(token, ask, now_ms)?;
        Some((Self::by(Proof::SetupCode), setup.setup_id.clone()))
    }

    /// Verifies that whom the proxy's header names is whom Tailscale knows at that address.
    pub fn tailscale(
        claimed: &str,
        known: &Result<String, WhoisError>,
    ) -> Result<Self, AuthFailure> {
        match known {
            Ok(login) if login.eq_ignore_ascii_case(claimed.trim()) => {
                Ok(Self::by(Proof::Tailscale))
            }
            Ok(_) => Err(AuthFailure::TailscaleMismatch),
            Err(_) => Err(AuthFailure::TailscaleUnknown),
        }
    }
}

/// Why a credential was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthFailure {
    /// Nothing was shown.
    Missing(AuthMode),
    /// The wrong secret was shown.
    Mismatch(AuthMode),
    /// The gateway has no secret to compare with.
    NotConfigured(AuthMode),
    /// Too many wrong secrets; this one was not looked at.
    RateLimited(Duration),
    /// The proxy named nobody, or nobody who is let in.
    NoUser,
    /// Tailscale could not be asked, or knows nobody at that address.
    TailscaleUnknown,
    /// Tailscale knows somebody else at that address.
    TailscaleMismatch,
}

impl AuthFailure {
    /// Tells whether this was a guess, which counts against the caller.
    pub fn is_guess(&self) -> bool {
        matches!(self, Self::Mismatch(_))
    }
}

impl AuthPolicy {
    /// The policy of a configuration; `env` fills in a secret that the file doesn't hold.
    ///
    /// When the section can't be read there is no secret, so nobody is let in until it is mended.
    pub fn of(gateway: &Gateway, env: impl Fn(&str) -> Option<String>) -> Self {
        let Some(auth) = gateway.auth.get() else {
            return Self {
                mode: AuthMode::Token,
                token: None,
                password: None,
                proxy: TrustedProxy::default(),
                trusts_tailscale: false,
            };
        };
        let from_env = |name: &str| env(name).filter(|s| !s.trim().is_empty()).map(Secret::from);
        let token = auth
            .token
            .clone()
            .or_else(|| from_env("OPENCLAW_GATEWAY_TOKEN"));
        let password = auth
            .password
            .clone()
            .or_else(|| from_env("OPENCLAW_GATEWAY_PASSWORD"));
        let mode = match (auth.mode, &password, &token) {
            (None, Some(_), None) => AuthMode::Password,
            _ => auth.effective_mode(),
        };
        let serves = gateway.tailscale.mode.as_deref() == Some("serve");
        Self {
            mode,
            token,
            password,
            proxy: auth.trusted_proxy.clone(),
            trusts_tailscale: auth
                .allow_tailscale
                .unwrap_or(serves && mode == AuthMode::Token),
        }
    }

    /// The policy with what the command line decided for this run.
    #[must_use]
    pub fn overridden(mut self, overrides: &Overrides) -> Self {
        self.token = overrides.token.clone().or(self.token);
        self.password = overrides.password.clone().or(self.password);
        self.mode = match overrides.auth.as_deref() {
            Some("token") => AuthMode::Token,
            Some("password") => AuthMode::Password,
            Some("none") => AuthMode::None,
            Some("trusted-proxy") => AuthMode::TrustedProxy,
            _ if overrides.token.is_some() => AuthMode::Token,
            _ if overrides.password.is_some() => AuthMode::Password,
            _ => self.mode,
        };
        self
    }

    /// Compares what the caller shows with the gateway's secret, in constant time.
    ///
    /// The secret may stand in either field: clients of both generations mix them up.
    pub fn verify(&self, presented: Presented<'_>) -> Result<Verified, AuthFailure> {
        let mode = self.mode;
        let (secret, proof) = match mode {
            AuthMode::None => return Ok(Verified::by(Proof::Nothing)),
            AuthMode::Token => (self.token.as_ref(), Proof::Token),
            AuthMode::Password => (self.password.as_ref(), Proof::Password),
            // The proxy's word is the only one that counts: a secret would be a second way in.
            AuthMode::TrustedProxy => return Err(AuthFailure::NoUser),
        };
        let usable = secret.filter(|secret| !secret.expose().trim().is_empty());
        let secret = usable.ok_or(AuthFailure::NotConfigured(mode))?;
        let shown = [presented.token, presented.password];
        let mut shown = shown
            .into_iter()
            .flatten()
            .filter(|s| !s.trim().is_empty())
            .peekable();
        if shown.peek().is_none() {
            return Err(AuthFailure::Missing(mode));
        }
        if shown.any(|candidate| is_same(candidate, secret.expose())) {
            return Ok(Verified::by(proof));
        }
        Err(AuthFailure::Mismatch(mode))
    }

    /// Verifies the user whom a proxy names; answers the name.
    pub fn verify_user(&self, word: &ProxyWord) -> Result<(Verified, String), AuthFailure> {
        let header = |name: &str| {
            let name = name.trim().to_ascii_lowercase();
            let found = word.headers.iter().find(|(known, _)| *known == name);
            found
                .map(|(_, value)| value.trim())
                .filter(|value| !value.is_empty())
        };
        let rule = &self.proxy;
        let is_heard = self.mode == AuthMode::TrustedProxy
            && word.is_trusted
            && (!word.is_loopback || rule.allow_loopback)
            && rule
                .required_headers
                .iter()
                .all(|name| header(name).is_some());
        let user = rule
            .user_header
            .as_deref()
            .filter(|_| is_heard)
            .and_then(header)
            .filter(|user| {
                rule.allow_users.is_empty() || rule.allow_users.iter().any(|u| u == user)
            });
        user.map(|user| (Verified::by(Proof::TrustedProxy), user.to_owned()))
            .ok_or(AuthFailure::NoUser)
    }

    /// Tells whether there is a secret that a stranger would have to know.
    pub fn has_secret(&self) -> bool {
        let is_set = |secret: &Option<Secret>| {
            secret
                .as_ref()
                .is_some_and(|secret| !secret.expose().trim().is_empty())
        };
        match self.mode {
            AuthMode::None => false,
            AuthMode::Token => is_set(&self.token),
            AuthMode::Password => is_set(&self.password),
            AuthMode::TrustedProxy => self
                .proxy
                .user_header
                .as_ref()
                .is_some_and(|name| !name.trim().is_empty()),
        }
    }
}

/// Compares digests, so that neither the content nor the length shows in the time it takes.
pub(crate) fn is_same(left: &str, right: &str) -> bool {
    Sha256::digest(left.as_bytes())
        .ct_eq(&Sha256::digest(right.as_bytes()))
        .into()
}

/// The mode's name on the wire.
pub fn mode_name(mode: AuthMode) -> &'static str {
    match mode {
        AuthMode::None => "none",
        AuthMode::Token => "token",
        AuthMode::Password => "password",
        AuthMode::TrustedProxy => "trusted-proxy",
    }
}
