use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;

use serde_json::json;

use super::*;
use crate::Caller;
use crate::Elevated;
use crate::exec::Gate;
use crate::exec::Launch;
use crate::exec::argv;
use crate::policy::Outside;
use crate::sandbox::Bubblewrap;
use crate::sandbox::Sandboxes;

/// A disk on which every name in these folders is a program.
struct Folders;

impl Disk for Folders {
    fn is_program(&self, path: &Path) -> bool {
        ["/bin", "/usr/bin", "/opt/good", "/work/bin"]
            .iter()
            .any(|folder| path.parent() == Some(Path::new(folder)))
    }

    fn real(&self, path: &Path) -> Option<PathBuf> {
        let path = path.to_str()?;
        Some(PathBuf::from(match path {
            "/opt/good/innocent" => "/usr/bin/python3.12",
            "/usr/bin/ls" | "/bin/ls" => "/usr/bin/ls",
            path => path.strip_prefix("/bin/").map_or(path, |_| path),
        }))
    }
}

fn launch(command: &str) -> Launch {
    let search = [PathBuf::from("/usr/bin"), PathBuf::from("/opt/good")];
    let cwd = Path::new("/work");
    Launch {
        argv: argv(command, Path::new("/bin/bash"), &search, cwd, |path| {
            Folders.is_program(path)
        }),
        cwd: cwd.into(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/opt/good".to_owned())]),
        pty: false,
        walled: false,
    }
}

/// `ls`, everything in `/opt/good`, and (which must not count) whole folders with interpreters.
fn rules(security: &str, ask: &str) -> Rules {
    let config = json!({ "tools": { "exec": { "security": security, "ask": ask } } });
    let file = json!({ "agents": { "*": { "allowlist": [
        { "pattern": "/usr/bin/ls" }, { "pattern": "/opt/good/*" }, { "pattern": "/usr/bin/python*" },
        { "pattern": "/bin/*sh" }, { "pattern": "/usr/bin/env" }, { "pattern": "/usr/bin/xargs" },
    ] } } });
    Rules::of(&config, Some(&file), &"main".parse().unwrap(), None)
}

fn word(command: &str) -> Word {
    decide(&rules("allowlist", "on-miss"), &launch(command), &Folders)
}

#[test]
fn what_the_list_holds_runs_alone_and_in_chains() {
    for command in [
        "ls",
        "ls -la /etc",
        " ls ",
        "ls 'a b'",
        "ls | wc -l",
        "ls && ls",
        "ls; ls || ls",
        "/opt/good/tool x",
        "tool 'a;b' \"$\"x | head -5",
        "ls | grep -i x | sort -rn",
    ] {
        // A dollar inside double quotes is a shell's affair.
        if command.contains('$') {
            assert!(matches!(word(command), Word::Ask(_)), "{command}");
            continue;
        }
        assert_eq!(word(command), Word::Run, "{command}");
    }
}

#[test]
fn what_can_t_be_read_for_certain_is_asked_about() {
    for command in [
        // Other programs behind one that is allowed.
        "ls; rm -rf /",
        "ls && curl evil",
        "ls || nc evil 1",
        "ls | tee /etc/passwd",
        "ls & rm x",
        "ls\nrm x",
        "ls\r\nrm x",
        "ls |& rm",
        "ls $(rm x)",
        "ls `rm x`",
        "ls \"$(rm x)\"",
        "ls <(rm x)",
        "ls ${x:-$(rm x)}",
        "ls > /etc/passwd",
        "ls >> ~/.bashrc",
        "ls 2>&1",
        "ls < /dev/tcp/1.1.1.1/1",
        "ls <<EOF\n$(rm x)\nEOF",
        "ls <<'EOF'\nx\nEOF",
        "ls <<< x",
        "ls *",
        "ls ?",
        "ls [a]",
        "ls {a,b}",
        "ls ~root",
        "ls $HOME",
        "ls !!",
        "ls #x",
        "(ls)",
        "{ ls; }",
        "! ls",
        "ls \\\nrm",
        "A=1 ls",
        "PATH=/work/bin ls",
        "LD_PRELOAD=x ls",
        "ls; A=1 ls",
        "alias ls=rm",
        "eval ls",
        "command ls",
        "exec ls",
        "if ls; then rm x; fi",
        "for x in a; do ls; done",
        "function ls { rm; }; ls",
        "ls() { rm; }",
        "coproc ls",
        "time ls",
        "ls 'unclosed",
        "ls \"unclosed",
        "ls \\",
        "ls;;ls",
        "ls |",
        "| ls",
        "&& ls",
        "",
        // Programs that run what they are told, even where the list names them.
        "/work/bin/bash -c ls",
        "bin/sh -c ls",
        "/usr/bin/../../work/bin/sh -c ls",
        "fish -c ls",
        "bash -lc ls",
        "bash -c 'ls' x",
        "/bin/bash --norc -c ls",
        "env ls",
        "env -S 'ls -l'",
        "env -i ls",
        "/usr/bin/env -S ls",
        "xargs ls",
        "python3 -c 1",
        "python3.12 x.py",
        "perl -e 1",
        "node -e 1",
        "find . -exec ls ;",
        "awk 'BEGIN{system(\"ls\")}'",
        "sed -n 1e x",
        "nice ls",
        "timeout 5 ls",
        "sudo ls",
        "busybox ls",
        "git -c core.pager=ls log",
        "tar --checkpoint-action=exec=ls x",
        "ssh host ls",
        "make",
        "npm run x",
        "watch ls",
        "/opt/good/innocent",
        "innocent -c 1",
        "script -c ls",
        "stdbuf -o0 ls",
        "vim -c '!ls'",
        "less x",
        "docker run x",
        // Programs of the same name elsewhere, and none at all.
        "/work/bin/ls",
        "bin/ls",
        "./ls",
        "../usr/bin/ls",
        "nosuchprogram",
        "/usr/bin/../bin/rm",
        "LS",
        // What only looks like a space or like nothing.
        "ls\u{a0}-l",
        "ls\u{2003}x",
        "ls x\u{200b}",
        "ls \u{202e}x",
        "ls 'a\u{2028}b'",
        "ls\u{3000}x",
        "ls\u{feff}",
        "ls\tx\u{7}",
        // Safe programs that are told to read or write more.
        "wc /etc/shadow",
        "sort -o x",
        "grep -r x",
        "jq env",
        "head /etc/passwd",
        "ls | sort --compress-program=rm",
    ] {
        if let Word::Run = word(command) {
            panic!("{command:?} runs unasked");
        }
    }
}

#[test]
fn modes_are_as_strict_as_they_say() {
    let of = |security: &str, ask: &str, command: &str| {
        decide(&rules(security, ask), &launch(command), &Folders)
    };
    for ask in ["off", "on-miss", "always"] {
        assert!(matches!(of("deny", ask, "ls"), Word::Refuse(_)));
    }
    assert_eq!(of("full", "on-miss", "sh -c 'rm x'"), Word::Run);
    assert_eq!(of("full", "off", "rm x"), Word::Run);
    assert!(matches!(of("full", "always", "ls"), Word::Ask(question) if question.is_listed));
    assert!(matches!(of("allowlist", "off", "rm x"), Word::Refuse(_)));
    assert_eq!(of("allowlist", "off", "ls"), Word::Run);
    // What runs others is asked about each time; a plain program may be put on the list.
    assert!(
        matches!(of("allowlist", "on-miss", "sh -lc ls"), Word::Ask(question) if question.listable.is_empty())
    );
    assert!(
        matches!(of("allowlist", "on-miss", "uptime"), Word::Ask(question) if question.listable == ["/usr/bin/uptime"])
    );
    assert!(
        matches!(of("allowlist", "on-miss", "uptime | env"), Word::Ask(question) if question.listable.is_empty())
    );
    for name in ["LD_PRELOAD", "BASH_ENV", "NODE_OPTIONS", "GIT_SSH_COMMAND"] {
        let mut launch = launch("ls");
        launch.env.insert(name.to_owned(), "x".to_owned());
        assert!(
            matches!(
                decide(&rules("full", "off"), &launch, &Folders),
                Word::Refuse(_)
            ),
            "{name}"
        );
    }
}

/// A desk at which the answers lie ready.
#[derive(Default)]
struct Ready {
    decisions: Mutex<Vec<Option<Decision>>>,
    asked: Mutex<Vec<Request>>,
    listed: Mutex<Vec<String>>,
    used: Mutex<Vec<(Used, String)>>,
    file: Mutex<Value>,
    config: Mutex<Value>,
    /// Done while a person thinks.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Desk for Ready {
    fn config(&self) -> Tree {
        Tree::new(self.config.lock().unwrap().clone())
    }

    fn file(&self) -> BoxFuture<'static, Result<Option<Value>, String>> {
        let file = self.file.lock().unwrap().clone();
        Box::pin(async move { Ok(Some(file)) })
    }

    fn allow(&self, _: &AgentId, programs: Vec<String>) -> BoxFuture<'static, Result<(), String>> {
        self.listed.lock().unwrap().extend(programs);
        Box::pin(async { Ok(()) })
    }

    fn skill_programs(&self, _: &AgentId, _: &Path) -> Vec<String> {
        vec!["uptime".to_owned()]
    }

    fn used(&self, _: &AgentId, used: Vec<Used>, command: &str) {
        let used = used.into_iter().map(|used| (used, command.to_owned()));
        self.used.lock().unwrap().extend(used);
    }

    fn ask(&self, request: Request) -> BoxFuture<'static, Result<Option<Decision>, String>> {
        self.asked.lock().unwrap().push(request);
        if let Some(meanwhile) = self.meanwhile.lock().unwrap().take() {
            meanwhile();
        }
        let decision = self.decisions.lock().unwrap().remove(0);
        Box::pin(async move { Ok(decision) })
    }

    fn resolve(&self, _: &str, _: Decision, _: &str) -> BoxFuture<'static, Result<Value, String>> {
        Box::pin(async { Err("nothing waits".to_owned()) })
    }
}

fn call(turn: &str) -> ToolCall {
    ToolCall {
        name: "exec".into(),
        arguments: json!({}),
        key: format!("agent:main:main/{turn}/0"),
        workspace: "/work".into(),
        agent: "main".parse().unwrap(),
        session: "agent:main:main".parse().unwrap(),
        caller: Caller::default(),
        outside: None,
    }
}

fn no_walls() -> Sandboxes {
    Sandboxes::new(
        "/dev/null/sandboxes".into(),
        Bubblewrap::at("/dev/null/bwrap".into()),
    )
}

/// A program of our own in a folder of its own.
fn program() -> (tempfile::TempDir, PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("tool");
    std::fs::write(&path, "#!/bin/true\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    (dir, path)
}

fn own(path: &Path) -> Launch {
    Launch {
        argv: vec![path.to_str().unwrap().to_owned(), "--now".to_owned()],
        cwd: "/".into(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        pty: false,
        walled: false,
    }
}

#[tokio::test]
async fn what_is_allowed_is_what_runs_and_no_answer_is_a_no() {
    let (_dir, path) = program();
    let desk = Arc::new(Ready::default());
    let answers = [
        Some(Decision::AllowOnce),
        Some(Decision::AllowAlways),
        Some(Decision::Deny),
        None,
    ];
    desk.decisions.lock().unwrap().extend(answers);
    let gate = ExecGate::new(desk.clone(), None, no_walls());
    let launch = own(&path);
    assert_eq!(gate.check(&launch, &call("1")).await.unwrap(), launch);
    assert!(desk.listed.lock().unwrap().is_empty());
    assert_eq!(gate.check(&launch, &call("1")).await.unwrap(), launch);
    assert_eq!(*desk.listed.lock().unwrap(), [path.to_str().unwrap()]);
    assert!(
        gate.check(&launch, &call("1"))
            .await
            .unwrap_err()
            .contains("refused")
    );
    assert!(
        gate.check(&launch, &call("1"))
            .await
            .unwrap_err()
            .contains("in time")
    );
    let asked = desk.asked.lock().unwrap();
    assert_eq!(asked[0].facts["commandArgv"], json!(launch.argv));
    assert_eq!(asked[0].facts["resolvedPath"], json!(path));
}

#[tokio::test]
async fn a_question_is_bound_to_what_it_is_about() {
    let (_dir, path) = program();
    let desk = Arc::new(Ready::default());
    desk.decisions.lock().unwrap().extend([None; 6]);
    let gate = ExecGate::new(desk.clone(), None, no_walls());
    let launch = own(&path);
    let mut others = [
        launch.clone(),
        launch.clone(),
        launch.clone(),
        launch.clone(),
    ];
    others[0].argv.push("x".to_owned());
    others[1].cwd = "/tmp".into();
    others[2].env.insert("MODE".to_owned(), "x".to_owned());
    others[3].pty = true;
    drop(gate.check(&launch, &call("1")).await);
    for other in &others {
        drop(gate.check(other, &call("1")).await);
    }
    drop(gate.check(&launch, &call("2")).await);
    let mut ids: Vec<String> = desk
        .asked
        .lock()
        .unwrap()
        .iter()
        .map(|asked| asked.id.clone())
        .collect();
    assert_eq!(ids.len(), 6);
    ids.sort();
    ids.dedup();
    assert_eq!(
        ids.len(),
        6,
        "each launch and each turn has a question of its own"
    );
}

#[tokio::test]
async fn a_program_that_changes_while_it_is_asked_about_does_not_run() {
    let (_dir, path) = program();
    let desk = Arc::new(Ready::default());
    desk.decisions
        .lock()
        .unwrap()
        .extend([Some(Decision::AllowOnce); 2]);
    let changed = path.clone();
    *desk.meanwhile.lock().unwrap() = Some(Box::new(move || {
        std::fs::remove_file(&changed).unwrap();
        std::fs::write(&changed, "#!/bin/false\n").unwrap();
    }));
    let gate = ExecGate::new(desk.clone(), None, no_walls());
    let refused = gate.check(&own(&path), &call("1")).await.unwrap_err();
    assert!(refused.contains("changed"), "{refused}");
    let (_dir, path) = program();
    let forbidding = desk.clone();
    *desk.meanwhile.lock().unwrap() = Some(Box::new(move || {
        *forbidding.file.lock().unwrap() = json!({ "defaults": { "security": "deny" } });
    }));
    let refused = gate.check(&own(&path), &call("1")).await.unwrap_err();
    assert!(refused.contains("switched off"), "{refused}");
}

#[tokio::test]
async fn a_sandboxed_session_runs_nothing_without_walls() {
    let (_dir, path) = program();
    let desk = Arc::new(Ready::default());
    *desk.config.lock().unwrap() = json!({
        "agents": { "defaults": { "sandbox": { "mode": "all" } } },
        "tools": { "exec": { "security": "full", "ask": "off" } },
    });
    let gate = ExecGate::new(desk.clone(), None, no_walls());
    let refused = gate.check(&own(&path), &call("1")).await.unwrap_err();
    assert!(refused.contains("no sandbox works here"), "{refused}");
    assert!(desk.asked.lock().unwrap().is_empty());
}

/// A call of an elevated turn in a sandboxed session.
fn elevated(level: Elevated) -> ToolCall {
    let mut call = call("1");
    call.caller.elevated = level;
    call
}

#[tokio::test]
async fn elevated_programs_run_on_this_machine_by_its_rules() {
    let (_dir, path) = program();
    let launch = own(&path);
    let desk = Arc::new(Ready::default());
    let sandboxed = |exec: Value| json!({ "agents": { "defaults": { "sandbox": { "mode": "all" } } }, "tools": { "exec": exec } });
    *desk.config.lock().unwrap() = sandboxed(json!({}));
    let gate = ExecGate::new(desk.clone(), None, no_walls());
    // Walls that can't be made: what stays inside doesn't run.
    let inside = |refused: Result<Launch, String>| {
        assert!(refused.unwrap_err().contains("no sandbox works here"));
    };
    let ask = elevated(Elevated::Ask);
    desk.decisions
        .lock()
        .unwrap()
        .push(Some(Decision::AllowOnce));
    assert_eq!(gate.check(&launch, &ask).await.unwrap(), launch);
    assert_eq!(desk.asked.lock().unwrap().len(), 1, "the rules hold");
    let mut stays = ask.clone();
    stays.arguments = json!({ "elevated": false });
    inside(gate.check(&launch, &stays).await);
    let mut wishes = elevated(Elevated::Off);
    inside(gate.check(&launch, &wishes).await);
    wishes.arguments = json!({ "elevated": true });
    let refused = gate.check(&launch, &wishes).await.unwrap_err();
    assert!(
        refused.contains("not elevated"),
        "no model leaves by itself: {refused}"
    );

    let full = elevated(Elevated::Full);
    assert_eq!(gate.check(&launch, &full).await.unwrap(), launch);
    assert_eq!(desk.asked.lock().unwrap().len(), 1, "nobody is asked");
    for (exec, refused) in [
        (json!({ "security": "deny" }), "switched off"),
        (json!({ "ask": "always" }), "in time"),
    ] {
        *desk.config.lock().unwrap() = sandboxed(exec);
        desk.decisions.lock().unwrap().push(None);
        let said = gate.check(&launch, &full).await.unwrap_err();
        assert!(said.contains(refused), "{said}");
        desk.decisions.lock().unwrap().clear();
    }
    *desk.config.lock().unwrap() = sandboxed(json!({}));
    *desk.file.lock().unwrap() = json!({ "defaults": { "security": "deny" } });
    assert!(
        gate.check(&launch, &full).await.is_err(),
        "the file forbids"
    );
}

#[tokio::test]
async fn after_words_from_outside_an_elevated_program_is_asked_about_each_time() {
    let (_dir, path) = program();
    let desk = Arc::new(Ready::default());
    *desk.config.lock().unwrap() =
        json!({ "agents": { "defaults": { "sandbox": { "mode": "all" } } } });
    let gate = ExecGate::new(desk.clone(), None, no_walls());
    let mut full = elevated(Elevated::Full);
    full.outside = Some(Outside {
        from: "web_fetch".to_owned(),
        may_ask: true,
        ..Outside::default()
    });
    desk.decisions
        .lock()
        .unwrap()
        .extend([None, Some(Decision::AllowAlways)]);
    assert!(gate.check(&own(&path), &full).await.is_err());
    assert!(gate.check(&own(&path), &full).await.is_ok());
    assert_eq!(desk.asked.lock().unwrap().len(), 2);
    assert!(desk.listed.lock().unwrap().is_empty(), "it counts once");
    full.outside.as_mut().unwrap().may_ask = false;
    assert!(gate.check(&own(&path), &full).await.is_err());
}

#[tokio::test]
async fn the_entry_that_let_a_program_run_is_told_of() {
    let (_dir, path) = program();
    let folder = path.parent().unwrap().to_str().unwrap();
    let desk = Arc::new(Ready::default());
    let pattern = format!("{folder}/*");
    *desk.file.lock().unwrap() =
        json!({ "agents": { "*": { "allowlist": [{ "pattern": pattern }] } } });
    let gate = ExecGate::new(desk.clone(), None, no_walls());
    gate.check(&own(&path), &call("1")).await.unwrap();
    let used = Used {
        pattern,
        program: path.clone(),
    };
    let command = format!("{} --now", path.display());
    assert_eq!(*desk.used.lock().unwrap(), [(used, command)]);
    // What another rule lets through has used no entry.
    *desk.file.lock().unwrap() = json!({});
    *desk.config.lock().unwrap() = json!({ "tools": { "exec": { "security": "full" } } });
    gate.check(&own(&path), &call("1")).await.unwrap();
    assert_eq!(desk.used.lock().unwrap().len(), 1);
}

#[test]
fn what_skills_declare_runs_only_as_the_program_of_that_name() {
    let word = |command: &str, names: &[&str]| {
        let mut rules = rules("allowlist", "on-miss");
        rules.skill_programs = names.iter().map(|&name| name.to_owned()).collect();
        decide(&rules, &launch(command), &Folders)
    };
    assert_eq!(word("uptime -p", &["uptime"]), Word::Run);
    assert_eq!(word("/usr/bin/uptime | wc -l", &["uptime"]), Word::Run);
    for (command, name) in [
        ("uptime", "up"),
        // Another program of that name, a path in place of a name, and what runs what it is told.
        ("/work/bin/uptime", "uptime"),
        ("/work/bin/tool", "/work/bin/tool"),
        ("bash -lc ls", "bash"),
        ("/opt/good/innocent -c 1", "innocent"),
        ("uptime; rm x", "uptime"),
    ] {
        assert!(matches!(word(command, &[name]), Word::Ask(_)), "{command}");
    }
    let filed = |entry: Value| {
        let file = json!({ "defaults": { "autoAllowSkills": true }, "agents": { "main": entry } });
        Rules::of(&json!({}), Some(&file), &AgentId::main(), None).allows_skills
    };
    assert!(filed(json!({})) && !filed(json!({ "autoAllowSkills": false })));
    assert!(!filed(json!({ "autoAllowSkills": "yes" })));
}
