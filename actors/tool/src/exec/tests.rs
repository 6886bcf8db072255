use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use openclaw_protocol::AgentId;
use openclaw_protocol::Content;
use openclaw_protocol::SessionKey;
use openclaw_runtime::BoxFuture;
use openclaw_runtime::Directory;
use openclaw_runtime::Root;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::Tool;
use crate::ToolCall;

/// Long enough for a busy machine.
const SOON: Duration = Duration::from_secs(30);

struct House {
    dir: TempDir,
    root: Root,
    exec: Exec,
    process: Process,
    told: Arc<Mutex<Vec<String>>>,
}

async fn house() -> House {
    house_with(Arc::new(|_: &Launch| Ok(()))).await
}

async fn house_with(gate: Arc<dyn Gate>) -> House {
    let (programs, told) = (Programs::default(), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&told);
    let notify: Notify = Arc::new(move |session, line| {
        heard.lock().unwrap().push(format!("{session}: {line}"));
        Box::pin(async {})
    });
    let root = Root::start(Directory::new(), "gateway", vec![programs.spec(notify)]).await;
    let rules: ExecRulesNow = Arc::new(|_| ExecRules {
        env: base_environment([("PATH", "/usr/bin:/bin"), ("SECRET_KEY", "s")], &[]),
        shell: "/bin/sh".into(),
        background: Duration::from_secs(60),
        timeout: Duration::from_secs(60),
        kept: Duration::from_secs(600),
        notify: true,
    });
    House {
        dir: tempfile::tempdir().unwrap(),
        root,
        exec: Exec::new(programs.clone(), gate, rules, Arc::new(secrets)),
        process: Process::new(programs),
        told,
    }
}

/// What the skills of agent "sailor" give to programs.
fn secrets(agent: &AgentId, _: &Path) -> Secrets {
    let key = ("TIDE_KEY".to_owned(), "low-and-high".to_owned());
    Secrets::new((agent.as_str() == "sailor").then_some(key))
}

impl House {
    fn call(&self, agent: &str, arguments: Value) -> ToolCall {
        let agent = AgentId::parse(agent).unwrap();
        ToolCall {
            name: "exec".to_owned(),
            arguments,
            key: "k".to_owned(),
            workspace: self.workspace(),
            session: SessionKey::main(&agent),
            agent,
            caller: Default::default(),
            outside: None,
        }
    }

    fn workspace(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    async fn exec(&self, arguments: Value) -> (bool, String) {
        said(self.exec.run(self.call("main", arguments)).await)
    }

    async fn process(&self, arguments: Value) -> (bool, String) {
        said(self.process.run(self.call("main", arguments)).await)
    }

    async fn good(&self, arguments: Value) -> String {
        let (is_good, text) = self.exec(arguments).await;
        assert!(is_good, "{text}");
        text
    }

    async fn bad(&self, arguments: Value) -> String {
        let (is_good, text) = self.exec(arguments).await;
        assert!(!is_good, "{text}");
        text
    }

    fn number(&self, name: &str) -> Option<u32> {
        let text = std::fs::read_to_string(self.dir.path().join(name)).ok()?;
        text.trim().parse().ok()
    }
}

fn said(outcome: crate::ToolOutcome) -> (bool, String) {
    match outcome.content.first() {
        Some(Content::Text { text, .. }) => (!outcome.is_error, text.clone()),
        other => panic!("{other:?}"),
    }
}

fn session(text: &str) -> String {
    let after = text
        .split("(session ")
        .nth(1)
        .unwrap_or_else(|| panic!("{text}"));
    after.split([')', ',']).next().unwrap().to_owned()
}

/// Whether a process is there and not only waited for.
fn lives(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .map(|(_, after)| after.starts_with(['Z', 'X']));
    state == Some(false)
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let done = tokio::time::timeout(SOON, waiting).await;
    assert!(done.is_ok(), "{what}");
}

#[tokio::test]
async fn a_command_is_run_in_the_workspace_and_its_words_and_end_are_told() {
    let house = house().await;
    let workspace = house.workspace().display().to_string();
    assert_eq!(house.good(json!({ "command": "pwd" })).await, workspace);
    assert_eq!(
        house.good(json!({ "command": "true" })).await,
        "(no output)"
    );
    let both = house
        .good(json!({ "command": "echo out; echo err >&2; echo out" }))
        .await;
    assert_eq!(both, "out\nerr\nout");
    let failed = house.bad(json!({ "command": "echo so; exit 3" })).await;
    assert_eq!(failed, "so\n\n[exit code 3]");
    let killed = house.bad(json!({ "command": "kill -9 $$" })).await;
    assert!(
        killed.ends_with("[exit code 137, as after signal 9]"),
        "{killed}"
    );
    let gone = house
        .bad(json!({ "command": "no-such-program-here" }))
        .await;
    assert!(gone.contains("exit code 127"), "{gone}");
    std::fs::create_dir(house.workspace().join("sub")).unwrap();
    let sub = house
        .good(json!({ "command": "pwd", "workdir": "sub" }))
        .await;
    assert_eq!(sub, format!("{workspace}/sub"));
    assert!(
        house
            .bad(json!({ "command": "pwd", "workdir": "none" }))
            .await
            .contains("no folder")
    );
    assert!(house.bad(json!({})).await.contains("needs a command"));
    assert!(
        house
            .bad(json!({ "command": "true", "host": "node" }))
            .await
            .contains("nodes")
    );
    // It has no input that it could wait for.
    assert_eq!(house.good(json!({ "command": "cat" })).await, "(no output)");
}

#[tokio::test]
async fn a_program_gets_no_secret_and_no_variable_that_changes_what_runs() {
    let house = house().await;
    let env = house
        .good(json!({ "command": "env", "env": { "ADDED": "a b" } }))
        .await;
    let mut names: Vec<&str> = env
        .lines()
        .filter_map(|line| line.split('=').next())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["ADDED", "LANG", "OPENCLAW_SHELL", "PATH"]);
    for name in ["LD_PRELOAD", "BASH_ENV", "PATH", "IFS", "OPENCLAW_CONFIG"] {
        let refused = house
            .bad(json!({ "command": "touch ran", "env": { name: "x" } }))
            .await;
        assert!(refused.contains("may not be set"), "{refused}");
    }
    assert!(!house.workspace().join("ran").exists());
}

#[tokio::test]
async fn a_skill_s_key_reaches_the_program_and_nobody_who_reads_of_it() {
    // The gate, and with it whoever is asked, sees no key.
    let gate = |launch: &Launch| match launch.env.values().any(|value| value == "low-and-high") {
        true => Err("a key was shown".to_owned()),
        false => Ok(()),
    };
    let house = house_with(Arc::new(gate)).await;
    let command = "printf %s $TIDE_KEY > key; echo it is $TIDE_KEY";
    let run = |arguments| house.exec.run(house.call("sailor", arguments));
    let (is_good, text) = said(run(json!({ "command": command })).await);
    assert!(is_good && text == "it is [TIDE_KEY]", "{text}");
    let key = house.workspace().join("key");
    assert_eq!(std::fs::read_to_string(&key).unwrap(), "low-and-high");
    // What the call itself sets stays.
    let own = json!({ "command": command, "env": { "TIDE_KEY": "own" } });
    let (_, text) = said(run(own).await);
    assert_eq!(text, "it is own");
    // Another agent's programs get nothing.
    assert_eq!(house.good(json!({ "command": command })).await, "it is");
}

#[tokio::test]
async fn walls_keep_keys_out() {
    struct Walls;
    impl Gate for Walls {
        fn check(
            &self,
            launch: &Launch,
            _: &ToolCall,
        ) -> BoxFuture<'static, Result<Launch, String>> {
            let mut launch = launch.clone();
            launch.walled = true;
            Box::pin(std::future::ready(Ok(launch)))
        }
    }
    let house = house_with(Arc::new(Walls)).await;
    let call = house.call("sailor", json!({ "command": "echo it is $TIDE_KEY" }));
    assert_eq!(said(house.exec.run(call).await), (true, "it is".to_owned()));
}

#[tokio::test]
async fn what_was_decided_on_is_what_runs() {
    let house = house_with(Arc::new(|launch: &Launch| {
        let is_echo = ["/usr/bin/echo", "/bin/echo"].map(Path::new);
        match is_echo.contains(&launch.program()) {
            true => Ok(()),
            false => Err(format!("{} is not on the list", launch.program().display())),
        }
    }))
    .await;
    assert_eq!(
        house
            .good(json!({ "command": "echo 'a; touch ran'" }))
            .await,
        "a; touch ran"
    );
    for command in [
        "echo a; touch ran",
        "echo $(touch ran)",
        "echo `touch ran`",
        "echo a > ran",
        "echo a\ntouch ran",
        "X=1 touch ran",
        "touch ran",
        "./echo",
        "sh -c 'touch ran'",
        "/bin/sh ran",
        "\"echo\" \"$(touch ran)\"",
    ] {
        let script = house.workspace().join("echo");
        std::fs::write(&script, "#!/bin/sh\ntouch ran\n").unwrap();
        let refused = house.bad(json!({ "command": command })).await;
        assert!(refused.contains("not on the list"), "{command}: {refused}");
    }
    assert!(!house.workspace().join("ran").exists());
}

/// A gate that wraps what it lets through, as a sandbox does.
struct Wrapping;

impl Gate for Wrapping {
    fn check(
        &self,
        launch: &Launch,
        _call: &ToolCall,
    ) -> BoxFuture<'static, Result<Launch, String>> {
        let mut launch = launch.clone();
        launch
            .argv
            .splice(0..0, ["/usr/bin/env", "WRAPPED=yes"].map(str::to_owned));
        Box::pin(async move { Ok(launch) })
    }
}

#[tokio::test]
async fn a_gate_may_wrap_what_it_lets_through() {
    let house = house_with(Arc::new(Wrapping)).await;
    assert_eq!(
        house.good(json!({ "command": "echo \"$WRAPPED\"" })).await,
        "yes"
    );
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_ended_with_its_children() {
    let house = house().await;
    let script = "sleep 600 & echo $! > child; echo begun; sleep 600";
    let late = house
        .bad(json!({ "command": script, "timeout": 0.3 }))
        .await;
    assert!(
        late.starts_with("begun\n") && late.contains("the time it may take"),
        "{late}"
    );
    let child = house.number("child").unwrap();
    until("the child is gone", || !lives(child)).await;
}

#[tokio::test]
async fn a_turn_that_is_killed_takes_its_program_along_within_two_seconds() {
    let house = house().await;
    let script = "sleep 600 & echo $! > child; echo $$ > own; sleep 600";
    let mut running = house
        .exec
        .run(house.call("main", json!({ "command": script })));
    let begun = || house.number("child").is_some() && house.number("own").is_some();
    tokio::select! {
        _ = &mut running => panic!("it ended"),
        () = until("it runs", begun) => {}
    }
    let killed = Instant::now();
    drop(running);
    let processes = ["child", "own"].map(|name| house.number(name).unwrap());
    until("all are gone", || {
        !processes.iter().any(|process| lives(*process))
    })
    .await;
    assert!(killed.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_long_run_goes_on_in_the_background_and_tells_its_session() {
    let house = house().await;
    let script = "echo one; while [ ! -e go ]; do sleep 0.02; done; echo two; exit 4";
    let running = house
        .good(json!({ "command": script, "yieldMs": 200 }))
        .await;
    assert!(running.contains("Still running"), "{running}");
    let id = session(&running);
    let about = |action: &str| json!({ "action": action, "sessionId": id });
    let (_, list) = house.process(json!({ "action": "list" })).await;
    assert!(list.contains(&id) && list.contains("running"), "{list}");
    assert!(!house.process(about("clear")).await.0);
    std::fs::write(house.workspace().join("go"), "").unwrap();
    until("the session is told", || {
        !house.told.lock().unwrap().is_empty()
    })
    .await;
    let line = house.told.lock().unwrap().remove(0);
    assert!(
        line.starts_with("agent:main:main: ") && line.contains("exit code 4"),
        "{line}"
    );
    let (_, news) = house.process(about("poll")).await;
    assert!(news.ends_with("two\n\nOver: exit code 4."), "{news}");
    let (_, log) = house
        .process(json!({ "action": "log", "sessionId": id, "offset": 0, "limit": 1 }))
        .await;
    assert_eq!(
        log,
        "one\n\n[2 lines in all; use offset and limit for others]"
    );
    assert!(house.process(about("clear")).await.0);
    assert!(!house.process(about("poll")).await.0);
}

#[tokio::test]
async fn a_run_in_the_background_is_spoken_to_and_ended() {
    let house = house().await;
    let running = house
        .good(json!({ "command": "cat; echo over", "background": true }))
        .await;
    let id = session(&running);
    let write = json!({ "action": "write", "sessionId": id, "data": "hello\n", "eof": true });
    assert!(house.process(write).await.0);
    let poll = json!({ "action": "poll", "sessionId": id, "timeout": 30_000 });
    assert_eq!(
        house.process(poll).await.1,
        "hello\nover\n\nOver: exit code 0."
    );
    // Where it was over before anybody asked, that was told.
    house.told.lock().unwrap().clear();

    let running = house
        .good(json!({ "command": "echo $$ > own; sleep 600", "background": true }))
        .await;
    let id = session(&running);
    until("it runs", || house.number("own").is_some()).await;
    // It belongs to its agent alone.
    let others = house
        .process
        .run(house.call("other", json!({ "action": "kill", "sessionId": id })));
    assert!(said(others.await).1.contains("there is no session"));
    let (is_good, text) = house
        .process(json!({ "action": "kill", "sessionId": id }))
        .await;
    assert!(is_good, "{text}");
    let own = house.number("own").unwrap();
    until("it is gone", || !lives(own)).await;
    let (_, list) = house.process(json!({ "action": "list" })).await;
    assert!(list.contains("ended from outside"), "{list}");
    assert!(
        house
            .process(json!({ "action": "remove", "sessionId": id }))
            .await
            .0
    );
    assert!(
        house.told.lock().unwrap().is_empty(),
        "who ended it knows of it"
    );
}

#[tokio::test]
async fn programs_end_with_their_owner() {
    let house = house().await;
    let script = "sleep 600 & echo $! > child; sleep 600";
    house
        .good(json!({ "command": script, "background": true }))
        .await;
    until("it runs", || house.number("child").is_some()).await;
    let child = house.number("child").unwrap();
    house.root.shutdown(Duration::from_secs(5)).await;
    until("it is gone", || !lives(child)).await;
    let refused = house.bad(json!({ "command": "touch ran" })).await;
    assert!(refused.contains("can't be run at the moment"), "{refused}");
}

#[tokio::test]
async fn a_flood_of_words_is_cut_in_its_middle() {
    let house = house().await;
    let script = "echo first; yes word | head -n 200000; echo last";
    let said = house.good(json!({ "command": script })).await;
    assert!(
        said.starts_with("first\n") && said.contains("\nlast\n[cut: process log"),
        "{}",
        said.len()
    );
    assert!(said.len() < 40_000);
    let (_, log) = house
        .process(json!({ "action": "log", "sessionId": session(&said), "limit": 2 }))
        .await;
    assert!(log.starts_with("word\nlast\n"), "{log}");
}

#[tokio::test]
async fn a_terminal_needs_a_guard() {
    let house = house().await;
    let refused = house.bad(json!({ "command": "tty", "pty": true })).await;
    assert!(
        refused.contains("not run: could not be started"),
        "{refused}"
    );
    assert!(is_program(Path::new("/bin/sh")) && !is_program(Path::new("/etc/passwd")));
}
