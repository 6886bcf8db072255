//! Many requests, slow readers, silent callers.

use std::time::Duration;
use std::time::Instant;

use openclaw_support::client::Client;
use serde_json::json;

use crate::house::House;

#[tokio::test]
async fn requests_are_answered_in_one_connection_while_one_waits() {
    let house = House::start().await;
    let mut client = house.client(4, 4).await;
    let waiting = json!({ "runId": "never", "timeoutMs": 60_000 });
    client.send("agent.wait", waiting).await;
    for _ in 0..200 {
        client.call("health", json!({})).await.unwrap();
    }
}

#[tokio::test]
async fn more_requests_at_once_than_a_connection_may_have_are_told_to_come_back() {
    let house = House::start().await;
    let mut client = house.client(4, 4).await;
    let mut ids = Vec::new();
    for n in 0..100 {
        let waiting = json!({ "runId": format!("never-{n}"), "timeoutMs": 500 });
        ids.push(client.send("agent.wait", waiting).await);
    }
    let mut busy = 0;
    for id in ids {
        let response = client.response(&id).await;
        if response["ok"] == false {
            assert_eq!(response["error"]["retryable"], true);
            busy += 1;
        }
    }
    assert_eq!(busy, 100 - 64);
    assert!(client.call("health", json!({})).await.is_ok());
}

#[tokio::test]
async fn a_thousand_requests_sent_ahead_are_all_answered() {
    let house = House::start().await;
    let mut client = house.client(4, 4).await;
    let mut ids = Vec::new();
    for _ in 0..1000 {
        ids.push(client.send("system-presence", json!({})).await);
    }
    for id in ids {
        assert_eq!(client.response(&id).await["ok"], true);
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_closed_and_nobody_else_notices() {
    let house = House::start().await;
    let slow = house.client(4, 4).await;
    let mut quick = house.client(4, 4).await;
    let big = "x".repeat(256 * 1024);
    // More than the socket's buffers and the queue can hold.
    for n in 0..300 {
        house
            .services
            .hub
            .broadcast(&openclaw_gateway::hub::Broadcast {
                name: "shutdown",
                payload: json!({ "n": n, "big": big }),
                audience: openclaw_gateway::hub::Audience::Everyone,
                is_stale_soon: false,
                has_state_version: false,
            });
        quick
            .event_where("shutdown", |payload| payload["n"] == n)
            .await;
    }
    assert!(quick.call("health", json!({})).await.is_ok());
    let give_up = Instant::now() + Duration::from_secs(10);
    drop(slow);
    while house.services.meters.ws_open.get() > 1 {
        assert!(Instant::now() < give_up, "the slow socket is still open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(house.services.meters.ws_slow.get(), 1);
}

#[tokio::test]
async fn a_connection_that_ends_is_forgotten() {
    let house = House::start().await;
    let client = house.client(4, 4).await;
    assert_eq!(house.services.hub.subscribers(), 1);
    client.close().await;
    let give_up = Instant::now() + Duration::from_secs(10);
    while house.services.hub.subscribers() > 0 || house.services.meters.ws_open.get() > 0 {
        assert!(Instant::now() < give_up, "the connection is still known");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(house.services.meters.ws_admitted.get(), 0);
    let ingress = openclaw_runtime::ActorPath::new("ingress");
    loop {
        let tree = house
            .services
            .directory
            .tree(Some(&ingress), Some(1))
            .unwrap();
        let names: Vec<_> = tree
            .children
            .iter()
            .map(|child| child.name.to_string())
            .collect();
        if !names.iter().any(|name| name.starts_with("ws")) {
            break;
        }
        assert!(Instant::now() < give_up, "still in the tree: {names:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_caller_that_says_nothing_is_closed_silently() {
    let house =
        House::with(json!({ "env": { "vars": { "OPENCLAW_HANDSHAKE_TIMEOUT_MS": "150" } } })).await;
    let mut silent = Client::open(house.address, &[]).await.unwrap();
    let began = Instant::now();
    assert_eq!(silent.closed().await, (1000, String::new()));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn health_answers_fast() {
    let house = House::start().await;
    let mut client = house.client(4, 4).await;
    let mut times = Vec::new();
    for _ in 0..300 {
        let began = Instant::now();
        client.call("health", json!({})).await.unwrap();
        times.push(began.elapsed());
    }
    times.sort_unstable();
    let median = times[times.len() / 2];
    // The promise is 0.2 ms on the release build; this build is several times slower and shares its
    // machine.
    assert!(median < Duration::from_millis(20), "{median:?}");
}

/// What may lie between a heartbeat's question and its answer.
const HEARTBEAT: Duration = Duration::from_millis(250);

#[tokio::test]
async fn socket_heartbeats_hold_while_eight_jobs_burn() {
    let house = House::start().await;
    let mut client = house.client(4, 4).await;
    let (started, mut starts) = tokio::sync::mpsc::channel(8);
    let burn = |started: tokio::sync::mpsc::Sender<()>| {
        openclaw_runtime::cpu::run(move |wanted| {
            let _full = started.try_send(());
            while wanted.is_wanted() {
                std::hint::spin_loop();
            }
        })
    };
    let jobs = futures_util::future::join_all((0..8).map(|_| burn(started.clone())));
    let beats = async {
        starts.recv().await.unwrap();
        let mut slowest = Duration::ZERO;
        for _ in 0..50 {
            let asked = Instant::now();
            client.call("health", json!({})).await.unwrap();
            slowest = slowest.max(asked.elapsed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        slowest
    };
    let slowest = tokio::select! {
        slowest = beats => slowest,
        _ = jobs => panic!("nobody told them to stop"),
    };
    assert!(slowest < HEARTBEAT, "a heartbeat took {slowest:?}");
}
