use serde_json::json;

use super::*;
use crate::Config;

fn rewritten(mut tree: Value) -> Value {
    drop(rewrite(&mut tree));
    tree
}

#[test]
fn every_spelling_of_the_table_is_understood() {
    for (written, understood) in [
        (
            json!({"models": {"defaults": {"model": "a/b"}}}),
            json!({"models": {}, "agents": {"defaults": {"model": "a/b"}}}),
        ),
        (
            json!({"agents": {"ops": {"defaults": {"model": "a/b"}, "workspace": "/w", "sandbox": {"mode": "off"}}}}),
            json!({"agents": {"list": [{"id": "ops", "model": "a/b", "workspace": "/w", "sandbox": {"mode": "off"}}]}}),
        ),
        (
            json!({"agents": {"entries": {"ops": {"workspace": "/w"}}, "list": [{"id": "ops"}]}}),
            json!({"agents": {"list": [{"id": "ops", "workspace": "/w"}]}}),
        ),
        (
            json!({"models": {"failover": {"enabled": true, "models": ["a/b"]}}}),
            json!({"models": {}, "agents": {"defaults": {"model": {"fallbacks": ["a/b"]}}}}),
        ),
        (
            json!({"models": {"failover": {"enabled": false}}}),
            json!({"models": {}, "agents": {"defaults": {"model": {"fallbacks": []}}}}),
        ),
        (
            json!({"agents": {"ops": {"models": {"failover": {"models": ["c/d"]}}}}}),
            json!({"agents": {"list": [{"id": "ops", "model": {"fallbacks": ["c/d"]}}]}}),
        ),
        (
            json!({"models": {"aliases": {"fast": "a/b.1"}}}),
            json!({"models": {}, "agents": {"defaults": {"models": {"a/b.1": {"alias": "fast"}}}}}),
        ),
        (
            json!({"models": {"providers": {"x": {"profile": "x:me"}}}, "auth": {"order": {"x": ["x:old", "x:me"]}}}),
            json!({"models": {"providers": {"x": {}}}, "auth": {"order": {"x": ["x:me", "x:old"]}}}),
        ),
        (
            json!({"session": {"ttl": "24h"}}),
            json!({"session": {"reset": {"mode": "idle", "idleMinutes": 1_440}}}),
        ),
        (
            json!({"session": {"idleMinutes": 60}}),
            json!({"session": {"reset": {"mode": "idle", "idleMinutes": 60}}}),
        ),
        (
            json!({"session": {"pruning": {"maxAge": "30d"}}}),
            json!({"session": {"maintenance": {"pruneAfter": "30d"}}}),
        ),
        (
            json!({"agents": {"routing": [{"agentId": "main", "match": {"channel": "x"}}]}}),
            json!({"agents": {}, "bindings": [{"agentId": "main", "match": {"channel": "x"}}]}),
        ),
        (
            json!({"gateway": {"remote": {"enabled": true, "host": "h", "port": 1}}}),
            json!({"gateway": {"remote": {"url": "ws://h:1"}, "mode": "remote"}}),
        ),
        (
            json!({"automation": {"webhooks": {"enabled": true}}}),
            json!({"hooks": {"enabled": true}}),
        ),
        (
            json!({"memorySearch": {"enabled": true}}),
            json!({"agents": {"defaults": {"memorySearch": {"enabled": true}}}}),
        ),
        (
            json!({"agents": {"ops": {"sandbox": {"filesystem": ["/a"]}}}}),
            json!({"agents": {"list": [{"id": "ops", "sandbox":
                {"mode": "all", "workspaceAccess": "rw", "docker": {"binds": ["/a:/a"]}}}]}}),
        ),
        (
            json!({"channels": {"telegram": {"allowChannels": [-100, "7"]}, "discord": {"allowChannels": ["g"]}}}),
            json!({"channels": {"telegram": {"groups": {"-100": {}, "7": {}}}, "discord": {"guilds": {"g": {}}}}}),
        ),
        (
            json!({"requireApproval": true}),
            json!({"tools": {"exec": {"ask": "always"}}}),
        ),
        (
            json!({"telegram": {"botToken": "1:a"}}),
            json!({"channels": {"telegram": {"botToken": "1:a"}}}),
        ),
        (
            json!({"bindings": [{"agentId": "a", "match": {"channel": "x", "accountID": "y"}}]}),
            json!({"bindings": [{"agentId": "a", "match": {"channel": "x", "accountId": "y"}}]}),
        ),
    ] {
        assert_eq!(rewritten(written.clone()), understood, "{written}");
    }
}

#[test]
fn the_canonical_spelling_wins() {
    let tree = json!({"models": {"defaults": {"model": "a/old"}}, "agents": {"defaults": {"model": "a/new"}}});
    let loaded = Config::from_value(tree);
    let agent = loaded
        .config
        .agents
        .resolve(&crate::AgentId::main())
        .unwrap();
    assert_eq!(agent.model.primary.as_deref(), Some("a/new"));
    let issue = &loaded.issues[0];
    assert_eq!(issue.path, "models.defaults.model");
    assert_eq!(
        issue.fix.as_deref(),
        Some("openclaw config unset models.defaults.model")
    );
}

#[test]
fn the_remedy_names_the_spelling_in_the_file() {
    let tree = json!({"agents": {"ops": {"defaults": {"model": 5}}}});
    let issues = Config::from_value(tree).issues;
    let error = issues
        .iter()
        .find(|issue| issue.severity == Severity::Error)
        .unwrap();
    assert_eq!(error.path, "agents.ops.defaults.model");
    assert_eq!(
        error.fix.as_deref(),
        Some("openclaw config unset agents.ops.defaults.model")
    );
}

#[test]
fn a_slip_of_the_pen_is_not_an_agent() {
    let loaded = Config::from_value(json!({"agents": {"defualts": {"workspace": "/w"}}}));
    assert_eq!(loaded.config.agents.list.len(), 0);
    assert!(loaded.issues[0].message.contains("agents.defaults?"));
}

#[test]
fn durations_are_read_as_people_write_them() {
    let read = |value: Value| minutes(&value);
    assert_eq!(read(json!("90")), Some(90));
    assert_eq!(read(json!("30m")), Some(30));
    assert_eq!(read(json!("2d")), Some(2_880));
    assert_eq!(read(json!(15)), Some(15));
    assert_eq!(read(json!("soon")), None);
    assert_eq!(read(json!("0h")), None);
}
