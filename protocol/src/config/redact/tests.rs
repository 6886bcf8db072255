use proptest::prelude::*;
use serde_json::json;

use super::*;

fn shown(path: &str, value: &str) -> bool {
    let mut tree = json!({});
    path.parse::<Path>()
        .unwrap()
        .set(&mut tree, json!(value))
        .unwrap();
    redact(&tree) == tree
}

#[test]
fn secrets_are_known_by_their_names() {
    for path in [
        "gateway.auth.token",
        "channels.telegram.botToken",
        "channels.telegram.accounts.home.botToken",
        "channels.telegram.webhookSecret",
        "models.providers.x.apiKey",
        "models.providers.x.headers.Authorization",
        "env.vars.ANYTHING",
        "env.ANYTHING",
        "skills.entries.x.env.ANY",
    ] {
        assert!(!shown(path, "hunter2"), "{path}");
    }
    for path in [
        "channels.telegram.tokenFile",
        "models.providers.x.models[0].compat.maxTokensField",
        "models.providers.x.baseUrl",
        "gateway.auth.mode",
        "agents.defaults.model.primary",
    ] {
        assert!(shown(path, "hunter2"), "{path}");
    }
    assert!(
        shown("gateway.auth.token", "${GATEWAY_TOKEN}"),
        "a reference is no secret"
    );
    assert!(!shown("channels.telegram.proxy", "socks5://me:pw@host:1"));
    assert_eq!(redact(&json!({"maxTokens": 5})), json!({"maxTokens": 5}));
}

#[test]
fn the_text_keeps_its_comments_and_loses_its_secrets() {
    let text =
        "{\n  // who may connect\n  gateway: { auth: { token: 's3cret', mode: \"token\" } },\n}";
    let tree: Value = json5::from_str(text).unwrap();
    let hidden = redact_text(text, &tree).unwrap();
    assert!(hidden.contains("// who may connect"));
    assert!(hidden.contains("token: '__OPENCLAW_REDACTED__'"));
    assert!(!hidden.contains("s3cret"));
    let mut again: Value = json5::from_str(&hidden).unwrap();
    assert_eq!(restore(&mut again, &tree), []);
    assert_eq!(again, tree);
}

#[test]
fn a_secret_that_is_written_with_escapes_hides_the_text() {
    let text = r#"{gateway: {auth: {token: "s\u0033cret"}}}"#;
    let tree: Value = json5::from_str(text).unwrap();
    assert_eq!(redact_text(text, &tree), None);
}

#[test]
fn a_sentinel_without_a_stored_value_is_named() {
    let mut tree = json!({"gateway": {"auth": {"token": SENTINEL, "password": SENTINEL}}});
    let missing = restore(&mut tree, &json!({"gateway": {"auth": {"token": "a"}}}));
    assert_eq!(
        missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["gateway.auth.password"]
    );
    assert_eq!(tree["gateway"]["auth"]["token"], "a");
}

proptest! {
    #[test]
    fn what_is_hidden_comes_back(token in ".{1,20}", other in ".{0,20}", port in 1u16..) {
        let tree = json!({"gateway": {"auth": {"token": token, "mode": other}, "port": port}, "list": [{"apiKey": token}]});
        let mut shown = redact(&tree);
        prop_assert_eq!(restore(&mut shown, &tree), vec![]);
        prop_assert_eq!(shown, tree);
    }
}
