use base64::Engine;
use openclaw_protocol::device::Layout;
use openclaw_protocol::device::SignedFacts;

use super::Identity;
use super::PublicKey;

/// RFC 8032 §7.1, test 1.
const SEED: [u8; 32] = [
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
    0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];

fn facts<'a>(scopes: &'a [String], id: &'a str) -> SignedFacts<'a> {
    SignedFacts {
        device_id: id,
        client_id: "cli",
        client_mode: "cli",
        role: "operator",
        scopes,
        signed_at: 1,
        token: "",
        nonce: "n",
        platform: "linux",
        device_family: "",
    }
}

#[test]
fn the_public_key_follows_from_the_seed() {
    let identity = Identity::from_seed(&SEED).unwrap();
    let expected = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let hex: String = identity
        .public_key()
        .0
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hex, expected);
    assert_eq!(identity.device_id().len(), 64);
}

#[test]
fn a_signature_holds_for_its_text_and_key_only() {
    let identity = Identity::from_seed(&SEED).unwrap();
    let (id, scopes) = (identity.device_id(), ["operator.read".to_owned()]);
    let facts = facts(&scopes, &id);
    let signature = identity.sign(&facts, Layout::V3);
    let key = identity.public_key();
    assert!(key.verifies(&facts.text(Layout::V3), &signature));
    assert!(!key.verifies(&facts.text(Layout::V2), &signature));
    let other = Identity::from_seed(&[7; 32]).unwrap().public_key();
    assert!(!other.verifies(&facts.text(Layout::V3), &signature));
    // The other alphabet, as some clients encode.
    let raw = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(&signature)
        .unwrap();
    let standard = base64::engine::general_purpose::STANDARD.encode(raw);
    assert!(key.verifies(&facts.text(Layout::V3), &standard));
    for junk in ["", "====", "not base64 §", "AAAA"] {
        assert!(!key.verifies(&facts.text(Layout::V3), junk), "{junk}");
    }
}

#[test]
fn a_key_is_read_raw_and_as_pem() {
    let identity = Identity::from_seed(&SEED).unwrap();
    let key = identity.public_key();
    assert_eq!(PublicKey::parse(&key.to_base64()), Some(key));
    let pem = super::pem("PUBLIC KEY", super::SPKI, &key.0);
    assert_eq!(PublicKey::parse(&pem), Some(key));
    for junk in [
        "",
        "AAAA",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
    ] {
        assert_eq!(PublicKey::parse(junk), None, "{junk}");
    }
}

#[test]
fn a_host_keeps_its_key_and_sets_a_broken_file_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("identity").join("device.json");
    let first = Identity::load_or_create(&path, 5).unwrap().device_id();
    assert_eq!(
        Identity::load_or_create(&path, 6).unwrap().device_id(),
        first
    );
    let stored: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(stored["version"], 1);
    assert_eq!(stored["deviceId"], first);
    assert_eq!(stored["createdAtMs"], 5);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    std::fs::write(&path, "{").unwrap();
    assert_ne!(
        Identity::load_or_create(&path, 7).unwrap().device_id(),
        first
    );
    assert!(path.with_extension("json.broken").exists());
}
