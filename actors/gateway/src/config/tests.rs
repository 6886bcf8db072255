mod remedy;

use openclaw_protocol::config::Bind;
use serde_json::json;

use crate::paths::Paths;

use super::*;

/// An installation in a folder of its own.
pub(super) struct Home {
    pub(super) dir: tempfile::TempDir,
    pub(super) paths: Paths,
}

impl Home {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        Self { dir, paths }
    }

    pub(super) fn with(text: &str) -> Self {
        let home = Self::new();
        home.write("openclaw.json", text);
        home
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    pub(super) fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.dir.path().join(name)).ok()
    }

    pub(super) fn load(&self) -> LoadedConfig {
        load(&self.paths, &Environment::default())
    }
}

pub(super) fn env(vars: &[(&str, &str)]) -> Environment {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    vars.iter().map(owned).collect()
}

fn errors(loaded: &LoadedConfig) -> Vec<String> {
    let is_error = |issue: &&Issue| issue.severity == Severity::Error;
    loaded
        .issues
        .iter()
        .filter(is_error)
        .map(ToString::to_string)
        .collect()
}

#[test]
fn without_a_file_the_defaults_hold() {
    let loaded = Home::new().load();
    assert!(!loaded.exists && loaded.valid() && loaded.issues.is_empty());
    assert_eq!(loaded.config.gateway.port, 18_789);
    assert_eq!(loaded.hash, hash(""));
}

#[test]
fn a_file_that_cannot_be_read_leaves_a_gateway_to_mend_it_with() {
    for text in ["{ gateway: { port: 1", "[1, 2]", "{ a: 1 } }", "\u{0}\u{1}"] {
        let loaded = Home::with(text).load();
        assert!(!loaded.valid());
        assert_eq!(loaded.config.gateway.port, 18_789, "{text}");
        assert_eq!(loaded.config.gateway.bind, Bind::Loopback);
    }
    let unparsable = Home::with("{ gateway: {").load();
    assert!(unparsable.is_fatal);
    assert!(
        !unparsable.config.gateway.auth.is_valid(),
        "nobody knows the token"
    );
    let fix = unparsable.issues[0].fix.clone().unwrap();
    assert!(
        fix.starts_with("mv ") && fix.ends_with("openclaw.json.broken"),
        "{fix}"
    );
}

#[test]
fn the_remedy_for_an_unparsable_file_is_the_newest_good_backup() {
    let home = Home::with("{ gateway: {");
    home.write("openclaw.json.bak", "{ broken too");
    home.write("openclaw.json.bak.1", "{ gateway: { port: 5 } }");
    let fix = home.load().issues[0].fix.clone().unwrap();
    assert!(
        fix.starts_with("cp ") && fix.contains("openclaw.json.bak.1 "),
        "{fix}"
    );
    let status = std::process::Command::new("sh")
        .args(["-c", &fix])
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(home.load().issues, []);
    assert_eq!(home.load().config.gateway.port, 5);
}

#[test]
fn variables_come_from_the_nearest_source() {
    let home = Home::with(
        "{ env: { vars: { C: 'config', D: 'config' }, E: 'key' }, \
           messages: { responsePrefix: '${A} ${B} ${C} ${D} ${E}' } }",
    );
    home.write(".env", "B=dotenv\nC=dotenv\n");
    let loaded = load(&home.paths, &env(&[("A", "process"), ("B", "process")]));
    assert_eq!(errors(&loaded), Vec::<String>::new());
    let prefix = loaded
        .config
        .messages
        .get()
        .unwrap()
        .response_prefix
        .clone();
    assert_eq!(prefix.as_deref(), Some("process process dotenv config key"));
    assert_eq!(loaded.environment.get("D"), Some("config"));
}

#[test]
fn a_missing_variable_disables_what_needs_it() {
    let home = Home::with(
        "{ gateway: { auth: { token: 't' }, controlUi: { root: '${NO_SUCH_ROOT}' } }, \
           channels: { telegram: { botToken: '${NO_SUCH_TOKEN}' } } }",
    );
    let loaded = home.load();
    assert_eq!(loaded.issues.len(), 2, "{:#?}", loaded.issues);
    assert!(
        loaded.issues[1]
            .message
            .contains("NO_SUCH_TOKEN is not set")
            || loaded.issues[0]
                .message
                .contains("NO_SUCH_TOKEN is not set")
    );
    assert!(!loaded.config.channels.telegram["default"].is_valid());
    let gateway = &loaded.config.gateway;
    assert_eq!(
        gateway.auth.get().unwrap().token.as_ref().unwrap().expose(),
        "t"
    );
    assert_eq!(gateway.control_ui.root, None);
}

#[test]
fn the_environment_completes_the_file() {
    let vars = [
        ("OPENCLAW_GATEWAY_TOKEN", "from-env"),
        ("OPENCLAW_GATEWAY_PORT", "4000"),
        ("TELEGRAM_BOT_TOKEN", "9:z"),
    ];
    let loaded = load(
        &Home::with("{ gateway: { bind: 'lan', port: 1 } }").paths,
        &env(&vars),
    );
    assert_eq!(loaded.issues, []);
    assert_eq!(loaded.config.gateway.port, 4_000);
    assert_eq!(loaded.config.gateway.bind, Bind::Lan);
    let account = loaded.config.channels.telegram["default"].get().unwrap();
    assert_eq!(account.bot_token.as_ref().unwrap().expose(), "9:z");

    let own = "{ gateway: { auth: { token: 'own' } }, channels: { telegram: { accounts: \
               { home: { botToken: '9:z' }, default: { tokenFile: '/t' } } } } }";
    let loaded = load(&Home::with(own).paths, &env(&vars));
    assert_eq!(
        loaded
            .config
            .gateway
            .auth
            .get()
            .unwrap()
            .token
            .as_ref()
            .unwrap()
            .expose(),
        "own"
    );
    let accounts = &loaded.config.channels.telegram;
    assert!(accounts["default"].get().unwrap().bot_token.is_none());
}

#[test]
fn other_machines_need_a_secret() {
    let loaded = Home::with("{ gateway: { bind: 'lan' } }").load();
    assert_eq!(loaded.config.gateway.bind, Bind::Loopback);
    assert_eq!(
        loaded.issues[0].fix.as_deref(),
        Some("openclaw config set gateway.bind loopback")
    );
}

#[test]
fn a_remedy_names_the_profile() {
    let mut home = Home::with("{ prot: 1 }");
    home.paths.profile = Some("work".to_owned());
    let fix = home.load().issues[0].fix.clone();
    assert_eq!(
        fix.as_deref(),
        Some("openclaw --profile work config unset prot")
    );
}

#[test]
fn the_snapshot_shows_no_secret() {
    let home = Home::with(
        "// my gateway\n{ gateway: { auth: { token: 'hunter2' } }, env: { vars: { K: 'envsecret' } }, \
         channels: { telegram: { botToken: '1:tgsecret' } }, prot: 1 }",
    );
    let loaded = home.load();
    let shown = snapshot(&loaded);
    let text = shown.to_string();
    for secret in ["hunter2", "envsecret", "tgsecret"] {
        assert!(!text.contains(secret), "{secret}");
        assert!(!format!("{loaded:?}").contains(secret), "{secret}");
    }
    assert!(shown["raw"].as_str().unwrap().starts_with("// my gateway"));
    assert_eq!(shown["valid"], json!(true));
    assert_eq!(shown["hash"], json!(loaded.hash));
    assert_eq!(shown["warnings"][0]["path"], json!("prot"));
}

#[test]
fn the_example_in_the_documentation_is_a_good_one() {
    let document = include_str!("../../../../docs/config.md");
    let example = document.split("```json5").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let loaded = Home::with(example).load();
    assert_eq!(loaded.issues, []);
    assert_eq!(loaded.config.channels.telegram.len(), 2);
}
