use super::*;

fn paths(vars: &[(&str, &str)], profile: Option<&str>, dev: bool) -> Result<Paths, PathsError> {
    let lookup = |name: &str| {
        vars.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    };
    Paths::from_env(lookup, profile, dev)
}

#[test]
fn the_plain_case_is_the_dot_folder_in_the_home() {
    let paths = paths(&[("HOME", "/home/a")], None, false).unwrap();
    assert_eq!(paths.state_dir, Path::new("/home/a/.openclaw"));
    assert_eq!(
        paths.config_path,
        Path::new("/home/a/.openclaw/openclaw.json")
    );
    let main = AgentId::main();
    assert_eq!(
        paths.sessions_file(&main),
        Path::new("/home/a/.openclaw/agents/main/sessions/sessions.json")
    );
    assert_eq!(
        paths.workspace(&main, true, None),
        Path::new("/home/a/.openclaw/workspace")
    );
    assert_eq!(
        paths.workspace(&main, true, Some("~/x")),
        Path::new("/home/a/x")
    );
    let ops = AgentId::parse("ops").unwrap();
    assert_eq!(
        paths.workspace(&ops, false, None),
        Path::new("/home/a/.openclaw/workspace-ops")
    );
}

#[test]
fn profiles_have_their_own_folder() {
    let home = ("HOME", "/h");
    let dir = |vars: &[_], profile, dev| paths(vars, profile, dev).unwrap().state_dir;
    assert_eq!(
        dir(&[home], Some("work"), false),
        Path::new("/h/.openclaw-work")
    );
    assert_eq!(dir(&[home], None, true), Path::new("/h/.openclaw-dev"));
    assert_eq!(
        dir(&[home, ("OPENCLAW_PROFILE", "p")], None, false),
        Path::new("/h/.openclaw-p")
    );
    assert_eq!(
        dir(&[home], Some("default"), false),
        Path::new("/h/.openclaw")
    );
    let bad = paths(&[home], Some("../x"), false);
    assert_eq!(bad, Err(PathsError::Profile("../x".to_owned())));
}

#[test]
fn explicit_folders_win() {
    let vars = [
        ("HOME", "/h"),
        ("OPENCLAW_HOME", "~/oc"),
        ("OPENCLAW_STATE_DIR", "/s"),
        ("OPENCLAW_CONFIG_PATH", "~/c.json5"),
    ];
    let paths = paths(&vars, Some("work"), false).unwrap();
    assert_eq!(paths.home, Path::new("/h/oc"));
    assert_eq!(paths.state_dir, Path::new("/s"));
    assert_eq!(paths.config_path, Path::new("/h/oc/c.json5"));
}

#[test]
fn a_service_without_a_home_needs_a_state_folder() {
    assert_eq!(paths(&[], None, false), Err(PathsError::NoHome));
    let paths = paths(&[("OPENCLAW_STATE_DIR", "/s")], None, false).unwrap();
    assert_eq!(paths.config_path, Path::new("/s/openclaw.json"));
}
