//! Set-up codes: one string that lets one new device in, once and for a short time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openclaw_protocol::Secret;
use serde::Deserialize;
use serde::Serialize;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

use super::book::Ask;
use super::book::Book;

mod png;
#[cfg(test)]
mod tests;

/// How long a code is good.
pub const SETUP_MS: i64 = 10 * 60 * 1000;

/// How long its outcome can be asked for.
const KEPT_MS: i64 = 60 * 60 * 1000;

/// What a code gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// A phone: a node and an operator without administration.
    Limited,
    /// A machine that is only a node.
    Node,
}

/// A code that was handed out. The token itself is not kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Setup {
    /// Names it.
    pub setup_id: String,
    /// SHA-256 of its token, in hex.
    pub token_hash: String,
    /// What it gives.
    pub profile: Profile,
    /// When its time is over.
    pub expires_at_ms: i64,
    /// The first device that showed it; no other can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// When that device was let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at_ms: Option<i64>,
}

impl Profile {
    /// The name on the wire.
    pub fn access(self) -> &'static str {
        match self {
            Self::Limited => "limited",
            Self::Node => "node",
        }
    }

    /// The roles and rights that it gives.
    pub fn grants(self) -> &'static [(&'static str, &'static [&'static str])] {
        match self {
            Self::Limited => &[
                ("node", &[]),
                (
                    "operator",
                    &[
                        "operator.approvals",
                        "operator.questions",
                        "operator.read",
                        "operator.talk.secrets",
                        "operator.write",
                    ],
                ),
            ],
            Self::Node => &[("node", &[])],
        }
    }

    /// Whether a program is of the kind the code was made for.
    fn fits(self, ask: &Ask) -> bool {
        let client = ask.client_id.as_deref().unwrap_or_default();
        let platform = ask.platform.as_deref().unwrap_or_default().to_lowercase();
        match self {
            Self::Limited => match client {
                "openclaw-ios" => platform.starts_with("ios") || platform.starts_with("ipados"),
                "openclaw-android" => platform.starts_with("android"),
                _ => false,
            },
            Self::Node => client == "node-host",
        }
    }
}

impl Setup {
    /// A code with a fresh token.
    pub fn new(setup_id: &str, token: &Secret, profile: Profile, now: i64) -> Self {
        Self {
            setup_id: setup_id.to_owned(),
            token_hash: hash(token.expose()),
            profile,
            expires_at_ms: now + SETUP_MS,
            device_id: None,
            completed_at_ms: None,
        }
    }

    /// Tells whether it is worth keeping.
    pub fn is_kept(&self, now: i64) -> bool {
        now < self.expires_at_ms + KEPT_MS
    }

    fn is_open(&self, now: i64) -> bool {
        now < self.expires_at_ms && self.completed_at_ms.is_none()
    }
}

impl Book {
    /// The open code of a token, for a device that may use it.
    pub fn setup_of(&self, token: &str, ask: &Ask, now: i64) -> Option<&Setup> {
        let wanted = hash(token);
        self.setups.iter().find(|setup| {
            crate::ingress::auth::is_same(&setup.token_hash, &wanted)
                && setup.is_open(now)
                && setup
                    .device_id
                    .as_ref()
                    .is_none_or(|device| *device == ask.device_id)
                && setup.profile.fits(ask)
                && setup
                    .profile
                    .grants()
                    .iter()
                    .any(|(role, _)| *role == ask.role)
        })
    }

    /// Uses a code up: the device is approved for all that the code gives.
    pub fn redeem(&mut self, setup_id: &str, ask: &Ask, now: i64) -> Option<Profile> {
        let setup = self
            .setups
            .iter_mut()
            .find(|setup| setup.setup_id == setup_id && setup.is_open(now))?;
        setup.device_id = Some(ask.device_id.clone());
        setup.completed_at_ms = Some(now);
        let profile = setup.profile;
        for (role, scopes) in profile.grants() {
            let granted = Ask {
                role: (*role).to_owned(),
                scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
                ..ask.clone()
            };
            self.admit(&granted, now, Some("bootstrap"));
        }
        Some(profile)
    }
}

/// The code: what a phone needs to find the gateway and to be let in once.
pub fn code(url: &str, token: &Secret, expires_at_ms: i64) -> String {
    let content = json!({
        "url": url, "bootstrapToken": token.expose(), "expiresAtMs": expires_at_ms,
    });
    URL_SAFE_NO_PAD.encode(content.to_string())
}

/// A QR code as dark and light modules, row by row; `None` when the text is too long for one.
pub fn qr(text: &str) -> Option<(usize, Vec<bool>)> {
    let code = qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::L).ok()?;
    let dark = code
        .to_colors()
        .into_iter()
        .map(|color| color == qrcode::Color::Dark)
        .collect();
    Some((code.width(), dark))
}

/// A QR code as a picture in a URL.
pub fn qr_data_url(text: &str) -> Option<String> {
    let (width, dark) = qr(text)?;
    let picture = png::modules(width, &dark)?;
    Some(format!(
        "data:image/png;base64,{}",
        STANDARD.encode(picture)
    ))
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
