//! The devices as a value, and every change of it. Pure: time, names and tokens are passed in.

use std::collections::BTreeMap;

use openclaw_protocol::Scope;
use openclaw_protocol::Scopes;
use openclaw_protocol::Secret;
use openclaw_protocol::device::plain;
use serde_json::Map;

use super::record::PENDING_MS;
use super::record::Paired;
use super::record::Pending;
use super::record::Token;
use super::setup::Setup;
use crate::ingress::auth::is_same;

#[cfg(test)]
mod tests;

/// Requests that wait at the same time; beyond that, the oldest goes.
const WAITING: usize = 64;

/// All devices.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Book {
    /// Approved ones, by device.
    pub paired: BTreeMap<String, Paired>,
    /// Those that ask, by request.
    pub pending: BTreeMap<String, Pending>,
    /// Set-up codes that were handed out.
    pub setups: Vec<Setup>,
}

/// A device that proved its key and wants to act in a role.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ask {
    /// The device.
    pub device_id: String,
    /// Its key, in base64.
    pub public_key: String,
    /// The role.
    pub role: String,
    /// The rights it asks for; only known names count.
    pub scopes: Vec<String>,
    /// A label for people.
    pub display_name: Option<String>,
    /// Its platform.
    pub platform: Option<String>,
    /// What sort of device it is.
    pub device_family: Option<String>,
    /// The program.
    pub client_id: Option<String>,
    /// Its class.
    pub client_mode: Option<String>,
    /// Where it asks from.
    pub remote_ip: Option<String>,
    /// Whether another platform than the approved one is another device (protocol 4).
    pub is_pinned: bool,
}

/// Why a device must be approved first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It is not known.
    NotPaired,
    /// It asks for a role it doesn't have.
    RoleUpgrade,
    /// It asks for rights it doesn't have.
    ScopeUpgrade,
    /// It says that it is another kind of device now.
    MetadataUpgrade,
}

/// Why a token doesn't let a device in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenFailure {
    /// There is nothing to compare it with: no such device, role or token, or it was taken back.
    Unknown,
    /// It is another one.
    Mismatch,
    /// It is the right one and gives less than is asked for.
    ScopeMismatch,
}

/// Why a change is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// No such request waits.
    #[error("unknown requestId")]
    UnknownRequest,
    /// No such device is approved.
    #[error("unknown deviceId")]
    UnknownDevice,
    /// No such device is approved for that role.
    #[error("unknown deviceId/role")]
    UnknownRole,
    /// The rights go beyond what the device was approved for.
    #[error("the device is not approved for {0}")]
    NotApproved(&'static str),
    /// Whoever asks for it lacks the right.
    #[error("missing scope: {}", .0.as_str())]
    Missing(Scope),
    /// The caller may only change its own device.
    #[error("a device without operator.admin manages itself only")]
    NotYours,
}

impl Reason {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotPaired => "not-paired",
            Self::RoleUpgrade => "role-upgrade",
            Self::ScopeUpgrade => "scope-upgrade",
            Self::MetadataUpgrade => "metadata-upgrade",
        }
    }

    /// What it means, for people.
    pub fn requirement(self) -> &'static str {
        match self {
            Self::NotPaired => "device is not approved yet",
            Self::RoleUpgrade => "device is asking for a higher role than currently approved",
            Self::ScopeUpgrade => "device is asking for more scopes than currently approved",
            Self::MetadataUpgrade => "device identity changed and must be re-approved",
        }
    }
}

impl Ask {
    /// The rights it asks for.
    pub fn wanted(&self) -> Scopes {
        match self.role.as_str() {
            "operator" => Scopes::named(&self.scopes),
            _ => Scopes::NONE,
        }
    }
}

impl Book {
    /// What still stands between a device and its role; `None` when nothing does.
    pub fn obstacle(&self, ask: &Ask) -> Option<Reason> {
        let Some(device) = self.paired.get(&ask.device_id) else {
            return Some(Reason::NotPaired);
        };
        if device.public_key != ask.public_key {
            return Some(Reason::NotPaired);
        }
        if !device.has_role(&ask.role) {
            return Some(Reason::RoleUpgrade);
        }
        if !ask.wanted().is_within(device.grant(&ask.role)) {
            return Some(Reason::ScopeUpgrade);
        }
        let differs = |pinned: &Option<String>, now: &Option<String>| match (pinned, now) {
            (Some(pinned), Some(now)) => plain(pinned) != plain(now),
            _ => false,
        };
        let has_changed = differs(&device.platform, &ask.platform)
            || differs(&device.device_family, &ask.device_family);
        (ask.is_pinned && has_changed).then_some(Reason::MetadataUpgrade)
    }

    /// Whether an approval that nobody is asked for may remove an obstacle. A known device never
    /// becomes a node that way.
    pub fn may_be_silent(ask: &Ask, reason: Reason) -> bool {
        reason != Reason::RoleUpgrade || ask.role == "operator"
    }

    /// Compares a device's token. What it gives is never more than the device was approved for.
    pub fn check_token(&self, ask: &Ask, token: &str) -> Result<(), TokenFailure> {
        let known = self.paired.get(&ask.device_id).and_then(|device| {
            let token = device.tokens.get(&ask.role)?;
            let is_usable = device.public_key == ask.public_key
                && device.has_role(&ask.role)
                && token.is_live();
            is_usable.then_some((device, token))
        });
        let (device, known) = known.ok_or(TokenFailure::Unknown)?;
        if !is_same(token, known.token.expose()) {
            return Err(TokenFailure::Mismatch);
        }
        let grant = known.grant().granted_by(device.grant(&ask.role));
        if ask.wanted().is_within(grant) {
            Ok(())
        } else {
            Err(TokenFailure::ScopeMismatch)
        }
    }

    /// Whether a token alone lets a page read its own settings: it has no key to show over plain HTTP.
    pub fn lets_read(&self, token: &str) -> bool {
        let role = "operator";
        self.paired.values().any(|device| {
            device.tokens.get(role).is_some_and(|known| {
                device.has_role(role)
                    && known.is_live()
                    && is_same(token, known.token.expose())
                    && known
                        .grant()
                        .granted_by(device.grant(role))
                        .allows(Scope::Read)
            })
        })
    }

    /// Notes that a device asks. A repeat is the same request; a changed one takes its place.
    pub fn request(
        &mut self,
        ask: &Ask,
        now: i64,
        request_id: &str,
    ) -> (Pending, Vec<Pending>, bool) {
        let fresh = pending(
            ask,
            now,
            request_id,
            self.paired.contains_key(&ask.device_id),
        );
        let is_of_role =
            |other: &Pending| other.device_id == ask.device_id && other.role == fresh.role;
        let is_repeat = |other: &Pending| {
            other.public_key == fresh.public_key
                && other.scopes == fresh.scopes
                && other.platform == fresh.platform
                && other.device_family == fresh.device_family
        };
        if let Some(known) = self
            .pending
            .values()
            .find(|other| is_of_role(other) && is_repeat(other))
        {
            return (known.clone(), Vec::new(), false);
        }
        let mut replaced: Vec<String> = self
            .pending
            .values()
            .filter(|other| is_of_role(other))
            .map(|other| other.request_id.clone())
            .collect();
        if replaced.is_empty() && self.pending.len() >= WAITING {
            let oldest = self.pending.values().min_by_key(|other| other.ts);
            replaced.extend(oldest.map(|other| other.request_id.clone()));
        }
        let gone = replaced
            .iter()
            .filter_map(|id| self.pending.remove(id))
            .collect();
        self.pending.insert(fresh.request_id.clone(), fresh.clone());
        (fresh, gone, true)
    }

    /// Approves a request in the name of somebody who holds at least what it grants.
    pub fn approve(
        &mut self,
        request_id: &str,
        by: Scopes,
        now: i64,
    ) -> Result<(Pending, Paired), BookError> {
        let request = self
            .pending
            .get(request_id)
            .ok_or(BookError::UnknownRequest)?
            .clone();
        let ask = Ask::from(&request);
        may_grant(by, &ask.role, ask.wanted())?;
        self.pending.remove(request_id);
        let device = self.admit(&ask, now, None);
        Ok((request, device))
    }

    /// Approves a device without a request, by a rule (`via`) that the caller has checked.
    pub fn admit(&mut self, ask: &Ask, now: i64, via: Option<&str>) -> Paired {
        self.pending.retain(|_, other| {
            other.device_id != ask.device_id || other.roles != [ask.role.clone()]
        });
        let known = self
            .paired
            .remove(&ask.device_id)
            .filter(|device| device.public_key == ask.public_key);
        let mut device = known.unwrap_or_else(|| Paired {
            device_id: ask.device_id.clone(),
            public_key: ask.public_key.clone(),
            display_name: None,
            platform: None,
            device_family: None,
            client_id: None,
            client_mode: None,
            role: None,
            roles: Vec::new(),
            scopes: Vec::new(),
            approved_via: None,
            remote_ip: None,
            tokens: BTreeMap::new(),
            created_at_ms: now,
            approved_at_ms: now,
            last_seen_at_ms: None,
            extra: Map::new(),
        });
        for (slot, value) in [
            (&mut device.display_name, &ask.display_name),
            (&mut device.platform, &ask.platform),
            (&mut device.device_family, &ask.device_family),
            (&mut device.client_id, &ask.client_id),
            (&mut device.client_mode, &ask.client_mode),
            (&mut device.remote_ip, &ask.remote_ip),
        ] {
            if value.is_some() {
                slot.clone_from(value);
            }
        }
        device.role = Some(ask.role.clone());
        if !device.roles.contains(&ask.role) {
            device.roles.push(ask.role.clone());
        }
        let grant = Scopes::named(&device.scopes).union(ask.wanted());
        device.scopes = names(grant);
        device.approved_via = via.map(str::to_owned);
        device.approved_at_ms = now;
        self.paired.insert(ask.device_id.clone(), device.clone());
        device
    }

    /// The token of an approved device for a role: the one it has if that gives enough, else a new one.
    pub fn token(&mut self, ask: &Ask, now: i64, fresh: Secret) -> Option<Token> {
        let device = self.paired.get_mut(&ask.device_id)?;
        let wanted = ask.wanted();
        let grant = device.grant(&ask.role);
        let known = device.tokens.get(&ask.role).filter(|token| token.is_live());
        if let Some(token) = known
            && wanted.is_within(token.grant())
        {
            return Some(token.clone());
        }
        let scopes = known
            .map_or(Scopes::NONE, Token::grant)
            .union(wanted)
            .granted_by(grant);
        let token = Token {
            token: fresh,
            role: ask.role.clone(),
            scopes: names(scopes),
            created_at_ms: device
                .tokens
                .get(&ask.role)
                .map_or(now, |token| token.created_at_ms),
            rotated_at_ms: device.tokens.contains_key(&ask.role).then_some(now),
            revoked_at_ms: None,
            last_used_at_ms: None,
            extra: Map::new(),
        };
        device.tokens.insert(ask.role.clone(), token.clone());
        Some(token)
    }

    /// Turns a request down.
    pub fn reject(&mut self, request_id: &str) -> Result<Pending, BookError> {
        self.pending
            .remove(request_id)
            .ok_or(BookError::UnknownRequest)
    }

    /// Forgets a device and what it asks for.
    pub fn remove(&mut self, device_id: &str) -> Result<Paired, BookError> {
        let device = self
            .paired
            .remove(device_id)
            .ok_or(BookError::UnknownDevice)?;
        self.pending.retain(|_, other| other.device_id != device_id);
        Ok(device)
    }

    /// Gives a device another label.
    pub fn rename(&mut self, device_id: &str, label: &str) -> Result<Paired, BookError> {
        let device = self
            .paired
            .get_mut(device_id)
            .ok_or(BookError::UnknownDevice)?;
        device.display_name = Some(label.trim().to_owned()).filter(|label| !label.is_empty());
        Ok(device.clone())
    }

    /// Replaces a device's token; `scopes` can only be what the device was approved for.
    pub fn rotate(
        &mut self,
        device_id: &str,
        role: &str,
        scopes: Option<&[String]>,
        by: Scopes,
        now: i64,
        fresh: Secret,
    ) -> Result<Token, BookError> {
        let device = self
            .paired
            .get_mut(device_id)
            .filter(|device| device.has_role(role))
            .ok_or(BookError::UnknownRole)?;
        let grant = device.grant(role);
        let known = device.tokens.get(role);
        let scopes = match (scopes, known) {
            (Some(names), _) => Scopes::named(names),
            (None, Some(token)) => token.grant(),
            (None, None) => grant,
        };
        if let Some(beyond) = scopes
            .names()
            .find(|name| Scope::parse(name).is_none_or(|scope| !grant.allows(scope)))
        {
            return Err(BookError::NotApproved(beyond));
        }
        may_grant(by, role, scopes)?;
        let token = Token {
            token: fresh,
            role: role.to_owned(),
            scopes: names(scopes),
            created_at_ms: known.map_or(now, |token| token.created_at_ms),
            rotated_at_ms: Some(now),
            revoked_at_ms: None,
            last_used_at_ms: None,
            extra: Map::new(),
        };
        device.tokens.insert(role.to_owned(), token.clone());
        Ok(token)
    }

    /// Takes a device's token back.
    pub fn revoke(&mut self, device_id: &str, role: &str, now: i64) -> Result<i64, BookError> {
        let token = self
            .paired
            .get_mut(device_id)
            .and_then(|device| device.tokens.get_mut(role))
            .ok_or(BookError::UnknownRole)?;
        Ok(*token.revoked_at_ms.get_or_insert(now))
    }

    /// Forgets requests and set-up codes whose time is over.
    pub fn prune(&mut self, now: i64) {
        self.pending.retain(|_, request| is_waiting(request, now));
        self.setups.retain(|setup| setup.is_kept(now));
    }
}

/// Tells whether a request still waits for an answer.
pub fn is_waiting(request: &Pending, now: i64) -> bool {
    now - request.ts < PENDING_MS
}

/// Tells whether somebody may hand out rights: only such as they hold themselves, and a role that is
/// not the operator's only with every right.
pub fn may_grant(by: Scopes, role: &str, scopes: Scopes) -> Result<(), BookError> {
    if role != "operator" && !by.allows(Scope::Admin) {
        return Err(BookError::Missing(Scope::Admin));
    }
    let beyond = Scope::ALL
        .into_iter()
        .find(|scope| scopes.contains(*scope) && !by.allows(*scope));
    beyond.map_or(Ok(()), |scope| Err(BookError::Missing(scope)))
}

impl From<&Pending> for Ask {
    fn from(request: &Pending) -> Self {
        Self {
            device_id: request.device_id.clone(),
            public_key: request.public_key.clone(),
            role: request
                .role
                .clone()
                .or_else(|| request.roles.first().cloned())
                .unwrap_or_else(|| "operator".to_owned()),
            scopes: request.scopes.clone(),
            display_name: request.display_name.clone(),
            platform: request.platform.clone(),
            device_family: request.device_family.clone(),
            client_id: request.client_id.clone(),
            client_mode: request.client_mode.clone(),
            remote_ip: request.remote_ip.clone(),
            is_pinned: false,
        }
    }
}

fn pending(ask: &Ask, now: i64, request_id: &str, is_known: bool) -> Pending {
    Pending {
        request_id: request_id.to_owned(),
        device_id: ask.device_id.clone(),
        public_key: ask.public_key.clone(),
        display_name: ask.display_name.clone(),
        platform: ask.platform.clone(),
        device_family: ask.device_family.clone(),
        client_id: ask.client_id.clone(),
        client_mode: ask.client_mode.clone(),
        role: Some(ask.role.clone()),
        roles: vec![ask.role.clone()],
        scopes: names(ask.wanted()),
        remote_ip: ask.remote_ip.clone(),
        is_repair: Some(is_known),
        ts: now,
        extra: Map::new(),
    }
}

fn names(scopes: Scopes) -> Vec<String> {
    scopes.names().map(str::to_owned).collect()
}
