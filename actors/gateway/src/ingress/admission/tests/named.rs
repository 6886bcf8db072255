//! Callers whom somebody else names: a trusted proxy, or Tailscale.

use openclaw_protocol::config::AuthMode;
use openclaw_protocol::config::TrustedProxy;
use serde_json::Value;
use serde_json::json;

use super::Caller;
use super::refused;
use crate::ingress::auth::Proof;
use crate::ingress::auth::ProxyWord;
use crate::ingress::origin::OriginPass;
use crate::ingress::tailscale::WhoisError;

fn behind(word: ProxyWord) -> Caller {
    let mut caller = Caller::new();
    caller.mode = AuthMode::TrustedProxy;
    caller.is_direct = false;
    caller.rule = TrustedProxy {
        user_header: Some("X-User".to_owned()),
        required_headers: vec!["x-seal".to_owned()],
        allow_users: vec!["ann".to_owned()],
        ..TrustedProxy::default()
    };
    caller.proxy = word;
    caller
}

fn word(user: &str) -> ProxyWord {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    ProxyWord {
        is_trusted: true,
        is_loopback: false,
        headers: vec![header("x-user", user), header("x-seal", "1")],
    }
}

#[test]
fn a_proxy_is_believed_only_as_it_was_agreed() {
    let principal = behind(word("ann")).connect(json!({ "auth": {} })).unwrap();
    assert_eq!(principal.verified.proof(), Proof::TrustedProxy);
    assert_eq!(principal.user.as_deref(), Some("ann"));
    let without_seal = ProxyWord {
        headers: vec![("x-user".to_owned(), "ann".to_owned())],
        ..word("ann")
    };
    let untrusted = ProxyWord {
        is_trusted: false,
        ..word("ann")
    };
    let local = ProxyWord {
        is_loopback: true,
        ..word("ann")
    };
    for bad in [
        word("bob"),
        word(" "),
        without_seal,
        untrusted,
        local.clone(),
    ] {
        let (_, _, _, code) = refused(behind(bad.clone()).connect(json!({ "auth": {} })));
        assert_eq!(
            code.as_deref(),
            Some("AUTH_IDENTITY_HEADER_REQUIRED"),
            "{bad:?}"
        );
    }
    let mut allowed = behind(local);
    allowed.rule.allow_loopback = true;
    assert!(allowed.connect(json!({ "auth": {} })).is_ok());
    // No secret is a second way in.
    let mut caller = behind(ProxyWord::default());
    assert!(caller.connect(json!({})).is_err());
}

#[test]
fn a_name_from_tailscale_counts_when_tailscale_says_the_same() {
    let page = |whois: Result<&str, WhoisError>| {
        let mut caller = Caller::page(OriginPass::SameOrigin);
        caller.is_direct = false;
        caller.tailscale = Some(("ann@example.com", whois.map(str::to_owned)));
        caller
    };
    let change =
        || -> Value { json!({ "auth": {}, "client": super::client("webchat-ui", "webchat") }) };
    let principal = page(Ok("ann@example.com")).connect(change()).unwrap();
    assert_eq!(principal.verified.proof(), Proof::Tailscale);
    for (whois, expected) in [
        (Ok("bob@example.com"), "AUTH_TAILSCALE_IDENTITY_MISMATCH"),
        (Err(WhoisError::Nobody), "AUTH_TAILSCALE_WHOIS_FAILED"),
    ] {
        let (_, _, _, code) = refused(page(whois).connect(change()));
        assert_eq!(code.as_deref(), Some(expected));
    }
    // Nobody is let in by a header that was not checked.
    let mut unasked = page(Ok("ann@example.com"));
    unasked.tailscale = None;
    assert!(unasked.connect(change()).is_err());
}
