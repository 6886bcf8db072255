//! What a device signs when it connects, as text. The signature itself is made and checked elsewhere.

use crate::ConnectParams;
use crate::Secret;
use crate::connect::DeviceClaim;

#[cfg(test)]
mod tests;

/// A layout of the signed text. Which are accepted depends on what the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Without the challenge's nonce.
    V1,
    /// With the nonce.
    V2,
    /// With the nonce, the platform and the device family.
    V3,
}

/// The facts a device puts its name to.
#[derive(Debug, Clone, Copy)]
pub struct SignedFacts<'a> {
    /// SHA-256 of the key, in hex.
    pub device_id: &'a str,
    /// The product.
    pub client_id: &'a str,
    /// Its class.
    pub client_mode: &'a str,
    /// `operator` or `node`.
    pub role: &'a str,
    /// The rights it asks for, in the order of the request.
    pub scopes: &'a [String],
    /// When, in milliseconds since 1970.
    pub signed_at: i64,
    /// The token it shows; a password is never part of it.
    pub token: &'a str,
    /// The challenge's nonce.
    pub nonce: &'a str,
    /// Its platform.
    pub platform: &'a str,
    /// What sort of device it is.
    pub device_family: &'a str,
}

impl<'a> SignedFacts<'a> {
    /// The facts of a request to connect.
    pub fn of(params: &'a ConnectParams, claim: &'a DeviceClaim) -> Self {
        Self {
            device_id: &claim.id,
            client_id: &params.client.id,
            client_mode: &params.client.mode,
            role: &params.role,
            scopes: &params.scopes,
            signed_at: claim.signed_at,
            token: params.auth.signed_token(),
            nonce: claim.nonce.as_deref().unwrap_or_default(),
            platform: &params.client.platform,
            device_family: params.client.device_family.as_deref().unwrap_or_default(),
        }
    }

    /// The text that is signed: the facts joined with `|`, nothing escaped.
    pub fn text(&self, layout: Layout) -> String {
        let scopes = self.scopes.join(",");
        let signed_at = self.signed_at.to_string();
        let name = match layout {
            Layout::V1 => "v1",
            Layout::V2 => "v2",
            Layout::V3 => "v3",
        };
        let mut fields = vec![
            name,
            self.device_id,
            self.client_id,
            self.client_mode,
            self.role,
            &scopes,
            &signed_at,
            self.token,
        ];
        let (platform, family) = (plain(self.platform), plain(self.device_family));
        if layout != Layout::V1 {
            fields.push(self.nonce);
        }
        if layout == Layout::V3 {
            fields.extend([platform.as_str(), family.as_str()]);
        }
        fields.join("|")
    }
}

impl crate::connect::Credentials {
    /// The token that is part of what a device signs.
    pub fn signed_token(&self) -> &str {
        [&self.token, &self.device_token, &self.bootstrap_token]
            .into_iter()
            .flatten()
            .map(Secret::expose)
            .find(|token| !token.is_empty())
            .unwrap_or_default()
    }
}

/// Platforms and families as they are compared and signed: without blanks around them, ASCII in lower case.
pub fn plain(text: &str) -> String {
    text.trim().to_ascii_lowercase()
}
