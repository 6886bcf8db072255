//! Where a message stands, and a hand on those that ended badly.

use openclaw_ledger::InboxState;
use openclaw_ledger::Ledger;
use openclaw_ledger::NewInbound;
use openclaw_ledger::NewOutbound;
use openclaw_ledger::TurnCommit;
use openclaw_ledger::TurnOutcome;
use openclaw_protocol::AccountKey;
use openclaw_protocol::Inbound;
use openclaw_protocol::OutboundPayload;
use openclaw_protocol::Route;
use openclaw_protocol::SessionKey;
use openclaw_support::client::Client;
use serde_json::Value;
use serde_json::json;

use crate::house::House;

/// A message that was set aside.
async fn poison(ledger: &Ledger) {
    let session = SessionKey::parse("agent:main:boom").unwrap();
    let row = NewInbound {
        session: session.clone(),
        source: "ws".to_owned(),
        source_id: "boom-1".to_owned(),
        run_id: "run-boom".into(),
        body: Inbound {
            text: "boom?".to_owned(),
            ..Inbound::default()
        },
        reply: None,
        received_at_ms: 1_000,
        traceparent: None,
    };
    ledger.append_inbound(vec![row], None).await.unwrap();
    let start = ledger.begin_turn(&session, 2_000).await.unwrap().unwrap();
    let dead = TurnCommit {
        session,
        turn: start.turn,
        with: Vec::new(),
        outcome: TurnOutcome::Dead {
            reason: "it crashed three times".to_owned(),
            crash: Some("c-none".to_owned()),
        },
        session_id: "boom".to_owned(),
        entries: Vec::new(),
        entry: None,
        outbox: Vec::new(),
        usage: Vec::new(),
        tell: Vec::new(),
        heard: None,
    };
    ledger.commit_turn(dead).await.unwrap();
}

/// A message that may have been sent.
async fn perhaps_sent(ledger: &Ledger) {
    let account = AccountKey::new("telegram", "home");
    let row = NewOutbound {
        account: account.clone(),
        route: Route {
            channel: "telegram".to_owned(),
            account: "home".to_owned(),
            to: "42".to_owned(),
            ..Route::default()
        },
        payload: OutboundPayload::markdown("the answer"),
        session: None,
        turn: None,
        idem_key: "key-answer".to_owned(),
        expires_at_ms: None,
        notice: false,
    };
    ledger.enqueue(vec![row]).await.unwrap();
    let rows = ledger.claim_outbox(&account, 3_000, 1, &[]).await.unwrap();
    let broke = "the connection broke";
    ledger.mark_unknown(&rows[0].key, broke).await.unwrap();
}

async fn refused(client: &mut Client, method: &str, id: &str) -> Value {
    let asked = client.call(method, json!({ "id": id })).await;
    asked.unwrap_err()
}

#[tokio::test]
async fn a_dead_letter_is_listed_shown_and_answered_on_retry() {
    let house = House::start().await;
    poison(&house.ledger).await;
    let mut client = house.client(4, 4).await;
    let listed = client.call("deadletters.list", json!({})).await.unwrap();
    assert_eq!(listed["total"], 1);
    let letter = &listed["letters"][0];
    assert_eq!(
        (&letter["id"], &letter["direction"], &letter["reason"]),
        (
            &json!("agent:main:boom#1"),
            &json!("in"),
            &json!("it crashed three times")
        )
    );
    let id = json!({ "id": "agent:main:boom#1" });
    let shown = client.call("deadletters.show", id.clone()).await.unwrap();
    assert_eq!(shown["letter"]["body"]["text"], "boom?");
    assert_eq!(shown["letter"]["moves"][2]["state"], "dead");

    let retried = client.call("deadletters.retry", id).await.unwrap();
    assert_eq!(retried["retriedAs"], "agent:main:boom#2");
    client.run_events("run-boom").await;
    let trace = json!({ "id": "run-boom" });
    let trace = client.call("messages.trace", trace).await.unwrap();
    let states: Vec<&Value> = trace["inbound"]
        .as_array()
        .unwrap()
        .iter()
        .map(|story| &story["state"])
        .collect();
    assert_eq!(states, [&json!("failed"), &json!("done")]);
    let first = trace["inbound"][1]["moves"][0]["why"].as_str().unwrap();
    assert!(first.starts_with("retried from #1 by "), "{first}");
    let listed = client.call("deadletters.list", json!({})).await.unwrap();
    assert_eq!(listed, json!({ "letters": [], "total": 0 }));
}

#[tokio::test]
async fn what_may_have_been_sent_is_retried_or_dropped_by_a_person() {
    let house = House::start().await;
    perhaps_sent(&house.ledger).await;
    perhaps_sent(&house.ledger).await;
    let mut client = house.client(4, 4).await;
    let first = json!({ "id": "telegram/home#1" });
    let again = client
        .call("deadletters.retry", first.clone())
        .await
        .unwrap();
    assert_eq!(again["retriedAs"], "telegram/home#1");
    let second = json!({ "id": "telegram/home#2" });
    client
        .call("deadletters.drop", second.clone())
        .await
        .unwrap();
    let trace = client.call("messages.trace", first).await.unwrap();
    let story = &trace["outbound"][0];
    assert_eq!(
        (&story["state"], &story["attempts"]),
        (&json!("prepared"), &json!(0))
    );
    let trace = client.call("messages.trace", second).await.unwrap();
    assert_eq!(trace["outbound"][0]["state"], "dropped");
    for id in ["telegram/home#1", "telegram/home#2", "agent:main:none#1"] {
        for method in ["deadletters.show", "deadletters.retry", "deadletters.drop"] {
            let error = refused(&mut client, method, id).await;
            assert_eq!(
                error["details"]["code"], "NOT_FOUND",
                "{method} {id}: {error}"
            );
        }
    }
    let error = refused(&mut client, "deadletters.drop", "the second").await;
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("telegram/home#7")
    );
    let error = refused(&mut client, "messages.trace", "no such id").await;
    assert_eq!(error["details"]["code"], "NOT_FOUND");
    let rows = house.ledger.inbox(&openclaw_ledger::InboxFilter {
        state: Some(InboxState::Pending),
        ..Default::default()
    });
    assert!(rows.is_empty());
}
