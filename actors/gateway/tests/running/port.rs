//! Another port or address while the gateway runs.

use openclaw_support::gateway::free_port;
use openclaw_support::gateway::merge;
use openclaw_support::gateway::wait_until;
use openclaw_support::model::FakeModel;
use openclaw_support::model::Reply;
use openclaw_support::model::Wire;
use serde_json::Value;
use serde_json::json;

use crate::live::Live;
use crate::live::SOON;
use crate::live::settings;

fn with(base: &Value, gateway: Value) -> Value {
    let mut all = base.clone();
    merge(&mut all, json!({ "gateway": gateway }));
    all
}

fn accepts(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_port_or_address_moves_the_listener_and_drops_nobody() {
    let model = FakeModel::start().await;
    model.push(Reply::text("so well").hang_after(1));
    let base = settings(model.config(Wire::Openai));
    let live = Live::start(&base).await;
    let old = live.running.address().port();
    let mut client = live.client().await;
    let question = json!({ "sessionKey": "main", "message": "tell me", "idempotencyKey": "long" });
    client.call("chat.send", question).await.unwrap();
    model.until("a question", |model| model.count() == 1).await;
    let listener = live.node("ingress/http").unwrap().generation;

    let port = free_port();
    let moved = with(&base, json!({ "port": port }));
    assert!(live.take_up(&moved).await.is_taken);
    wait_until("the old port is free", SOON, || !accepts(old)).await;
    let mut second = live.client_at(port).await;
    // The same port on all addresses: one can't be open beside the other.
    assert!(
        live.take_up(&with(&moved, json!({ "bind": "lan" })))
            .await
            .is_taken
    );
    wait_until("it listens on all addresses", SOON, || {
        let note = live.node("ingress/http").unwrap().note;
        note.is_some_and(|note| note.contains(&format!("listening on 0.0.0.0:{port}")))
    })
    .await;
    // And back.
    assert!(live.take_up(&moved).await.is_taken);
    wait_until("it listens on this machine only", SOON, || {
        let note = live.node("ingress/http").unwrap().note;
        note.is_some_and(|note| note.contains(&format!("listening on 127.0.0.1:{port}")))
    })
    .await;
    // A port that somebody else has: the gateway stays where it is, and says so.
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let foreign = taken.local_addr().unwrap().port();
    assert!(
        live.take_up(&with(&base, json!({ "port": foreign })))
            .await
            .is_taken
    );
    wait_until("it says that it stays", SOON, || {
        let node = live.node("ingress/http").unwrap();
        node.health == openclaw_runtime::Health::Degraded
            && node.note.is_some_and(|note| note.starts_with("still on"))
    })
    .await;
    live.client_at(port).await;

    // Nobody was dropped, nothing was asked twice.
    assert_eq!(live.node("ingress/http").unwrap().generation, listener);
    for client in [&mut client, &mut second] {
        client.call("health", json!({})).await.unwrap();
    }
    assert_eq!((model.count(), model.open()), (1, 1));
    live.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_loses_its_secret_stops_listening_for_others() {
    let base = settings(json!({ "gateway": { "bind": "lan" } }));
    let live = Live::start(&base).await;
    assert!(live.running.address().ip().is_unspecified());
    let mut open = base.clone();
    open["gateway"]["auth"] = json!({ "mode": "none" });
    open["gateway"]["bind"] = json!("loopback");
    assert!(live.take_up(&open).await.is_taken);
    wait_until("it listens on this machine only", SOON, || {
        let note = live.node("ingress/http").unwrap().note;
        note.is_some_and(|note| note.contains("listening on 127.0.0.1"))
    })
    .await;
    live.stop().await;
}
