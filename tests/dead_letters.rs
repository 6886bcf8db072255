//! The commands of an operator for messages: `trace` and `deadletters`, on a real gateway.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a test may

use std::process::Output;
use std::time::Duration;

use openclaw_ledger::{
    Ledger, NewInbound, NewOutbound, TurnCommit, TurnNo, TurnOutcome, UnknownPolicy,
};
use openclaw_protocol::{AccountKey, Inbound, OutboundPayload, Route, SessionKey};
use openclaw_support::gateway::{Home, wait_until};
use serde_json::{Value, json};

/// What an earlier process left: a message it could not answer, and one it may have sent.
async fn left_behind(home: &Home) {
    let path = home.state().join("ledger/openclaw.redb");
    let (ledger, thread) = Ledger::open(path).unwrap();
    let session = SessionKey::parse("agent:main:main").unwrap();
    let account = AccountKey::new("telegram", "home");
    let row = NewInbound {
        session: session.clone(),
        source: "telegram/home".to_owned(),
        source_id: "1001".to_owned(),
        run_id: "run-one".into(),
        body: Inbound {
            text: "hello?".to_owned(),
            message_id: Some("55".to_owned()),
            ..Inbound::default()
        },
        reply: None,
        received_at_ms: 1_700_000_000_000,
        traceparent: None,
    };
    ledger.append_inbound(vec![row], None).await.unwrap();
    ledger
        .begin_turn(&session, 1_700_000_001_000)
        .await
        .unwrap();
    let apology = NewOutbound {
        account: account.clone(),
        route: Route {
            channel: "telegram".to_owned(),
            account: "home".to_owned(),
            to: "42".to_owned(),
            ..Route::default()
        },
        payload: OutboundPayload::plain("I could not answer this."),
        session: Some(session.clone()),
        turn: Some(TurnNo(1)),
        idem_key: "apology-1".to_owned(),
        expires_at_ms: None,
        notice: true,
    };
    let dead = TurnCommit {
        session,
        turn: TurnNo(1),
        with: Vec::new(),
        outcome: TurnOutcome::Dead {
            reason: "it crashed three times".to_owned(),
            crash: None,
        },
        session_id: "s".to_owned(),
        entries: Vec::new(),
        entry: None,
        outbox: vec![apology],
        usage: Vec::new(),
        tell: Vec::new(),
        heard: None,
    };
    ledger.commit_turn(dead).await.unwrap();
    ledger
        .claim_outbox(&account, 1_700_000_002_000, 1, &[])
        .await
        .unwrap();
    ledger.recover(UnknownPolicy::hold()).await.unwrap();
    ledger.close().await;
    thread.join();
}

fn run(home: &Home, arguments: &[&str]) -> Output {
    home.command(arguments).output().expect("it runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn document(home: &Home, arguments: &[&str]) -> Value {
    let output = run(home, arguments);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
}

#[tokio::test]
async fn an_operator_finds_a_message_and_decides_about_dead_letters() {
    let home = Home::new(env!("CARGO_BIN_EXE_openclaw")).config(json!({}));
    left_behind(&home).await;
    let mut gateway = home.start("");
    gateway.ready().await;

    for id in [
        "55",
        "1001",
        "run-one",
        "agent:main:main#1",
        "telegram/home#1",
        "apology-1",
    ] {
        let output = run(&home, &["trace", id]);
        let told = text(&output);
        assert_eq!(output.status.code(), Some(0), "{id}: {output:?}");
        for part in [
            "agent:main:main#1  dead",
            "hello?",
            "it crashed three times",
            "telegram/home#1  unknown",
        ] {
            assert!(told.contains(part), "{id}: {part:?} not in\n{told}");
        }
    }
    let output = run(&home, &["trace", "nobody"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let failure = document(&home, &["trace", "nobody", "--json"]);
    assert_eq!(failure["error"]["type"], "no");

    let listed = document(&home, &["deadletters", "list", "--json"]);
    assert_eq!(listed["total"], 2, "{listed}");
    let told = text(&run(&home, &["deadletters", "list"]));
    assert!(
        told.contains("agent:main:main#1") && told.contains("telegram/home#1"),
        "{told}"
    );
    let told = text(&run(&home, &["deadletters", "show", "telegram/home#1"]));
    assert!(
        told.contains("I could not answer this.") && told.contains("nobody knows"),
        "{told}"
    );

    let retried = document(
        &home,
        &["deadletters", "retry", "agent:main:main#1", "--json"],
    );
    assert_eq!(retried["retriedAs"], "agent:main:main#2");
    wait_until("the message is answered", Duration::from_secs(20), || {
        text(&run(&home, &["trace", "agent:main:main#2"])).contains("answered")
    })
    .await;
    let dropped = run(&home, &["deadletters", "drop", "telegram/home#1"]);
    assert_eq!(dropped.status.code(), Some(0), "{dropped:?}");
    for id in ["agent:main:main#1", "telegram/home#1"] {
        for verb in ["show", "retry", "drop"] {
            let output = run(&home, &["deadletters", verb, id]);
            assert_eq!(output.status.code(), Some(1), "{verb} {id}: {output:?}");
        }
    }
    let none = text(&run(&home, &["deadletters", "list"]));
    assert!(none.starts_with("No dead letters"), "{none}");
    gateway.kill();
    assert_eq!(run(&home, &["deadletters", "list"]).status.code(), Some(69));
}
