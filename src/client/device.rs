//! This host as a device: its key, and the tokens that gateways gave it. The files are those of existing installations.

use std::collections::BTreeMap;
use std::path::PathBuf;

use openclaw_gateway::device::identity::Identity;
use openclaw_gateway::paths::Paths;
use openclaw_protocol::Secret;
use openclaw_protocol::device::Layout;
use openclaw_protocol::device::SignedFacts;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::render;

/// The role in which the command line connects.
pub(super) const ROLE: &str = "operator";

/// Where a host keeps its key and its tokens.
#[derive(Clone, Debug)]
pub(crate) struct DeviceFiles {
    identity: PathBuf,
    tokens: PathBuf,
    /// Whether the gateway's token may stand in for a secret that is wrong or not known. Not for
    /// one that somebody typed: they want to know whether it is right, and the address may be another's.
    may_stand_in: bool,
}

/// This host, when it has a key.
#[derive(Debug)]
pub(super) struct HostDevice {
    identity: Identity,
    id: String,
    tokens_file: PathBuf,
    tokens: Tokens,
    may_stand_in: bool,
}

/// `identity/device-auth.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    #[serde(default)]
    version: u32,
    #[serde(default)]
    device_id: String,
    #[serde(default)]
    tokens: BTreeMap<String, Map<String, Value>>,
}

impl DeviceFiles {
    pub(crate) fn of(paths: &Paths, may_stand_in: bool) -> Self {
        Self {
            may_stand_in,
            identity: paths.identity_file(),
            tokens: paths.identity_tokens_file(),
        }
    }
}

impl HostDevice {
    /// Reads the key, or makes one. Without one the client still connects, by the secret alone.
    pub(super) fn load(files: &DeviceFiles) -> Option<Self> {
        let identity = match Identity::load_or_create(&files.identity, render::now_ms()) {
            Ok(identity) => identity,
            Err(error) => {
                tracing::debug!(%error, "this host has no key");
                return None;
            }
        };
        let id = identity.device_id();
        let text = std::fs::read_to_string(&files.tokens).unwrap_or_default();
        let tokens: Tokens = serde_json::from_str(&text).unwrap_or_default();
        // Tokens of another key are of no use, and would only be refused.
        let tokens = if tokens.device_id == id {
            tokens
        } else {
            Tokens::default()
        };
        Some(Self {
            identity,
            id,
            tokens_file: files.tokens.clone(),
            tokens,
            may_stand_in: files.may_stand_in,
        })
    }

    /// The token that may stand in for the operator's secret.
    pub(super) fn stand_in(&self) -> Option<Secret> {
        self.token().filter(|_| self.may_stand_in)
    }

    /// The token that a gateway gave this host.
    fn token(&self) -> Option<Secret> {
        let token = self.tokens.tokens.get(ROLE)?.get("token")?.as_str()?;
        (!token.is_empty()).then(|| Secret::from(token))
    }

    /// What this host says of itself in answer to a challenge.
    pub(super) fn claim(
        &self,
        client: &Value,
        scopes: &[&str],
        token: &str,
        challenge: &Value,
    ) -> Value {
        let text = |value: &Value, name: &str| {
            let text = value.get(name).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let nonce = text(challenge, "nonce");
        let signed_at = challenge.get("ts").and_then(Value::as_i64);
        let signed_at = signed_at.unwrap_or_else(render::now_ms);
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let facts = SignedFacts {
            device_id: &self.id,
            client_id: &text(client, "id"),
            client_mode: &text(client, "mode"),
            role: ROLE,
            scopes: &scopes,
            signed_at,
            token,
            nonce: &nonce,
            platform: "",
            device_family: "",
        };
        // The layout that gateways of both generations take.
        let signature = self.identity.sign(&facts, Layout::V2);
        json!({
            "id": self.id,
            "publicKey": self.identity.public_key().to_base64(),
            "signature": signature,
            "signedAt": signed_at,
            "nonce": nonce,
        })
    }

    /// Keeps the token of a greeting for the next time.
    pub(super) fn remember(&mut self, hello: &Value) {
        let Some(auth) = hello.get("auth") else {
            return;
        };
        let Some(token) = auth.get("deviceToken").and_then(Value::as_str) else {
            return;
        };
        let known = self.token();
        if known.is_some_and(|known| known.expose() == token) {
            return;
        }
        let mut entry = Map::new();
        entry.insert("token".into(), token.into());
        entry.insert("role".into(), ROLE.into());
        let scopes = auth.get("scopes").cloned().unwrap_or_else(|| json!([]));
        entry.insert("scopes".into(), scopes);
        entry.insert("updatedAtMs".into(), render::now_ms().into());
        self.tokens.version = 1;
        self.tokens.device_id.clone_from(&self.id);
        self.tokens.tokens.insert(ROLE.to_owned(), entry);
        if let Err(error) = openclaw_gateway::device::write_private(&self.tokens_file, &self.tokens)
        {
            tracing::debug!(%error, "the gateway's token was not kept");
        }
    }
}
