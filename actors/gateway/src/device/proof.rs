//! Checks that whoever connects holds the key it names, now and for this connection.

use std::collections::HashMap;

use openclaw_protocol::ConnectParams;
use openclaw_protocol::Protocol;
use openclaw_protocol::connect::DeviceClaim;
use openclaw_protocol::device::Layout;
use openclaw_protocol::device::SignedFacts;

use super::identity::PublicKey;

/// How far a client's clock may be off: earlier clients sign their own time, later ones the challenge's.
const EARLY_SKEW_MS: i64 = 10 * 60 * 1000;
const LATE_SKEW_MS: i64 = 2 * 60 * 1000;

/// Devices whose last nonce-less signature is remembered.
const REMEMBERED: usize = 1024;

/// Why a proof is no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProofFailure {
    /// The key can't be read.
    PublicKey,
    /// The name is not that of the key.
    DeviceId,
    /// Signed too long ago, or in the future, or used before.
    Stale,
    /// The challenge's nonce is not there.
    NonceMissing,
    /// It is the nonce of another challenge.
    NonceMismatch,
    /// The signature is not over what was said, or not by that key.
    Signature,
}

impl ProofFailure {
    /// What is said.
    pub fn message(self) -> &'static str {
        match self {
            Self::PublicKey => "device public key invalid",
            Self::DeviceId => "device identity mismatch",
            Self::Stale => "device signature expired",
            Self::NonceMissing => "device nonce required",
            Self::NonceMismatch => "device nonce mismatch",
            Self::Signature => "device signature invalid",
        }
    }

    /// The code and the reason for programs.
    pub fn code(self) -> (&'static str, &'static str) {
        match self {
            Self::PublicKey => ("DEVICE_AUTH_PUBLIC_KEY_INVALID", "device-public-key"),
            Self::DeviceId => ("DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch"),
            Self::Stale => ("DEVICE_AUTH_SIGNATURE_EXPIRED", "device-signature-stale"),
            Self::NonceMissing => ("DEVICE_AUTH_NONCE_REQUIRED", "device-nonce-missing"),
            Self::NonceMismatch => ("DEVICE_AUTH_NONCE_MISMATCH", "device-nonce-mismatch"),
            Self::Signature => ("DEVICE_AUTH_SIGNATURE_INVALID", "device-signature"),
        }
    }
}

/// The challenge a connection was given, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Challenge<'a> {
    /// The nonce.
    pub nonce: &'a str,
    /// What the client speaks.
    pub version: Protocol,
    /// Whether it comes straight from this machine: early clients there may have missed the nonce.
    pub is_direct: bool,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
}

/// Signatures without a nonce could be shown again; each must be newer than the one before it.
#[derive(Debug, Default)]
pub struct Replays {
    last: HashMap<String, i64>,
}

impl Replays {
    fn is_newer(&mut self, device_id: &str, signed_at: i64, now_ms: i64) -> bool {
        self.last
            .retain(|_, at| (now_ms - *at).abs() <= EARLY_SKEW_MS);
        let is_full = self.last.len() >= REMEMBERED && !self.last.contains_key(device_id);
        if is_full
            || self
                .last
                .get(device_id)
                .is_some_and(|last| signed_at <= *last)
        {
            return false;
        }
        self.last.insert(device_id.to_owned(), signed_at);
        true
    }
}

/// Checks a claim; the key it proves.
pub fn check(
    params: &ConnectParams,
    claim: &DeviceClaim,
    challenge: &Challenge<'_>,
    replays: &mut Replays,
) -> Result<PublicKey, ProofFailure> {
    let key = PublicKey::parse(&claim.public_key).ok_or(ProofFailure::PublicKey)?;
    if key.device_id() != claim.id {
        return Err(ProofFailure::DeviceId);
    }
    let skew = match challenge.version {
        Protocol::V3 => EARLY_SKEW_MS,
        Protocol::V4 => LATE_SKEW_MS,
    };
    let is_fresh = challenge
        .now_ms
        .checked_sub(claim.signed_at)
        .is_some_and(|off| off.unsigned_abs() <= skew.unsigned_abs());
    if !is_fresh {
        return Err(ProofFailure::Stale);
    }
    let layouts: &[Layout] = match claim.nonce.as_deref() {
        Some(nonce) if nonce == challenge.nonce => &[Layout::V3, Layout::V2],
        Some(_) => return Err(ProofFailure::NonceMismatch),
        None if challenge.version == Protocol::V3 && challenge.is_direct => &[Layout::V1],
        None => return Err(ProofFailure::NonceMissing),
    };
    let facts = SignedFacts::of(params, claim);
    let is_signed = layouts
        .iter()
        .any(|layout| key.verifies(&facts.text(*layout), &claim.signature));
    if !is_signed {
        return Err(ProofFailure::Signature);
    }
    if claim.nonce.is_none() && !replays.is_newer(&claim.id, claim.signed_at, challenge.now_ms) {
        return Err(ProofFailure::Stale);
    }
    Ok(key)
}
