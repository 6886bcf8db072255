//! A message in, an answer out: events, repeats, aborts, restarts.

use openclaw_support::client::Client;
use openclaw_support::client::Hello;
use openclaw_support::gateway::wait_until;
use serde_json::Value;
use serde_json::json;

use crate::house::House;
use crate::house::Line;
use crate::house::TOKEN;

fn send(text: &str, key: &str) -> Value {
    json!({ "sessionKey": "main", "message": text, "idempotencyKey": key })
}

fn outline(events: &[Value]) -> Vec<String> {
    let name = |frame: &Value| {
        let payload = &frame["payload"];
        let detail = payload["state"]
            .as_str()
            .or(payload["data"]["phase"].as_str());
        let detail = detail.or(payload["stream"].as_str()).unwrap_or_default();
        format!("{}:{detail}", frame["event"].as_str().unwrap())
    };
    events.iter().map(name).collect()
}

#[tokio::test]
async fn a_message_is_answered_in_order_with_cumulative_text() {
    let house = House::start().await;
    house.script.then(Line::Say(&["one ", "two ", "three"]));
    let mut client = house.client(4, 4).await;
    let started = client
        .call("chat.send", send("hello", "run-1"))
        .await
        .unwrap();
    assert_eq!(started, json!({ "runId": "run-1", "status": "started" }));
    let events = client.run_events("run-1").await;
    let outline = outline(&events);
    assert_eq!(
        outline.first().map(String::as_str),
        Some("agent:start"),
        "{outline:?}"
    );
    assert_eq!(
        outline
            .iter()
            .rev()
            .take(2)
            .map(String::as_str)
            .collect::<Vec<_>>(),
        ["chat:final", "agent:end"],
        "{outline:?}"
    );
    let mut last = String::new();
    for delta in events
        .iter()
        .filter(|event| event["payload"]["state"] == "delta")
    {
        let payload = &delta["payload"];
        let text = payload["message"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(text, last + payload["deltaText"].as_str().unwrap());
        assert_eq!(payload["sessionKey"], "agent:main:main");
        last = text.to_owned();
    }
    assert_eq!(last, "one two three");
    let end = &events.last().unwrap()["payload"];
    assert_eq!(end["message"]["content"][0]["text"], "one two three");
    let run_numbers: Vec<u64> = events
        .iter()
        .filter(|event| event["event"] == "agent")
        .map(|event| event["payload"]["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(
        run_numbers,
        (1..=run_numbers.len() as u64).collect::<Vec<_>>()
    );
    let history = client
        .call("chat.history", json!({ "sessionKey": "main" }))
        .await
        .unwrap();
    let roles: Vec<_> = history["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["role"].clone())
        .collect();
    assert_eq!(roles, ["user", "assistant"]);
    assert_eq!(history["messages"][0]["content"][0]["text"], "hello");
}

#[tokio::test]
async fn an_early_client_hears_the_same_without_later_fields() {
    let house = House::start().await;
    let mut client = house.client(3, 3).await;
    client.event("health").await;
    client
        .call("chat.send", send("ping", "run-3"))
        .await
        .unwrap();
    let events = client.run_events("run-3").await;
    let numbers: Vec<_> = events
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "{numbers:?}"
    );
    for event in &events {
        assert_eq!(event["payload"].get("agentId"), None, "{event}");
    }
    assert_eq!(events.last().unwrap()["payload"]["state"], "final");
}

#[tokio::test]
async fn a_repeat_is_never_run_twice() {
    let house = House::start().await;
    house.script.then(Line::Hang("thinking"));
    let mut client = house.client(4, 4).await;
    client
        .call("chat.send", send("hello", "run-1"))
        .await
        .unwrap();
    client
        .event_where("chat", |payload| payload["state"] == "delta")
        .await;
    let again = client
        .call("chat.send", send("hello", "run-1"))
        .await
        .unwrap();
    assert_eq!(again, json!({ "runId": "run-1", "status": "in_flight" }));
    house.script.go.notify_one();
    client.run_events("run-1").await;
    let again = client
        .call("chat.send", send("hello", "run-1"))
        .await
        .unwrap();
    assert_eq!(again, json!({ "runId": "run-1", "status": "ok" }));
    assert_eq!(house.script.calls(), 1);

    // Another process over the same ledger knows it too.
    let ledger = house.stop().await;
    let house = House::on(json!({}), ledger).await;
    let mut client = house.client(4, 4).await;
    let again = client
        .call("chat.send", send("hello", "run-1"))
        .await
        .unwrap();
    assert_eq!(again, json!({ "runId": "run-1", "status": "ok" }));
    let waited = client
        .call("agent.wait", json!({ "runId": "run-1" }))
        .await
        .unwrap();
    assert_eq!(waited, json!({ "runId": "run-1", "status": "ok" }));
    assert_eq!(house.script.calls(), 0);
}

#[tokio::test]
async fn an_abort_ends_the_run_once() {
    let house = House::start().await;
    house.script.then(Line::Hang("half"));
    let mut client = house.client(4, 4).await;
    client
        .call("chat.send", send("hello", "run-1"))
        .await
        .unwrap();
    client
        .event_where("chat", |payload| payload["state"] == "delta")
        .await;
    let aborted = client
        .call("chat.abort", json!({ "sessionKey": "main" }))
        .await
        .unwrap();
    assert_eq!(
        aborted,
        json!({ "ok": true, "aborted": true, "runIds": ["run-1"] })
    );
    let events = client.run_events("run-1").await;
    assert_eq!(events.last().unwrap()["payload"]["state"], "aborted");
    assert_eq!(events.last().unwrap()["payload"]["stopReason"], "rpc");
    let aborted = client
        .call("chat.abort", json!({ "sessionKey": "main" }))
        .await
        .unwrap();
    assert_eq!(
        aborted,
        json!({ "ok": true, "aborted": false, "runIds": [] })
    );
    let waited = client
        .call("agent.wait", json!({ "runId": "run-1" }))
        .await
        .unwrap();
    assert_eq!(waited["status"], "timeout");
}

#[tokio::test]
async fn a_stop_word_ends_all_runs_of_the_session() {
    let house = House::start().await;
    house.script.then(Line::Hang("half"));
    let mut client = house.client(4, 4).await;
    client
        .call("chat.send", send("hello", "run-1"))
        .await
        .unwrap();
    client
        .event_where("chat", |payload| payload["state"] == "delta")
        .await;
    let stopped = client
        .call("chat.send", send("/stop", "run-2"))
        .await
        .unwrap();
    assert_eq!(
        stopped,
        json!({ "ok": true, "aborted": true, "runIds": ["run-1"] })
    );
    let events = client.run_events("run-1").await;
    assert_eq!(events.last().unwrap()["payload"]["stopReason"], "stop");
}

#[tokio::test]
async fn agent_answers_twice_and_wait_knows_the_end() {
    let house = House::start().await;
    let mut client = house.client(4, 4).await;
    let params = json!({ "message": "hi", "sessionKey": "work", "idempotencyKey": "run-9" });
    let id = client.send("agent", params).await;
    let first = client.response(&id).await;
    assert_eq!(first["payload"]["status"], "accepted");
    assert_eq!(first["payload"]["sessionKey"], "agent:main:work");
    let second = client.response(&id).await;
    let payload = &second["payload"];
    assert_eq!(
        (second["ok"].clone(), &payload["status"]),
        (json!(true), &json!("ok"))
    );
    let text = payload["result"]["payloads"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("echo: "), "{text}");
    let meta = &payload["result"]["meta"];
    assert_eq!(meta["agentMeta"]["model"], "one");
    assert_eq!(meta["agentMeta"]["usage"]["output"], 2);
    let waited = client
        .call("agent.wait", json!({ "runId": "run-9" }))
        .await
        .unwrap();
    assert_eq!(waited["status"], "ok");
    assert!(waited["endedAt"].as_i64() >= waited["startedAt"].as_i64());
    let unknown = json!({ "runId": "no-such-run", "timeoutMs": 20 });
    let waited = client.call("agent.wait", unknown).await.unwrap();
    assert_eq!(waited["status"], "timeout");
}

#[tokio::test]
async fn a_failed_run_says_so_in_words_for_people() {
    let house = House::start().await;
    house.script.then(Line::Fail);
    let mut client = house.client(4, 4).await;
    let params = json!({ "message": "hi", "idempotencyKey": "run-1" });
    let id = client.send("agent", params).await;
    client.response(&id).await;
    let second = client.response(&id).await;
    assert_eq!(second["ok"], false);
    assert_eq!(second["error"]["code"], "UNAVAILABLE");
    assert_eq!(second["payload"]["status"], "error");
    assert!(!second["error"]["message"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_it_is_stored() {
    let house = House::start().await;
    let mut client = house.client(4, 4).await;
    let table = [
        (
            "chat.send",
            send("  ", "k"),
            "message or attachment required",
        ),
        (
            "chat.send",
            json!({ "sessionKey": "main", "message": "x" }),
            "invalid chat.send params: at root: must have required property 'idempotencyKey'",
        ),
        (
            "chat.send",
            json!({ "sessionKey": "agent:nobody:main", "message": "x", "idempotencyKey": "k" }),
            "unknown agent id \"nobody\"",
        ),
        (
            "agent",
            json!({ "message": "x", "agentId": "nobody", "idempotencyKey": "k" }),
            "invalid agent params: unknown agent id \"nobody\"",
        ),
        (
            "sessions.delete",
            json!({ "key": "main" }),
            "Cannot delete the main session (agent:main:main).",
        ),
    ];
    for (method, params, expected) in table {
        let error = client.call(method, params).await.unwrap_err();
        assert_eq!(error["message"], expected);
        assert_eq!(error["code"], "INVALID_REQUEST");
    }
    assert_eq!(house.ledger.stats().inbox_pending, 0);
    assert_eq!(house.script.calls(), 0);
}

#[tokio::test]
async fn a_note_is_put_into_the_conversation_and_heard() {
    let house = House::start().await;
    let mut client = house.client(4, 4).await;
    let params = json!({ "sessionKey": "main", "message": "a note", "label": "test" });
    let injected = client.call("chat.inject", params).await.unwrap();
    let run_id = format!("inject-{}", injected["messageId"].as_str().unwrap());
    let event = client.event("chat").await;
    assert_eq!(event["payload"]["runId"], run_id);
    assert_eq!(
        (&event["payload"]["seq"], &event["payload"]["state"]),
        (&json!(0), &json!("final"))
    );
}

#[tokio::test]
async fn only_readers_hear_what_is_said() {
    let house = House::start().await;
    let mut speaker = house.client(4, 4).await;
    let deaf = Hello::new(4, 4).token(TOKEN).scopes(&["operator.pairing"]);
    let mut deaf = Client::connect(house.address, deaf).await.unwrap();
    speaker
        .call("chat.send", send("secret", "run-1"))
        .await
        .unwrap();
    speaker.run_events("run-1").await;
    // The next thing it hears comes after the run, which it did not hear.
    house.services.hub.health_changed(json!({ "ok": true }));
    let health = deaf.event_where("health", |_| true).await;
    assert_eq!(health["seq"], 1, "{health}");
}

#[tokio::test]
async fn a_session_whose_call_hangs_answers_every_question_without_mail() {
    let house = House::start().await;
    house.script.then(Line::Hang("well"));
    let mut client = house.client(4, 4).await;
    client
        .call("chat.send", send("hello", "run-1"))
        .await
        .unwrap();
    client
        .event_where("chat", |payload| payload["state"] == "delta")
        .await;
    // The claim is the last mail of a turn's beginning.
    let is_claiming = || {
        let sessions = openclaw_runtime::ActorPath::new("sessions");
        let tree = house.services.directory.tree(Some(&sessions), None);
        let nodes = tree.iter().flat_map(openclaw_runtime::TreeNode::walk);
        let mut claims = nodes.filter(|node| &*node.name == "claim" || node.queued > 0);
        claims.next().is_some()
    };
    let within = std::time::Duration::from_secs(10);
    wait_until("the turn is claimed", within, || !is_claiming()).await;
    let handled = || -> u64 {
        let sessions = openclaw_runtime::ActorPath::new("sessions");
        let tree = house
            .services
            .directory
            .tree(Some(&sessions), None)
            .unwrap();
        let nodes = tree.walk();
        let of_sessions = nodes.iter().filter(|node| node.kind == "session");
        of_sessions.map(|node| node.handled).sum()
    };
    let before = handled();
    assert!(before > 0);
    let main = json!({ "sessionKey": "main" });
    let history = client.call("chat.history", main).await.unwrap();
    assert!(history["messages"].is_array(), "{history}");
    let list = client.call("sessions.list", json!({})).await.unwrap();
    assert!(list["sessions"].is_array(), "{list}");
    let tree = client.call("supervisor.tree", json!({})).await.unwrap();
    assert!(
        tree.to_string().contains("asking the model"),
        "the tree does not say what the session does: {tree}"
    );
    client.call("status", json!({})).await.unwrap();
    client.call("health", json!({})).await.unwrap();
    assert_eq!(handled(), before, "a question became mail of the session");
    house.script.go.notify_one();
    client.run_events("run-1").await;
}

#[tokio::test]
async fn a_message_that_comes_while_the_gateway_ends_is_stored() {
    let house = House::start().await;
    let mut client = house.client(4, 4).await;
    house
        .services
        .set_phase(openclaw_gateway::services::Phase::Closing);
    let started = client
        .call("chat.send", send("just in time", "run-1"))
        .await
        .unwrap();
    assert_eq!(started["runId"], "run-1");
    let rows = house.ledger.inbox(&openclaw_ledger::InboxFilter::default());
    assert_eq!(rows[0].body.text, "just in time");
}
