//! Who may operate the gateway: the shared token or password, and what it proves.
//!
//! A right is only ever derived from a [`Verified`] value, and only [`AuthPolicy::verify`] can make
//! one. Where the caller connects from plays no part.

use std::time::Duration;

use openclaw_protocol::Secret;
use openclaw_protocol::config::AuthMode;
use openclaw_protocol::config::Gateway;
use sha2::Digest;
use sha2::Sha256;
use subtle::ConstantTimeEq;

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
}

/// What the caller shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Presented<'a> {
    /// `auth.token`.
    pub token: Option<&'a str>,
    /// `auth.password`.
    pub password: Option<&'a str>,
}

/// A credential that was looked at and found right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    mode: AuthMode,
    // Keeps the struct from being built outside this file.
    _seal: (),
}

impl Verified {
    /// What was proven.
    pub fn mode(self) -> AuthMode {
        self.mode
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
            let mode = AuthMode::Token;
            return Self {
                mode,
                token: None,
                password: None,
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
        Self {
            mode,
            token,
            password,
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
        let verified = Verified { mode, _seal: () };
        let secret = match mode {
            AuthMode::None => return Ok(verified),
            AuthMode::Token => self.token.as_ref(),
            AuthMode::Password => self.password.as_ref(),
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
            return Ok(verified);
        }
        Err(AuthFailure::Mismatch(mode))
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
        }
    }
}

/// Compares digests, so that neither the content nor the length shows in the time it takes.
fn is_same(left: &str, right: &str) -> bool {
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
    }
}
