use serde_json::json;

use super::*;
use crate::config::tests::Home;

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

impl Home {
    fn set(&self, at: &str, word: &str) -> Result<Change, EditError> {
        let at = path(at);
        let value = value_for(&at, word);
        set(&self.paths, &Environment::default(), &at, value)
    }

    fn unset(&self, at: &str) -> Result<Change, EditError> {
        unset(&self.paths, &Environment::default(), &path(at))
    }

    fn patch(&self, raw: &str, base: Option<&str>) -> Result<Change, EditError> {
        patch(&self.paths, &Environment::default(), raw, base)
    }
}

#[test]
fn a_value_is_set_found_and_taken_out_again() {
    let home = Home::new();
    let change = home.set("gateway.port", "4000").unwrap();
    assert!(change.is_written);
    assert_eq!(change.after.config.gateway.port, 4_000);
    let meta = get(&change.after, &path("meta")).unwrap();
    assert!(meta["lastTouchedAt"].as_str().unwrap().ends_with('Z'));
    assert_eq!(meta["lastTouchedVersion"], json!(env!("CARGO_PKG_VERSION")));

    home.set("agents.list[0].id", "ops").unwrap();
    home.set("agents.list[0].name", "42").unwrap();
    let loaded = home.load();
    assert_eq!(
        get(&loaded, &path("agents.list[0].name")),
        Some(&json!("42"))
    );
    let change = home.unset("agents.list[0]").unwrap();
    assert_eq!(get(&change.after, &path("agents.list")), Some(&json!([])));
    assert!(matches!(
        home.unset("nothing.here"),
        Err(EditError::NotSet(..))
    ));
    assert_eq!(
        home.read("openclaw.json").unwrap().lines().next(),
        Some("{")
    );
}

#[test]
fn the_same_value_again_writes_nothing() {
    let home = Home::new();
    home.set("gateway.port", "4000").unwrap();
    let before = home.read("openclaw.json");
    let change = home.set("gateway.port", "4000").unwrap();
    assert!(!change.is_written);
    assert_eq!(change.changed, []);
    assert_eq!(home.read("openclaw.json"), before);
}

#[test]
fn a_bad_value_is_refused_with_what_would_do() {
    let home = Home::with("{ gateway: { port: 4000 } }");
    let refused = home
        .set("gateway.bind", "everywhere")
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("allowed: auto, custom, lan, loopback, tailnet"),
        "{refused}"
    );
    assert_eq!(
        home.read("openclaw.json").unwrap(),
        "{ gateway: { port: 4000 } }"
    );
}

#[test]
fn a_file_with_several_mistakes_is_mended_one_by_one() {
    let home = Home::with("{ gateway: { port: 'x', bind: 'y' }, session: { dmScope: 5 } }");
    for _ in 0..3 {
        let issue = home.load().issues[0].clone();
        let fix = issue.fix.unwrap();
        let at = fix.strip_prefix("openclaw config unset ").unwrap();
        home.unset(at).unwrap();
    }
    assert_eq!(home.load().issues, []);
}

#[test]
fn references_to_variables_stay_in_the_file() {
    let home =
        Home::with("{ env: { vars: { T: 'secret' } }, gateway: { auth: { token: '${T}' } } }");
    let change = home.set("gateway.port", "4000").unwrap();
    let token = change
        .after
        .config
        .gateway
        .auth
        .get()
        .unwrap()
        .token
        .clone();
    assert_eq!(token.unwrap().expose(), "secret");
    assert!(home.read("openclaw.json").unwrap().contains("${T}"));
}

#[test]
fn a_value_from_an_included_file_is_taken_out_there() {
    let home = Home::with("{ gateway: { $include: 'gateway.json' } }");
    home.write("gateway.json", "{ port: 4000, prot: 1 }");
    let issue = home.load().issues[0].clone();
    assert_eq!(
        issue.fix.as_deref(),
        Some("openclaw config unset gateway.prot")
    );
    home.unset("gateway.prot").unwrap();
    assert_eq!(home.load().issues, []);
    assert_eq!(home.load().config.gateway.port, 4_000);
    assert!(home.read("openclaw.json").unwrap().contains("$include"));
}

#[test]
fn a_short_model_makes_room_for_fallbacks() {
    let home = Home::with("{ agents: { defaults: { model: 'a/b' } } }");
    home.set("agents.defaults.model.fallbacks", "['c/d']")
        .unwrap();
    let loaded = home.load();
    assert_eq!(
        get(&loaded, &path("agents.defaults.model")),
        Some(&json!({"primary": "a/b", "fallbacks": ["c/d"]}))
    );
}

#[test]
fn a_patch_needs_the_hash_it_was_made_for() {
    let home = Home::with(
        "{ gateway: { port: 4000, auth: { token: 't0ken' } }, tools: { deny: ['a', 'b'] } }",
    );
    let hash = home.load().hash;
    assert!(matches!(
        home.patch("{}", None),
        Err(EditError::HashRequired)
    ));
    assert!(matches!(
        home.patch("{}", Some("old")),
        Err(EditError::HashMismatch)
    ));
    let raw = "{ gateway: { port: null, auth: { token: '__OPENCLAW_REDACTED__' } }, tools: { deny: ['c'] } }";
    let change = home.patch(raw, Some(&hash)).unwrap();
    let config = &change.after.config;
    assert_eq!(config.gateway.port, 18_789);
    assert_eq!(
        config
            .gateway
            .auth
            .get()
            .unwrap()
            .token
            .as_ref()
            .unwrap()
            .expose(),
        "t0ken"
    );
    assert_eq!(config.tools.get().unwrap().deny, ["c"]);
    let changed: Vec<String> = change.changed.iter().map(ToString::to_string).collect();
    assert!(changed.contains(&"gateway.port".to_owned()), "{changed:?}");
}

#[test]
fn a_hidden_secret_without_a_stored_one_is_refused() {
    let home = Home::with("{}");
    let hash = home.load().hash;
    let raw = "{ gateway: { auth: { token: '__OPENCLAW_REDACTED__' } } }";
    let refused = home.patch(raw, Some(&hash)).unwrap_err();
    assert!(
        matches!(refused, EditError::HiddenWithoutValue(_)),
        "{refused}"
    );
}

#[test]
fn what_is_shown_can_be_sent_back_whole() {
    let text = "{ gateway: { auth: { token: 't0ken' } }, channels: { telegram: { botToken: '1:a', accounts: { x: { botToken: '2:b' } } } } }";
    let home = Home::with(text);
    let loaded = home.load();
    let shown = crate::config::snapshot(&loaded);
    let raw = shown["raw"]
        .as_str()
        .unwrap()
        .replace("gateway: {", "gateway: { port: 4000,");
    let change = replace(
        &home.paths,
        &Environment::default(),
        &raw,
        Some(&loaded.hash),
    )
    .unwrap();
    let expected = json!({ "gateway": { "port": 4000, "auth": { "token": "t0ken" } },
        "channels": { "telegram": { "botToken": "1:a", "accounts": { "x": { "botToken": "2:b" } } } } });
    let mut written = change.after.parsed.value().clone();
    path("meta").unset(&mut written);
    assert_eq!(written, expected);
}

#[test]
fn an_unparsable_file_can_be_replaced_but_not_changed_in_part() {
    let home = Home::with("{ gateway: {");
    assert!(matches!(
        home.set("gateway.port", "1"),
        Err(EditError::Unreadable(_))
    ));
    let hash = home.load().hash;
    let change = replace(
        &home.paths,
        &Environment::default(),
        "{ gateway: { port: 5 } }",
        Some(&hash),
    );
    assert_eq!(change.unwrap().after.config.gateway.port, 5);
    assert_eq!(
        home.read("openclaw.json.broken").as_deref(),
        Some("{ gateway: {")
    );
}
