use openclaw_gateway::config::Environment;
use openclaw_gateway::paths::Paths;

use super::*;

fn load(folder: &std::path::Path, config: &str, variables: &[(&str, &str)]) -> LoadedConfig {
    std::fs::create_dir_all(folder).unwrap();
    let file = folder.join("openclaw.json");
    std::fs::write(&file, config).unwrap();
    let environment: Environment = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    openclaw_gateway::config::load(&Paths::under(folder), &environment)
}

fn loaded(config: &str, variables: &[(&str, &str)]) -> LoadedConfig {
    load(tempfile::tempdir().unwrap().path(), config, variables)
}

const TYPICAL: &str = r#"{ gateway: { port: 4000, auth: { token: "from-the-config" } } }"#;

#[test]
fn the_config_says_where_and_with_what() {
    let endpoint = Endpoint::resolve(&Flags::default(), &loaded(TYPICAL, &[])).unwrap();
    assert_eq!(endpoint.url, "ws://127.0.0.1:4000");
    assert!(endpoint.because.starts_with("gateway.port in "));
    assert_eq!(endpoint.token.unwrap().expose(), "from-the-config");
}

#[test]
fn variables_go_before_the_config_and_flags_before_both() {
    let variables = [
        ("OPENCLAW_GATEWAY_PORT", "4001"),
        ("OPENCLAW_GATEWAY_TOKEN", "variable"),
    ];
    let loaded = loaded(TYPICAL, &variables);
    let endpoint = Endpoint::resolve(&Flags::default(), &loaded).unwrap();
    assert_eq!(endpoint.url, "ws://127.0.0.1:4001");
    assert_eq!(endpoint.token.unwrap().expose(), "variable");
    let flags = Flags {
        token: Some("flag"),
        ..Flags::default()
    };
    let endpoint = Endpoint::resolve(&flags, &loaded).unwrap();
    assert_eq!(endpoint.token.unwrap().expose(), "flag");
}

#[test]
fn stored_credentials_are_never_sent_to_an_address_that_was_typed() {
    let loaded = loaded(TYPICAL, &[("OPENCLAW_GATEWAY_PASSWORD", "stored")]);
    let typed = Flags {
        url: Some("wss://elsewhere.example"),
        ..Flags::default()
    };
    let error = Endpoint::resolve(&typed, &loaded).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    let with = Flags {
        token: Some("typed"),
        ..typed
    };
    let endpoint = Endpoint::resolve(&with, &loaded).unwrap();
    assert_eq!(endpoint.url, "wss://elsewhere.example");
    assert_eq!(endpoint.token.unwrap().expose(), "typed");
    assert!(endpoint.password.is_none());
}

#[test]
fn a_remote_gateway_has_its_own_address_and_credentials() {
    let remote = r#"{ gateway: { mode: "remote", auth: { token: "local" },
        remote: { url: "https://home.example/", token: "remote" } } }"#;
    let endpoint = Endpoint::resolve(&Flags::default(), &loaded(remote, &[])).unwrap();
    assert_eq!(endpoint.url, "wss://home.example");
    assert_eq!(endpoint.token.unwrap().expose(), "remote");
    let nowhere = loaded(r#"{ gateway: { mode: "remote" } }"#, &[]);
    let error = Endpoint::resolve(&Flags::default(), &nowhere).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
}

#[test]
fn a_gateway_behind_ssh_is_asked_through_a_tunnel() {
    let settings = r#"{ gateway: { mode: "remote", remote: {
        transport: "ssh", sshTarget: "ann@home", url: "ws://127.0.0.1:4100", token: "remote" } } }"#;
    let endpoint = Endpoint::resolve(&Flags::default(), &loaded(settings, &[])).unwrap();
    let tunnel = endpoint.tunnel.unwrap();
    assert_eq!((tunnel.target.as_str(), tunnel.port), ("ann@home", 4100));
    assert_eq!(endpoint.token.unwrap().expose(), "remote");
    for wrong in [
        r#"transport: "ssh""#,
        r#"transport: "ssh", sshTarget: "-oProxyCommand=x""#,
        r#"transport: "pigeon", url: "ws://h""#,
    ] {
        let settings = format!("{{ gateway: {{ mode: \"remote\", remote: {{ {wrong} }} }} }}");
        let error = Endpoint::resolve(&Flags::default(), &loaded(&settings, &[])).unwrap_err();
        assert_eq!(error.kind(), Kind::Config, "{wrong}");
    }
}

#[test]
fn the_profile_dev_has_a_port_of_its_own_unless_told_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join(".openclaw-dev");
    let port = |config| Port::resolve(None, &load(&folder, config, &[])).unwrap();
    assert_eq!(port("{}").number, DEV_PORT);
    assert_eq!(port("{}").over_config(), Some(DEV_PORT));
    assert_eq!(port(TYPICAL).number, 4000);
    assert_eq!(port(TYPICAL).over_config(), None);
}

#[test]
fn addresses_are_taken_as_people_paste_them() {
    for (text, url) in [
        ("http://h:1/", "ws://h:1"),
        ("https://h", "wss://h"),
        ("h:18789", "ws://h:18789"),
        ("wss://h/base", "wss://h/base"),
    ] {
        assert_eq!(websocket_url(text).unwrap(), url);
    }
    for text in [
        "",
        "ftp://h",
        "ws://",
        "ws://user:pw@h",
        "ws://h?token=x",
        "a b",
    ] {
        assert!(websocket_url(text).is_err(), "{text}");
    }
}
