//! What agents run ends with its turn, its time, and the gateway; with the real guard around it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::{AgentId, Content, SessionKey};
use openclaw_runtime::{Directory, Root};
use openclaw_support::gateway::{Home, wait_until};
use openclaw_tool::exec::{Exec, ExecRules, Launch, Process, Programs, Secrets, base_environment};
use openclaw_tool::{Tool, ToolCall, ToolOutcome};
use serde_json::{Value, json};

/// Long enough for a busy machine.
const SOON: Duration = Duration::from_secs(20);
/// The promise.
const DEATH: Duration = Duration::from_secs(2);

/// A child in the group, one in a session of its own, and one whose parent is gone.
const FAMILY: &str = "echo $$ > own; sleep 1000 & echo $! > child; \
    setsid sh -c 'echo $$ > session; exec sleep 1000' & \
    (setsid sh -c 'echo $$ > orphan; exec sleep 1000' &); sleep 1000";
const NAMES: [&str; 4] = ["own", "child", "session", "orphan"];

struct House {
    dir: PathBuf,
    _root: Root,
    exec: Exec,
    process: Process,
}

async fn house(dir: &Path) -> House {
    openclaw_runtime::child::guard_by(env!("CARGO_BIN_EXE_openclaw"));
    let programs = Programs::default();
    let owner = programs.spec(Arc::new(|_, _| Box::pin(async {})));
    let rules = |_: &AgentId| ExecRules {
        env: base_environment([("PATH", "/usr/bin:/bin")], &[]),
        shell: "/bin/sh".into(),
        background: Duration::from_secs(60),
        timeout: Duration::from_secs(60),
        kept: Duration::from_secs(600),
        notify: false,
    };
    let gate = |_: &Launch| Ok(());
    let secrets = |_: &AgentId, _: &Path| Secrets::default();
    House {
        dir: dir.to_owned(),
        _root: Root::start(Directory::new(), "gateway", vec![owner]).await,
        exec: Exec::new(
            programs.clone(),
            Arc::new(gate),
            Arc::new(rules),
            Arc::new(secrets),
        ),
        process: Process::new(programs),
    }
}

impl House {
    fn call(&self, arguments: Value) -> ToolCall {
        ToolCall {
            name: "exec".to_owned(),
            arguments,
            key: "k".to_owned(),
            workspace: self.dir.clone(),
            agent: AgentId::main(),
            session: SessionKey::main(&AgentId::main()),
            caller: Default::default(),
            outside: None,
        }
    }

    async fn exec(&self, arguments: Value) -> String {
        said(&self.exec.run(self.call(arguments)).await)
    }

    async fn process(&self, arguments: Value) -> String {
        said(&self.process.run(self.call(arguments)).await)
    }

    async fn poll(&self, id: &str) -> String {
        let poll = json!({ "action": "poll", "sessionId": id });
        self.process(poll).await
    }
}

fn said(outcome: &ToolOutcome) -> String {
    match outcome.content.first() {
        Some(Content::Text { text, .. }) => text.clone(),
        other => panic!("{other:?}"),
    }
}

fn session(text: &str) -> String {
    let after = text
        .split("(session ")
        .nth(1)
        .unwrap_or_else(|| panic!("{text}"));
    after.split(')').next().unwrap().to_owned()
}

fn number(dir: &Path, name: &str) -> Option<u32> {
    std::fs::read_to_string(dir.join(name))
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn family(dir: &Path) -> Option<Vec<u32>> {
    NAMES.iter().map(|name| number(dir, name)).collect()
}

/// Whether a process is there and not only waited for.
fn lives(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let is_dead = stat
        .rsplit_once(") ")
        .map(|(_, after)| after.starts_with(['Z', 'X']));
    is_dead == Some(false)
}

async fn all_end(dir: &Path) {
    let processes = family(dir).unwrap();
    wait_until("all of them are gone", DEATH, || {
        !processes.iter().any(|process| lives(*process))
    })
    .await;
    for name in NAMES {
        std::fs::remove_file(dir.join(name)).unwrap();
    }
}

#[tokio::test]
async fn a_run_ends_with_all_that_it_started_even_in_sessions_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let house = house(dir.path()).await;
    // Its turn is killed.
    let mut turn = house.exec.run(house.call(json!({ "command": FAMILY })));
    tokio::select! {
        outcome = &mut turn => panic!("{outcome:?}"),
        () = wait_until("it runs", SOON, || family(dir.path()).is_some()) => {}
    }
    drop(turn);
    all_end(dir.path()).await;
    // Its time is over.
    let late = house.exec(json!({ "command": FAMILY, "timeout": 3 })).await;
    assert!(late.contains("the time it may take"), "{late}");
    all_end(dir.path()).await;
    // It is ended by hand, from the background.
    let id = session(
        &house
            .exec(json!({ "command": FAMILY, "background": true }))
            .await,
    );
    wait_until("it runs", SOON, || family(dir.path()).is_some()).await;
    let ended = house
        .process(json!({ "action": "kill", "sessionId": id }))
        .await;
    assert!(ended.starts_with("ended"), "{ended}");
    all_end(dir.path()).await;
    // It comes to its own end, and leaves others behind.
    let alone = FAMILY.strip_suffix("sleep 1000").unwrap();
    let left = format!("{alone} until [ -s session ] && [ -s orphan ]; do :; done; exit 5");
    let left = house.exec(json!({ "command": left })).await;
    assert!(left.contains("[exit code 5]"), "{left}");
    all_end(dir.path()).await;
}

#[tokio::test]
async fn a_program_in_a_terminal_is_spoken_to_with_keys() {
    let dir = tempfile::tempdir().unwrap();
    let house = house(dir.path()).await;
    let script = "tty; stty size; read line; echo \"got <$line>\"; trap 'echo caught; exit 6' INT; while :; do sleep 0.05; done";
    let id = session(
        &house
            .exec(json!({ "command": script, "pty": true, "background": true }))
            .await,
    );
    let mut heard = String::new();
    let mut hear = async |word: &str| {
        let deadline = std::time::Instant::now() + SOON;
        while !heard.contains(word) {
            assert!(std::time::Instant::now() < deadline, "no {word}: {heard}");
            let poll = json!({ "action": "poll", "sessionId": id, "timeout": 20 });
            heard.push_str(&house.process(poll).await);
        }
    };
    hear("/dev/pts/").await;
    hear("30 120").await;
    house
        .process(json!({ "action": "write", "sessionId": id, "data": "a b" }))
        .await;
    house
        .process(json!({ "action": "submit", "sessionId": id }))
        .await;
    hear("got <a b>").await;
    house
        .process(json!({ "action": "send-keys", "sessionId": id, "keys": ["C-c"] }))
        .await;
    hear("caught").await;
    hear("Over: exit code 6").await;
}

#[tokio::test]
async fn input_of_any_length_arrives_and_its_end_too() {
    let dir = tempfile::tempdir().unwrap();
    let house = house(dir.path()).await;
    let id = session(
        &house
            .exec(json!({ "command": "wc -c", "background": true }))
            .await,
    );
    let data = "0123456789".repeat(3000);
    let wrote = house
        .process(json!({ "action": "write", "sessionId": id, "data": data }))
        .await;
    assert!(wrote.starts_with("wrote 30000 bytes"), "{wrote}");
    house
        .process(json!({ "action": "write", "sessionId": id, "data": "", "eof": true }))
        .await;
    let poll = json!({ "action": "poll", "sessionId": id, "timeout": 20_000 });
    assert_eq!(house.process(poll).await, "30000\n\nOver: exit code 0.");
    // Who reads nothing is not waited for.
    let id = session(
        &house
            .exec(json!({ "command": "sleep 1000", "background": true }))
            .await,
    );
    let data = "x".repeat(1_000_000);
    let full = house
        .process(json!({ "action": "write", "sessionId": id, "data": data }))
        .await;
    assert!(full.contains("does not read fast enough"), "{full}");
    assert!(house.poll(&id).await.contains("Still running"));
}

#[tokio::test]
async fn no_program_of_an_agent_survives_a_killed_gateway() {
    let home = Home::new(env!("CARGO_BIN_EXE_openclaw"))
        .config(json!({ "tools": { "exec": { "security": "full" } } }));
    let workspace = home.state().join("workspace");
    std::fs::create_dir_all(&workspace).unwrap();
    for pty in [false, true] {
        let mut gateway = home.start("");
        gateway.ready().await;
        let mut client = gateway.client().await;
        let run = json!({ "name": "exec", "args": { "command": FAMILY, "background": true, "pty": pty } });
        let started = client.call("tools.invoke", run).await.unwrap();
        assert_eq!(started["ok"], true, "{started}");
        wait_until("it runs", SOON, || family(&workspace).is_some()).await;
        gateway.kill();
        all_end(&workspace).await;
    }
}
