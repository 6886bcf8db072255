use openclaw_gateway::config::Environment;

use super::*;
use crate::cli::Globals;

fn shell(folder: &std::path::Path, more: &[(&str, &str)]) -> Shell {
    let state = folder.join("state");
    let variables = [
        ("HOME", folder.to_str().unwrap()),
        ("OPENCLAW_STATE_DIR", state.to_str().unwrap()),
    ];
    let environment: Environment = variables
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Shell::new(Globals::default(), environment)
}

#[test]
fn the_first_config_has_a_token_of_its_own_and_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let written = first_config(Some(4242), &shell(dir.path(), &[])).unwrap();
    assert!(written.valid(), "{:?}", written.issues);
    assert_eq!(written.config.gateway.port, 4242);
    let auth = written.config.gateway.auth.or_default();
    assert_eq!(auth.token.unwrap().expose().len(), 64);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&written.path)
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // A second start keeps it.
    let again = first_config(Some(5000), &shell(dir.path(), &[])).unwrap();
    assert_eq!(again.hash, written.hash);
}

#[test]
fn a_config_without_a_secret_gets_one_and_keeps_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("state")).unwrap();
    let file = dir.path().join("state/openclaw.json");
    std::fs::write(
        &file,
        "{ logging: { level: \"debug\" }, gateway: { port: 4000 } }",
    )
    .unwrap();
    let written = first_config(Some(4242), &shell(dir.path(), &[])).unwrap();
    assert!(written.config.gateway.auth.or_default().token.is_some());
    assert_eq!(written.config.gateway.port, 4000);
    assert_eq!(written.config.logging.level.unwrap().as_str(), "debug");
}

#[test]
fn a_secret_from_the_environment_needs_no_config() {
    let dir = tempfile::tempdir().unwrap();
    let shell = shell(
        dir.path(),
        &[("OPENCLAW_GATEWAY_TOKEN", "from-the-environment")],
    );
    assert!(!first_config(None, &shell).unwrap().exists);
}

#[test]
fn flags_and_variables_go_before_the_config() {
    let dir = tempfile::tempdir().unwrap();
    let shell = shell(
        dir.path(),
        &[
            ("OPENCLAW_GATEWAY_PORT", "4001"),
            ("OPENCLAW_GATEWAY_TOKEN", "variable"),
        ],
    );
    let loaded = shell.config().unwrap();
    let port = Port::resolve(None, loaded).unwrap();
    let args = RunArgs {
        password: Some("flag".into()),
        bind: Some(crate::commands::gateway::run::Bind::Lan),
        ..RunArgs::default()
    };
    let over = overrides(&args, loaded, port);
    assert_eq!(over.port, Some(4001));
    assert_eq!(over.bind.as_deref(), Some("lan"));
    assert_eq!(over.token.unwrap().expose(), "variable");
    assert_eq!(over.password.unwrap().expose(), "flag");
}
