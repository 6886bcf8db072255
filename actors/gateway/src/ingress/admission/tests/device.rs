//! Devices at the door: what is signed, which token counts, and who may be approved without asking.

use openclaw_protocol::Secret;
use openclaw_protocol::device::Layout;
use openclaw_support::device::Device;
use serde_json::Value;
use serde_json::json;

use super::Caller;
use super::NOW;
use super::TOKEN;
use crate::device::book::Ask;
use crate::device::enter::Entry;
use crate::ingress::admission::Admission;
use crate::ingress::admission::Refusal;
use crate::ingress::auth::Proof;
use crate::ingress::limiter::TRIES;
use crate::ingress::origin::OriginPass;

/// A request of protocol 3.
fn early(auth: Value) -> Value {
    json!({ "minProtocol": 3, "maxProtocol": 3, "auth": auth })
}

fn entered(outcome: Result<Admission, Refusal>) -> (Proof, Entry) {
    match outcome.unwrap() {
        Admission::Device { principal, entry } => (principal.verified.proof(), *entry),
        Admission::Ready(principal) => panic!("admitted without its device: {principal:?}"),
    }
}

/// Message and `details.code`.
fn refused(outcome: Result<Admission, Refusal>) -> (String, String) {
    let error = *outcome.unwrap_err().error;
    let code = error.details.unwrap_or_default()["code"].clone();
    (error.message, code.as_str().unwrap_or_default().to_owned())
}

/// Pairs a device and gives it a token.
fn pair(caller: &mut Caller, device: &Device, scopes: &[&str]) {
    let ask = Ask {
        device_id: device.id.clone(),
        public_key: device.public_key(),
        role: "operator".to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        platform: Some("linux".to_owned()),
        ..Ask::default()
    };
    caller.book.admit(&ask, NOW, None);
    caller.book.token(&ask, NOW, Secret::from("devtok"));
}

#[test]
fn each_generation_signs_in_its_layouts() {
    let nonce = |device: &Device, layout, with_nonce: bool| {
        let mut device = device.clone();
        device.layout = layout;
        device.nonce = (!with_nonce).then_some(None);
        device
    };
    let device = Device::new(1);
    let table = [
        (3, Layout::V2, true, true),
        (3, Layout::V3, true, true),
        (3, Layout::V1, true, false),
        (3, Layout::V1, false, true),
        (4, Layout::V2, true, true),
        (4, Layout::V3, true, true),
        (4, Layout::V1, true, false),
        (4, Layout::V1, false, false),
    ];
    for (version, layout, with_nonce, is_good) in table {
        let device = nonce(&device, layout, with_nonce);
        let change = json!({ "minProtocol": version, "maxProtocol": version });
        let outcome = Caller::new().by(&device, change);
        assert_eq!(
            outcome.is_ok(),
            is_good,
            "protocol {version}, {layout:?}, nonce {with_nonce}: {outcome:?}"
        );
    }
    // From elsewhere a nonce is always needed.
    let device = nonce(&device, Layout::V1, false);
    let mut caller = Caller::new();
    caller.is_direct = false;
    let (message, _) = refused(caller.by(&device, early(json!({ "token": TOKEN }))));
    assert_eq!(message, "device nonce required");
}

#[test]
fn a_proof_that_fails_is_refused_by_name_and_before_any_pairing() {
    let alter = |change: &dyn Fn(&mut Device)| {
        let mut device = Device::new(1);
        change(&mut device);
        refused(Caller::new().by(&device, json!({})))
    };
    type Flaw<'a> = &'a dyn Fn(&mut Device);
    let table: [(Flaw<'_>, &str, &str); 6] = [
        (
            &|d| d.is_forged = true,
            "device signature invalid",
            "DEVICE_AUTH_SIGNATURE_INVALID",
        ),
        (
            &|d| d.nonce = Some(Some("another".to_owned())),
            "device nonce mismatch",
            "DEVICE_AUTH_NONCE_MISMATCH",
        ),
        (
            &|d| d.nonce = Some(None),
            "device nonce required",
            "DEVICE_AUTH_NONCE_REQUIRED",
        ),
        (
            &|d| d.skew_ms = -121_000,
            "device signature expired",
            "DEVICE_AUTH_SIGNATURE_EXPIRED",
        ),
        (
            &|d| d.skew_ms = 121_000,
            "device signature expired",
            "DEVICE_AUTH_SIGNATURE_EXPIRED",
        ),
        (
            &|d| d.id = "0".repeat(64),
            "device identity mismatch",
            "DEVICE_AUTH_DEVICE_ID_MISMATCH",
        ),
    ];
    for (change, message, code) in table {
        assert_eq!(alter(change), (message.to_owned(), code.to_owned()));
    }
    let key =
        json!({ "id": "d", "publicKey": "k", "signature": "s", "signedAt": NOW, "nonce": "n" });
    let (_, code) = refused(Caller::new().knock(json!({ "device": key })));
    assert_eq!(code, "DEVICE_AUTH_PUBLIC_KEY_INVALID");
    // Earlier clients sign their own clock, which may be off by minutes.
    let mut device = Device::new(1);
    device.skew_ms = 9 * 60_000;
    assert!(
        Caller::new()
            .by(&device, early(json!({ "token": TOKEN })))
            .is_ok()
    );
    device.skew_ms = 11 * 60_000;
    assert!(
        Caller::new()
            .by(&device, early(json!({ "token": TOKEN })))
            .is_err()
    );
}

#[test]
fn a_signature_without_a_nonce_counts_once() {
    let mut caller = Caller::new();
    let mut device = Device::new(1);
    device.layout = Layout::V1;
    device.nonce = Some(None);
    assert!(caller.by(&device, early(json!({ "token": TOKEN }))).is_ok());
    let (message, _) = refused(caller.by(&device, early(json!({ "token": TOKEN }))));
    assert_eq!(message, "device signature expired");
}

#[test]
fn what_was_signed_can_not_be_changed_afterwards() {
    let device = Device::new(1);
    let signed = super::params(&json!({}));
    let claim = device.claim(&signed, &json!({ "nonce": super::NONCE, "ts": NOW }));
    for change in [
        json!({ "scopes": ["operator.admin"] }),
        json!({ "role": "node" }),
        json!({ "auth": { "token": TOKEN, "deviceToken": "x" }, "scopes": [] }),
        json!({ "client": { "id": "test", "version": "1", "platform": "linux", "mode": "cli" } }),
    ] {
        let mut forged = change.clone();
        forged["device"] = claim.clone();
        let (message, _) = refused(Caller::new().knock(forged));
        assert_eq!(message, "device signature invalid", "{change}");
    }
}

#[test]
fn a_device_token_lets_in_without_the_secret_and_costs_no_try() {
    let device = Device::new(1);
    let mut caller = Caller::new();
    pair(&mut caller, &device, &["operator.read"]);
    // Earlier clients show it in the place of the shared token, again and again.
    for _ in 0..2 * TRIES {
        let (proof, entry) = entered(caller.by(&device, early(json!({ "token": "devtok" }))));
        assert_eq!(proof, Proof::DeviceToken);
        assert_eq!(entry.silent, None);
    }
    let (proof, _) = entered(caller.by(&device, json!({ "auth": { "deviceToken": "devtok" } })));
    assert_eq!(proof, Proof::DeviceToken);
    assert_eq!(caller.limiter.total(), 0);
}

#[test]
fn a_wrong_device_token_is_a_guess_at_what_it_may_be() {
    let device = Device::new(1);
    let mut caller = Caller::new();
    pair(&mut caller, &device, &["operator.read"]);
    let outcome = caller.by(&device, json!({ "auth": { "deviceToken": "no" } }));
    assert_eq!(refused(outcome).1, "AUTH_DEVICE_TOKEN_MISMATCH");
    assert_eq!(caller.limiter.total(), 1);
    let outcome = caller.by(&device, json!({ "auth": { "token": "no" } }));
    assert_eq!(refused(outcome).1, "AUTH_TOKEN_MISMATCH");
    assert_eq!(caller.limiter.total(), 3);
    let more = json!({ "auth": { "deviceToken": "devtok" }, "scopes": ["operator.admin"] });
    assert_eq!(refused(caller.by(&device, more)).1, "AUTH_SCOPE_MISMATCH");
    let node = json!({ "auth": { "deviceToken": "devtok" }, "role": "node", "scopes": [] });
    assert_eq!(
        refused(caller.by(&device, node)).1,
        "AUTH_DEVICE_TOKEN_MISMATCH"
    );
    let other = caller.by(
        &Device::new(2),
        json!({ "auth": { "deviceToken": "devtok" } }),
    );
    assert_eq!(refused(other).1, "AUTH_DEVICE_TOKEN_MISMATCH");
}

#[test]
fn ever_new_devices_buy_no_tries_at_the_shared_secret() {
    let mut caller = Caller::new();
    let mut looked_at = 0;
    for number in 0..30 {
        let outcome = caller.by(
            &Device::new(number),
            json!({ "auth": { "token": "wrong" } }),
        );
        looked_at += usize::from(refused(outcome).1 == "AUTH_TOKEN_MISMATCH");
    }
    assert_eq!(looked_at, TRIES);
    let outcome = caller.by(&Device::new(77), json!({}));
    assert_eq!(refused(outcome).1, "AUTH_RATE_LIMITED");
    // A signature that fails hides no guess.
    let mut caller = Caller::new();
    let mut forged = Device::new(1);
    forged.is_forged = true;
    assert!(
        caller
            .by(&forged, json!({ "auth": { "token": "wrong" } }))
            .is_err()
    );
    assert_eq!(caller.limiter.total(), 1);
}

#[test]
fn only_the_secret_and_this_machine_together_approve_without_asking() {
    let device = Device::new(1);
    let silent = |caller: &mut Caller, change| entered(caller.by(&device, change)).1.silent;
    assert_eq!(silent(&mut Caller::new(), json!({})), Some("silent"));
    let mut elsewhere = Caller::new();
    elsewhere.is_direct = false;
    assert_eq!(silent(&mut elsewhere, json!({})), None);
    let mut by_token = Caller::new();
    pair(&mut by_token, &device, &["operator.read"]);
    let change = json!({ "auth": { "deviceToken": "devtok" } });
    assert_eq!(silent(&mut by_token, change), None);
    // A page that is no page of ours gets no further than its origin, and no device of its own.
    let mut page = Caller::page(OriginPass::Listed);
    assert_eq!(silent(&mut page, json!({})), None);
}

#[test]
fn later_clients_without_a_device_keep_rights_only_where_the_operator_works() {
    let scopes = |caller: &mut Caller, change: Value| {
        let principal = caller.connect(change).unwrap();
        principal.scopes.names().count()
    };
    let client = |id: &str, mode: &str| json!({ "client": super::client(id, mode) });
    assert_eq!(scopes(&mut Caller::new(), json!({})), 1);
    let backend = client("gateway-client", "backend");
    assert_eq!(scopes(&mut Caller::new(), backend.clone()), 1);
    assert_eq!(
        scopes(&mut Caller::new(), client("openclaw-probe", "probe")),
        0
    );
    assert_eq!(scopes(&mut Caller::new(), client("openclaw-ios", "ui")), 0);
    let mut elsewhere = Caller::new();
    elsewhere.is_direct = false;
    assert_eq!(scopes(&mut elsewhere, backend), 0);
    // Earlier ones have no other way.
    let mut early = early(json!({ "token": TOKEN }));
    early["client"] = super::client("openclaw-probe", "probe");
    assert_eq!(scopes(&mut elsewhere, early), 1);
}
