//! A device's key: what it is called, how a signature is checked, and the file in which this host keeps its own.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openclaw_protocol::device::Layout;
use openclaw_protocol::device::SignedFacts;
use ring::signature::ED25519;
use ring::signature::Ed25519KeyPair;
use ring::signature::KeyPair;
use ring::signature::UnparsedPublicKey;
use serde::Deserialize;
use serde::Serialize;
use sha2::Digest;
use sha2::Sha256;

use super::file;

#[cfg(test)]
mod tests;

/// What stands before the 32 bytes of a public key (SubjectPublicKeyInfo, Ed25519).
const SPKI: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// What stands before the 32 bytes of a private key (PKCS #8, Ed25519).
const PKCS8: &[u8] = &[
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A device's public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads base64 of the raw key, or PEM.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let bytes = if text.starts_with("-----BEGIN") {
            unwrap_pem(text, SPKI)?
        } else {
            decode(text)?
        };
        bytes.try_into().ok().map(Self)
    }

    /// The device's name: SHA-256 of the key, in hex.
    pub fn device_id(&self) -> String {
        Sha256::digest(self.0)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The form in which it is stored and sent.
    pub fn to_base64(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Checks a signature, in either alphabet of base64.
    pub fn verifies(&self, text: &str, signature: &str) -> bool {
        decode(signature).is_some_and(|signature| {
            UnparsedPublicKey::new(&ED25519, self.0)
                .verify(text.as_bytes(), &signature)
                .is_ok()
        })
    }
}

/// This host's key.
pub struct Identity {
    key: Ed25519KeyPair,
    public: PublicKey,
}

/// Why this host has no key.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoChance,
}

/// `identity/device.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    version: u32,
    device_id: String,
    public_key_pem: String,
    private_key_pem: String,
    #[serde(default)]
    created_at_ms: i64,
}

impl Identity {
    /// Reads the key of a file; makes a new one if there is none, or none that is whole.
    pub fn load_or_create(path: &Path, now_ms: i64) -> Result<Self, IdentityError> {
        let failed = |source| IdentityError::File {
            path: path.to_owned(),
            source,
        };
        match fs::read_to_string(path) {
            Ok(text) => {
                if let Some(identity) = Self::parse(&text) {
                    return Ok(identity);
                }
                // Kept: somebody may know another copy of the key by it.
                fs::rename(path, path.with_extension("json.broken")).map_err(failed)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let mut seed = [0u8; 32];
        getrandom::fill(&mut seed).map_err(|_| IdentityError::NoChance)?;
        let identity = Self::from_seed(&seed).ok_or(IdentityError::NoChance)?;
        let stored = Stored {
            version: 1,
            device_id: identity.device_id(),
            public_key_pem: pem("PUBLIC KEY", SPKI, &identity.public.0),
            private_key_pem: pem("PRIVATE KEY", PKCS8, &seed),
            created_at_ms: now_ms,
        };
        file::write_json(path, &stored).map_err(failed)?;
        Ok(identity)
    }

    /// A key from its 32 secret bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        let key = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = PublicKey(key.public_key().as_ref().try_into().ok()?);
        Some(Self { key, public })
    }

    fn parse(text: &str) -> Option<Self> {
        let stored: Stored = serde_json::from_str(text).ok()?;
        let seed: [u8; 32] = unwrap_pem(&stored.private_key_pem, PKCS8)?
            .try_into()
            .ok()?;
        Self::from_seed(&seed)
    }

    /// What the device is called.
    pub fn device_id(&self) -> String {
        self.public.device_id()
    }

    /// Its public key.
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    /// Signs the facts of a request to connect.
    pub fn sign(&self, facts: &SignedFacts<'_>, layout: Layout) -> String {
        let text = facts.text(layout);
        URL_SAFE_NO_PAD.encode(self.key.sign(text.as_bytes()).as_ref())
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// Base64 in either alphabet, with padding or without.
fn decode(text: &str) -> Option<Vec<u8>> {
    let plain: String = text
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '+' => '-',
            '/' => '_',
            c => c,
        })
        .collect();
    URL_SAFE_NO_PAD.decode(plain).ok()
}

/// The 32 bytes behind a fixed prefix. Private keys may carry their public half after them.
fn unwrap_pem(text: &str, prefix: &[u8]) -> Option<Vec<u8>> {
    let body: String = text
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    let der = STANDARD.decode(body).ok()?;
    // Only the lengths and the version differ between the two forms of PKCS #8.
    let at = prefix.len();
    let is_known = match der.get(..at)? {
        head if head == prefix => true,
        head => prefix == PKCS8 && head.get(5..) == prefix.get(5..),
    };
    is_known.then(|| der.get(at..at + 32).map(<[u8]>::to_vec))?
}

fn pem(label: &str, prefix: &[u8], key: &[u8; 32]) -> String {
    let body = STANDARD.encode([prefix, key].concat());
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}
