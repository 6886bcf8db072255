//! Ending: an ordered stop is quick, a second signal is quicker, and unfinished work goes on after the next start.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::time::{Duration, Instant};

use openclaw_support::gateway::{Home, free_port, wait_until};
use openclaw_support::model::{FakeModel, Reply, Wire};
use serde_json::json;

fn home(model: &FakeModel) -> Home {
    Home::new(env!("CARGO_BIN_EXE_openclaw")).config(model.config(Wire::Openai))
}

#[tokio::test]
async fn sigterm_ends_within_five_seconds_and_the_turn_goes_on_after_the_restart() {
    let model = FakeModel::start().await;
    model.push(Reply::hang());
    model.push(Reply::text("here I am again"));
    let home = home(&model);
    let mut gateway = home.start("");
    gateway.ready().await;
    let mut client = gateway.client().await;
    let params =
        json!({ "sessionKey": "main", "message": "are you there?", "idempotencyKey": "run-1" });
    client.call("chat.send", params).await.expect("accepted");
    model.until("a question", |model| model.count() == 1).await;

    let asked = Instant::now();
    gateway.signal("TERM");
    let status = gateway
        .exit(Duration::from_secs(6))
        .await
        .expect("the gateway ends");
    assert_eq!(status.code(), Some(0), "{}", gateway.output());
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "it took {:?}",
        asked.elapsed()
    );

    let mut gateway = home.start("");
    gateway.ready().await;
    let mut client = gateway.client().await;
    let answer = client
        .call(
            "agent.wait",
            json!({ "runId": "run-1", "timeoutMs": 20_000 }),
        )
        .await;
    let history = client
        .call("chat.history", json!({ "sessionKey": "main" }))
        .await
        .expect("the history");
    assert!(
        history.to_string().contains("here I am again"),
        "{answer:?} {history}"
    );
    assert_eq!(
        history.to_string().matches("are you there?").count(),
        1,
        "{history}"
    );
}

#[tokio::test]
async fn the_second_signal_ends_at_once() {
    let model = FakeModel::start().await;
    model.push(Reply::hang());
    let home = home(&model);
    let mut gateway = home.start("");
    gateway.ready().await;
    let mut client = gateway.client().await;
    let params = json!({ "sessionKey": "main", "message": "hello", "idempotencyKey": "run-1" });
    client.call("chat.send", params).await.expect("accepted");
    model.until("a question", |model| model.count() == 1).await;
    gateway.signal("INT");
    // Two signals of a kind that come before the first is taken are one signal, to every process.
    wait_until("the first one taken", Duration::from_secs(10), || {
        gateway.output().contains("shutting down")
    })
    .await;
    gateway.signal("INT");
    assert!(
        gateway.exit(Duration::from_secs(2)).await.is_some(),
        "{}",
        gateway.output()
    );
}

#[tokio::test]
async fn a_second_gateway_says_so_and_ends_with_its_own_code() {
    let home = Home::new(env!("CARGO_BIN_EXE_openclaw")).config(json!({}));
    let mut gateway = home.start("");
    gateway.ready().await;
    // Another home on the same port …
    let other = Home::new(env!("CARGO_BIN_EXE_openclaw"))
        .config(json!({ "gateway": { "port": home.port() } }));
    let mut second = other.start("");
    let status = second.exit(Duration::from_secs(10)).await.expect("it ends");
    let said = second.output();
    assert_eq!(status.code(), Some(75), "{said}");
    let line = format!(
        "another gateway instance is already listening on ws://127.0.0.1:{}",
        home.port()
    );
    assert!(said.contains(&line), "{said}");
    // … and another port on the same home.
    let port = free_port().to_string();
    let output = home
        .command(&["gateway", "run", "--port", &port])
        .output()
        .expect("it runs");
    assert_eq!(
        output.status.code(),
        Some(75),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(gateway.try_exit().is_none(), "the first one goes on");
}
