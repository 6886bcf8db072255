//! What is stored of a device, in the words of existing installations. Fields of other versions are kept.

use std::collections::BTreeMap;

use openclaw_protocol::Scopes;
use openclaw_protocol::Secret;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// How long a request to be paired waits for an answer.
pub const PENDING_MS: i64 = 5 * 60 * 1000;

/// An approved device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Paired {
    /// SHA-256 of its key, in hex.
    pub device_id: String,
    /// Its key, in base64.
    pub public_key: String,
    /// A label for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Its platform, pinned by the approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// What sort of device it is, pinned by the approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_family: Option<String>,
    /// The program it last asked with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// That program's class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_mode: Option<String>,
    /// The role it last asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The roles it may act in.
    #[serde(default)]
    pub roles: Vec<String>,
    /// What it may do as an operator.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// How it was approved: `silent`, `bootstrap`, …; absent when a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_via: Option<String>,
    /// Where it last asked from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_ip: Option<String>,
    /// Its tokens, by role.
    #[serde(default)]
    pub tokens: BTreeMap<String, Token>,
    /// When it was first approved.
    #[serde(default)]
    pub created_at_ms: i64,
    /// When it was last approved.
    #[serde(default)]
    pub approved_at_ms: i64,
    /// When it was last here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at_ms: Option<i64>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A device's token for one role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// The token.
    #[serde(with = "exposed")]
    pub token: Secret,
    /// The role.
    pub role: String,
    /// What it gives.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// When it was made.
    #[serde(default)]
    pub created_at_ms: i64,
    /// When it was replaced by a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_at_ms: Option<i64>,
    /// When it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at_ms: Option<i64>,
    /// When it last let somebody in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at_ms: Option<i64>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A device that asks to be let in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// Names the request.
    pub request_id: String,
    /// The device.
    pub device_id: String,
    /// Its key, in base64.
    pub public_key: String,
    /// A label for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Its platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// What sort of device it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_family: Option<String>,
    /// The program it asks with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// That program's class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_mode: Option<String>,
    /// The role it asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The same as a list.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The rights it asks for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Where it asks from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_ip: Option<String>,
    /// Whether it was known already and asks for more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_repair: Option<bool>,
    /// When it asked.
    pub ts: i64,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Paired {
    /// Tells whether it may act in a role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role) || self.role.as_deref() == Some(role)
    }

    /// What it may do in a role.
    pub fn grant(&self, role: &str) -> Scopes {
        match role {
            "operator" => Scopes::named(&self.scopes),
            _ => Scopes::NONE,
        }
    }

    /// The record as clients see it: summaries in place of the tokens.
    pub fn redacted(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Value::Object(value) = &mut value {
            let tokens = self.tokens.values().map(Token::summary).collect();
            value.insert("tokens".to_owned(), Value::Array(tokens));
        }
        value
    }
}

impl Token {
    /// Tells whether it can still be used.
    pub fn is_live(&self) -> bool {
        self.revoked_at_ms.is_none() && !self.token.is_empty()
    }

    /// What it gives.
    pub fn grant(&self) -> Scopes {
        Scopes::named(&self.scopes)
    }

    /// Since when this very token is good.
    pub fn issued_at_ms(&self) -> i64 {
        self.rotated_at_ms.unwrap_or(self.created_at_ms)
    }

    fn summary(&self) -> Value {
        let mut value = json!({
            "role": self.role, "scopes": self.scopes, "createdAtMs": self.created_at_ms,
        });
        let times = [
            ("rotatedAtMs", self.rotated_at_ms),
            ("revokedAtMs", self.revoked_at_ms),
            ("lastUsedAtMs", self.last_used_at_ms),
        ];
        if let Value::Object(value) = &mut value {
            for (name, at) in times {
                if let Some(at) = at {
                    value.insert(name.to_owned(), at.into());
                }
            }
        }
        value
    }
}

/// Tokens stand in their file as they are: clients keep theirs the same way.
mod exposed {
    use openclaw_protocol::Secret;
    use serde::Deserialize;
    use serde::Deserializer;
    use serde::Serializer;

    pub(super) fn serialize<S: Serializer>(
        secret: &Secret,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Secret, D::Error> {
        Secret::deserialize(deserializer)
    }
}
