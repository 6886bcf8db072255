//! Programs that the gateway starts die with it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use openclaw_support::gateway::{Home, wait_until};
use serde_json::json;

/// Long enough for a start on a busy machine.
const START: Duration = Duration::from_secs(20);
/// The promise.
const DEATH: Duration = Duration::from_secs(2);

/// A login shell that hangs, as a profile that waits for the network does, with a child of its own.
const SHELL: &str = "#!/bin/sh
[ -e hang ] || exit 0
sleep 1000 &
echo $! > grandchild
echo $PPID > guard
echo $$ > child
sleep 1001
";

#[tokio::test]
async fn a_program_and_its_children_die_with_the_gateway() {
    let home = Home::new(env!("CARGO_BIN_EXE_openclaw"));
    let shell = home.dir().join("shell");
    std::fs::write(&shell, SHELL).unwrap();
    std::fs::set_permissions(&shell, std::fs::Permissions::from_mode(0o755)).unwrap();
    let shell = shell.display().to_string();
    let home = home
        .env("SHELL", shell)
        .config(json!({ "env": { "shellEnv": { "enabled": true, "timeoutMs": 600_000 } } }));
    for killed in ["gateway", "guard"] {
        std::fs::write(home.dir().join("hang"), "").unwrap();
        let mut gateway = home.start("");
        let number = |name: &str| read(&home.dir().join(name));
        wait_until("the shell hangs", START, || number("child").is_some()).await;
        let processes = ["guard", "child", "grandchild"].map(|name| number(name).unwrap());
        assert!(processes.iter().all(|process| lives(*process)));
        // Whoever reads the configuration next asks the shell again.
        std::fs::remove_file(home.dir().join("hang")).unwrap();
        if killed == "guard" {
            // The program without its guard ends too, and the gateway goes on with its start.
            kill(processes[0]);
        } else {
            gateway.kill();
        }
        let is_over = || !processes.iter().any(|process| lives(*process));
        wait_until("all are gone", DEATH, is_over).await;
        if killed == "guard" {
            gateway.ready().await;
        }
        std::fs::remove_file(home.dir().join("child")).unwrap();
    }
}

/// A server that never listens, with a child of its own.
const SERVER: &str = "sleep 1000 &
echo $! > grandchild
echo $PPID > guard
echo $$ > child
sleep 1001
";

#[tokio::test]
async fn an_mcp_server_dies_with_the_gateway_also_when_it_does_not_listen() {
    let home = Home::new(env!("CARGO_BIN_EXE_openclaw"));
    let folder = home.dir().display().to_string();
    let server = json!({ "command": "/bin/sh", "args": ["-c", SERVER], "cwd": folder });
    let home = home.config(json!({ "mcp": { "servers": { "deaf": server } } }));
    let mut gateway = home.start("");
    gateway.ready().await;
    let number = |name: &str| read(&home.dir().join(name));
    wait_until("the server runs", START, || number("child").is_some()).await;
    let processes = ["guard", "child", "grandchild"].map(|name| number(name).unwrap());
    assert!(processes.iter().all(|process| lives(*process)));
    gateway.kill();
    let is_over = || !processes.iter().any(|process| lives(*process));
    wait_until("all are gone", DEATH, is_over).await;
}

fn read(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Whether a process is there and not only waited for.
fn lives(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
    let state = stat.ok().and_then(|stat| {
        let (_, after) = stat.rsplit_once(')')?;
        after.trim_start().chars().next()
    });
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

fn kill(process: u32) {
    let status = std::process::Command::new("kill")
        .args(["-KILL", &process.to_string()])
        .status();
    assert!(status.is_ok_and(|status| status.success()));
}
