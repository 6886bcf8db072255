use serde_json::json;

use super::Layout;
use super::SignedFacts;
use crate::ConnectParams;

fn params(auth: serde_json::Value) -> ConnectParams {
    ConnectParams::parse(json!({
        "minProtocol": 3, "maxProtocol": 4, "role": "operator",
        "scopes": ["operator.write", "operator.read"],
        "client": {
            "id": "cli", "version": "dev", "mode": "cli",
            "platform": " macOS 15.1 ", "deviceFamily": "Mac",
        },
        "device": {
            "id": "abc", "publicKey": "k", "signature": "s", "signedAt": 1_700_000_000_123_i64,
            "nonce": "n-1",
        },
        "auth": auth,
    }))
    .unwrap()
}

#[test]
fn each_layout_has_its_fields_in_its_order() {
    let params = params(json!({ "token": "tok" }));
    let claim = params.device.clone().unwrap();
    let facts = SignedFacts::of(&params, &claim);
    let common = "abc|cli|cli|operator|operator.write,operator.read|1700000000123|tok";
    assert_eq!(facts.text(Layout::V1), format!("v1|{common}"));
    assert_eq!(facts.text(Layout::V2), format!("v2|{common}|n-1"));
    assert_eq!(
        facts.text(Layout::V3),
        format!("v3|{common}|n-1|macos 15.1|mac")
    );
}

#[test]
fn the_signed_token_is_the_first_that_is_shown() {
    for (auth, expected) in [
        (json!({ "token": "a", "deviceToken": "b" }), "a"),
        (json!({ "deviceToken": "b", "bootstrapToken": "c" }), "b"),
        (json!({ "bootstrapToken": "c", "password": "p" }), "c"),
        (json!({ "token": "", "deviceToken": "b" }), "b"),
        (json!({ "password": "p" }), ""),
    ] {
        assert_eq!(params(auth.clone()).auth.signed_token(), expected, "{auth}");
    }
}
