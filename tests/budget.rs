//! Budgets on a real gateway: who is refused reads what to do, and it works.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a test may

use std::time::Duration;
use std::time::Instant;

use openclaw_support::gateway::Home;
use openclaw_support::gateway::pause;
use serde_json::json;

/// What the command line says to a message.
fn asked(home: &Home) -> (bool, String) {
    let output = home
        .command(&["agent", "--message", "hello"])
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[tokio::test]
async fn the_command_that_raises_a_budget_works() {
    let home = Home::new(env!("CARGO_BIN_EXE_openclaw")).config(json!({
        "budgets": { "agents": { "main": { "perDay": { "tokens": 0 } } } },
    }));
    let mut gateway = home.start("");
    gateway.ready().await;
    let (_, said) = asked(&home);
    assert!(
        said.contains("Today's budget for agent main is used up"),
        "{said}"
    );
    let command = said.split("openclaw config set ").nth(1).unwrap();
    let command: Vec<&str> = command.split_whitespace().take(2).collect();
    let [path, value] = command[..] else {
        panic!("no command: {said}");
    };
    let value = value.trim_matches(|c: char| !c.is_ascii_digit());
    let set = home.command(&["config", "set", path, value]).output();
    assert!(set.unwrap().status.success(), "config set {path} {value}");
    // It is taken up while the gateway runs.
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let (is_fine, said) = asked(&home);
        if is_fine && !said.contains("budget") {
            break;
        }
        assert!(Instant::now() < end, "{said}");
        pause().await;
    }
    let usage = home.command(&["status", "--usage"]).output().unwrap();
    let usage = String::from_utf8_lossy(&usage.stdout).into_owned();
    assert!(usage.contains("Today"), "{usage}");
}
