//! A device with a key of its own, as clients are.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openclaw_protocol::ConnectParams;
use openclaw_protocol::device::Layout;
use openclaw_protocol::device::SignedFacts;
use ring::signature::Ed25519KeyPair;
use ring::signature::KeyPair;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

/// A device; what it says when it connects can be altered.
#[derive(Debug, Clone)]
pub struct Device {
    key: Arc<Ed25519KeyPair>,
    /// Its name.
    pub id: String,
    /// Which text it signs.
    pub layout: Layout,
    /// Added to the challenge's time.
    pub skew_ms: i64,
    /// In place of the challenge's nonce; `Some(None)` shows none at all.
    pub nonce: Option<Option<String>>,
    /// Signs something else.
    pub is_forged: bool,
}

impl Device {
    /// The device of a number; the same number is the same device.
    pub fn new(number: u8) -> Self {
        let key = Ed25519KeyPair::from_seed_unchecked(&[number; 32]).expect("a key");
        let id = Sha256::digest(key.public_key().as_ref());
        Self {
            id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
            key: Arc::new(key),
            layout: Layout::V3,
            skew_ms: 0,
            nonce: None,
            is_forged: false,
        }
    }

    /// The public key in base64.
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.key.public_key().as_ref())
    }

    /// What it says of itself in `connect`.
    pub fn claim(&self, params: &Value, challenge: &Value) -> Value {
        let nonce = match &self.nonce {
            Some(nonce) => nonce.clone(),
            None => challenge["nonce"].as_str().map(str::to_owned),
        };
        let signed_at = challenge["ts"].as_i64().unwrap_or_default() + self.skew_ms;
        let mut claim = json!({
            "id": self.id, "publicKey": self.public_key(), "signature": "s", "signedAt": signed_at,
        });
        if let Some(nonce) = &nonce {
            claim["nonce"] = json!(nonce);
        }
        let mut whole = params.clone();
        whole["device"] = claim.clone();
        // What isn't fit to be read is not fit to be signed either; the gateway says so.
        if let Ok(params) = ConnectParams::parse(whole)
            && let Some(device) = &params.device
        {
            let mut text = SignedFacts::of(&params, device).text(self.layout);
            if self.is_forged {
                text.push('!');
            }
            let signature = self.key.sign(text.as_bytes());
            claim["signature"] = json!(URL_SAFE_NO_PAD.encode(signature.as_ref()));
        }
        claim
    }
}
