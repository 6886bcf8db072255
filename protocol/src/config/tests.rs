mod full;
mod harm;
mod mutation;

use serde_json::Value;
use serde_json::json;

use super::*;
use crate::AgentId;

/// Runs the command of an issue on a tree, as the CLI would.
pub(super) fn mend(tree: &mut Value, fix: &str) {
    let words = shell_words(fix);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["openclaw", "config", "unset", path] => {
            let path: Path = path.parse().unwrap();
            path.unset(tree)
                .unwrap_or_else(|| panic!("nothing to unset: {fix}"));
        }
        ["openclaw", "config", "set", path, value] => {
            let value = json5::from_str(value).unwrap_or_else(|_| Value::from(*value));
            let path: Path = path.parse().unwrap();
            path.set(tree, value).unwrap();
        }
        _ => panic!("not a command of ours: {fix}"),
    }
}

/// Splits a command as a shell does, for the quoting that is used here.
fn shell_words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let word = words.last_mut().unwrap();
        match c {
            '\'' => quoted = !quoted,
            '\\' if !quoted => word.extend(chars.next()),
            ' ' if !quoted => words.push(String::new()),
            c => word.push(c),
        }
    }
    words
}

fn load(tree: Value) -> Loaded {
    Config::from_value(tree)
}

/// The only issue of a tree.
fn issue(tree: Value) -> Issue {
    let issues = load(tree).issues;
    assert_eq!(issues.len(), 1, "{issues:#?}");
    issues[0].clone()
}

#[test]
fn without_a_file_the_defaults_are_safe() {
    for config in [Config::default(), load(json!({})).config] {
        assert_eq!(config.gateway.port, 18_789);
        assert_eq!(config.gateway.bind, Bind::Loopback);
        let auth = config.gateway.auth.get().unwrap();
        assert_eq!(auth.effective_mode(), AuthMode::Token);
        assert_eq!(
            config.session.or_default().dm_scope,
            crate::DmScope::PerChannelPeer
        );
        assert_eq!(config.agents.ids(), [AgentId::main()]);
        assert!(config.channels.telegram.is_empty());
    }
}

#[test]
fn the_full_example_has_nothing_to_complain_about() {
    let Loaded { config, issues } = load(full::full());
    assert_eq!(issues, []);
    assert_eq!(config.agents.default_id().as_str(), "main");
    let ops = config
        .agents
        .resolve(&AgentId::parse("ops").unwrap())
        .unwrap();
    assert_eq!(ops.model.primary.as_deref(), Some("local/qwen"));
    assert_eq!(ops.defaults.bootstrap_max_chars, 20_000);
    let accounts = &config.channels.telegram;
    assert_eq!(accounts.keys().collect::<Vec<_>>(), ["alerts", "default"]);
    let alerts = accounts["alerts"].get().unwrap();
    assert_eq!(alerts.dm_policy, DmPolicy::Disabled);
    assert_eq!(alerts.chunk_mode, ChunkMode::Newline, "inherited");
    assert_eq!(alerts.bot_token.as_ref().unwrap().expose(), "2:def");
    assert_eq!(alerts.allow_from.as_deref().unwrap(), ["123", "@ada"]);
    let provider = config.models.providers["local"].get().unwrap();
    assert_eq!(provider.api, Some(Api::OpenaiCompletions));
    assert_eq!(provider.timeouts.connect_ms, 5_000);
    assert_eq!(provider.timeouts.total_ms, 600_000);
}

#[test]
fn an_unknown_key_names_the_nearest_one() {
    let found = issue(json!({"gateway": {"prot": 1}}));
    assert_eq!(found.path, "gateway.prot");
    assert_eq!(found.severity, Severity::Warning);
    assert!(
        found.message.contains("did you mean gateway.port?"),
        "{found}"
    );
    assert_eq!(
        found.fix.as_deref(),
        Some("openclaw config unset gateway.prot")
    );

    let misplaced = issue(json!({"dmScope": "main"}));
    assert!(misplaced.message.contains("session.dmScope"), "{misplaced}");
    let channel = issue(json!({"channels": {"telegran": {}}}));
    assert!(channel.message.contains("channels.telegram?"), "{channel}");
}

#[test]
fn what_was_meant_is_offered() {
    for (tree, fix) in [
        (
            json!({"gateway": {"port": "18790"}}),
            "openclaw config set gateway.port 18790",
        ),
        (
            json!({"gateway": {"bind": "everywhere"}}),
            "openclaw config unset gateway.bind",
        ),
        (
            json!({"gateway": {"bind": "Loopback"}}),
            "openclaw config set gateway.bind loopback",
        ),
        (
            json!({"logging": {"verboseModels": "yes"}}),
            "openclaw config set logging.verboseModels true",
        ),
        (
            json!({"gateway": {"port": 70_000}}),
            "openclaw config unset gateway.port",
        ),
        (
            json!({"channels": {"telegram": {"allowFrom": 123}}}),
            "openclaw config set channels.telegram.allowFrom '[123]'",
        ),
        (
            json!({"agents": {"defaults": {"workspace": 5}}}),
            r#"openclaw config set agents.defaults.workspace '"5"'"#,
        ),
    ] {
        let found = issue(tree);
        assert_eq!(found.fix.as_deref(), Some(fix), "{found}");
        assert!(!found.allowed.is_empty());
    }
}

#[test]
fn a_secret_of_the_wrong_shape_is_not_shown() {
    let found = issue(json!({"gateway": {"auth": {"token": 12_345}}}));
    assert_eq!(found.value, None);
    assert!(!found.to_string().contains("12345"), "{found}");
}

#[test]
fn a_broken_section_takes_only_its_owner_down() {
    let mut tree = full::full();
    tree["session"]["dmScope"] = json!("everything");
    tree["channels"]["telegram"]["accounts"]["alerts"]["dmPolicy"] = json!(1);
    tree["models"]["providers"]["local"]["api"] = json!("telepathy");
    tree["gateway"]["reload"]["mode"] = json!("sometimes");
    let config = load(tree).config;
    assert!(!config.session.is_valid());
    assert!(!config.channels.telegram["alerts"].is_valid());
    assert!(config.channels.telegram["default"].is_valid());
    assert!(!config.models.providers["local"].is_valid());
    assert!(config.models.providers["other"].is_valid());
    assert_eq!(config.gateway.reload.mode, ReloadMode::Hybrid);
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
}

#[test]
fn a_small_mistake_does_not_move_conversations() {
    let mut tree = full::full();
    tree["session"]["reset"]["atHour"] = json!(25);
    tree["messages"]["queue"]["cap"] = json!("many");
    tree["agents"]["defaults"]["typingMode"] = json!("loud");
    let config = load(tree.clone()).config;
    let session = config.session.get().unwrap();
    assert_eq!(session.dm_scope, crate::DmScope::Main);
    assert_eq!(session.reset.at_hour, None);
    assert_eq!(
        config.messages.get().unwrap().response_prefix.as_deref(),
        Some("»")
    );
    assert!(config.agents.resolve(&AgentId::main()).is_some());

    tree["agents"]["defaults"]["sandbox"]["mode"] = json!("perhaps");
    let config = load(tree).config;
    assert!(
        config.agents.resolve(&AgentId::main()).is_none(),
        "no walls, no agent"
    );
}

#[test]
fn broken_credentials_of_the_gateway_let_nobody_in() {
    for tree in [
        json!({"gateway": 5}),
        json!({"gateway": {"auth": "token"}}),
        json!({"gateway": {"auth": {"mode": "nome"}}}),
        json!({"gateway": {"auth": {"token": ["a"]}}}),
    ] {
        let config = load(tree).config;
        assert!(!config.gateway.auth.is_valid());
        assert_eq!(config.gateway.bind, Bind::Loopback);
    }
    let limits = load(json!({"gateway": {"auth": {"token": "a", "rateLimit": {"windowMs": "x"}}}}));
    assert!(
        limits.config.gateway.auth.is_valid(),
        "the limit falls back by itself"
    );
}

#[test]
fn open_needs_a_star() {
    let telegram = |more: Value| json!({"channels": {"telegram": more}});
    let found = issue(telegram(json!({"botToken": "1:a", "dmPolicy": "open"})));
    assert_eq!(found.path, "channels.telegram.dmPolicy");
    assert_eq!(
        found.fix.as_deref(),
        Some("openclaw config set channels.telegram.dmPolicy pairing")
    );
    let open = telegram(json!({"botToken": "1:a", "dmPolicy": "open", "allowFrom": ["*"]}));
    assert_eq!(load(open).issues, []);
}

#[test]
fn nobody_gets_in_without_a_secret_from_elsewhere() {
    let loaded = load(json!({"gateway": {"bind": "lan", "auth": {"mode": "none"}}}));
    assert_eq!(loaded.config.gateway.bind, Bind::Loopback);
    assert_eq!(loaded.issues[0].path, "gateway.auth.mode");
}

#[test]
fn a_broken_default_agent_is_not_replaced_by_another() {
    let tree =
        json!({"agents": {"list": [{"id": "ops"}, {"id": "home", "default": true, "name": 5}]}});
    let config = load(tree).config;
    let home = AgentId::parse("home").unwrap();
    assert_eq!(config.agents.default_id(), home);
    assert!(config.agents.resolve(&home).is_none());
    assert_eq!(config.agents.ids(), [AgentId::parse("ops").unwrap()]);
}

#[test]
fn a_mistake_in_a_binding_removes_the_binding() {
    for broken in [
        json!({"agentId": "main", "match": {"channel": "telegram", "peer": {"kind": "x", "id": "1"}}}),
        json!({"agentId": "main", "match": {"channel": []}}),
        json!({"agentId": "main", "match": {}}),
        json!({"agentId": "nobody", "match": {"channel": "telegram"}}),
        json!(5),
    ] {
        let tree = json!({"bindings": [broken]});
        let found = issue(tree);
        assert_eq!(
            found.fix.as_deref(),
            Some("openclaw config unset 'bindings[0]'"),
            "{found}"
        );
    }
}

#[test]
fn two_accounts_with_one_token_do_not_both_run() {
    let tree = json!({"channels": {"telegram": {"accounts": {
        "a": {"botToken": "1:x"}, "b": {"botToken": "1:x"}, "c": {"botToken": "1:x", "enabled": false}}}}});
    let config = load(tree).config;
    let valid: Vec<bool> = config
        .channels
        .telegram
        .values()
        .map(Section::is_valid)
        .collect();
    assert_eq!(valid, [true, false, true]);
}

#[test]
fn what_this_version_does_not_use_is_carried_along() {
    let tree = json!({"cron": {"enabled": true}, "channels": {"discord": {"anything": [1]}}});
    let Loaded { config, issues } = load(tree.clone());
    assert_eq!(issues, []);
    assert_eq!(config.tree.value(), &tree);
    assert_eq!(config.channels.unsupported, ["discord"]);
}

#[test]
fn printing_a_configuration_shows_no_secret() {
    let config = load(full::full()).config;
    let printed = format!("{config:?}");
    for secret in redact::secrets(&full::full()) {
        assert!(!printed.contains(&secret), "{secret}");
    }
}
