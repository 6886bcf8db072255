use serde_json::json;

use super::*;

#[test]
fn the_table_is_read_whole() {
    let known = known();
    let rule = |path: &str| {
        path.split('.')
            .try_fold(&known.root, |rule, key| known.below(rule, key))
    };
    for path in [
        "gateway.auth.token",
        "agents.defaults.sandbox.docker.image",
        "agents.list.sandbox.docker.image",
        "channels.telegram.accounts.home.groups.-1.topics.7.systemPrompt",
        "channels.telegram.groups.*.requireMention",
        "models.providers.x.models.compat.supportsStore",
        "hooks.mappings.match.path",
        "plugins.installs.x.installedAt",
    ] {
        assert!(rule(path).is_some(), "{path}");
    }
    for path in [
        "gateway.prot",
        "agents.list.sandbox.dokcer",
        "channels.telegram.accounts.x.accounts",
    ] {
        assert!(rule(path).is_none(), "{path}");
    }
    assert_eq!(
        rule("gateway.port").unwrap().allowed(),
        ["a whole number from 1 to 65535"]
    );
    assert!(rule("bindings.match").unwrap().required);
    assert!(rule("bindings").unwrap().whole);
}

#[test]
fn numbers_respect_their_bounds() {
    let ok = |tree| check(&tree).is_empty();
    assert!(ok(json!({"session": {"reset": {"atHour": 23}}})));
    assert!(!ok(json!({"session": {"reset": {"atHour": 24}}})));
    assert!(!ok(json!({"session": {"reset": {"idleMinutes": 0}}})));
    assert!(!ok(json!({"session": {"reset": {"idleMinutes": 1.5}}})));
    assert!(!ok(
        json!({"agents": {"defaults": {"contextTokens": 1e300}}})
    ));
    assert!(ok(json!({"diagnostics": {"otel": {"sampleRate": 0.25}}})));
}

#[test]
fn the_good_entries_of_a_list_are_kept() {
    let tree = json!({"tools": {"deny": ["exec", 5, "web"]}});
    let found = check(&tree);
    assert_eq!(
        found[0].issue.fix.as_deref(),
        Some(r#"openclaw config set tools.deny '["exec","web"]'"#)
    );
}
