//! Every method against every right, and the plain questions.

use openclaw_protocol::Scope;
use openclaw_protocol::Scopes;
use openclaw_protocol::method::METHODS;
use openclaw_support::client::Client;
use openclaw_support::client::Hello;
use serde_json::Value;
use serde_json::json;

use crate::house::House;
use crate::house::TOKEN;

/// Parameters that pass a method's shape and change nothing that another call needs.
fn params(method: &str) -> Value {
    match method {
        "agent" => json!({ "message": "x", "agentId": "nobody", "idempotencyKey": "k" }),
        "agent.wait" => json!({ "runId": "none", "timeoutMs": 1 }),
        "chat.send" => json!({ "sessionKey": "main", "message": " ", "idempotencyKey": "k" }),
        "chat.history" | "chat.abort" => json!({ "sessionKey": "main" }),
        "chat.inject" => json!({ "sessionKey": "agent:nobody:x", "message": "x" }),
        "config.set" | "config.patch" => json!({ "raw": "not json5 {" }),
        "sessions.preview" => json!({ "keys": ["main"] }),
        "sessions.patch" | "sessions.reset" | "sessions.delete" => {
            json!({ "key": "agent:nobody:x" })
        }
        "messages.trace" => json!({ "id": "nothing" }),
        "deadletters.show" | "deadletters.retry" | "deadletters.drop" => {
            json!({ "id": "telegram/nobody#1" })
        }
        "supervisor.chaos" => json!({ "action": "hits" }),
        name if name.starts_with("supervisor.")
            && !matches!(
                name,
                "supervisor.tree" | "supervisor.watch" | "supervisor.crash"
            ) =>
        {
            json!({ "path": "nothing/here" })
        }
        _ => json!({}),
    }
}

fn is_missing_scope(outcome: &Result<Value, Value>) -> Option<String> {
    let message = outcome.as_ref().err()?["message"].as_str()?;
    message.strip_prefix("missing scope: ").map(str::to_owned)
}

#[tokio::test]
async fn every_method_needs_its_scope_and_nothing_else_gives_it() {
    let house = House::start().await;
    for (min, version) in [
        (3, openclaw_protocol::Protocol::V3),
        (4, openclaw_protocol::Protocol::V4),
    ] {
        for held in Scope::ALL {
            let hello = Hello::new(min, min).token(TOKEN).scopes(&[held.as_str()]);
            let mut client = Client::connect(house.address, hello).await.unwrap();
            let scopes: Scopes = [held].into_iter().collect();
            for method in METHODS.iter().filter(|method| !method.is_of_nodes()) {
                let params = params(method.name);
                // What came later does not exist yet, and what doesn't exist needs every right.
                let needed = match method.since <= version {
                    true => method.scope(&params, version),
                    false => Scope::Admin,
                };
                let outcome = client.call(method.name, params).await;
                let refused = is_missing_scope(&outcome);
                if scopes.allows(needed) {
                    assert_eq!(refused, None, "{} with {held:?}: {outcome:?}", method.name);
                } else {
                    assert_eq!(refused.as_deref(), Some(needed.as_str()), "{}", method.name);
                    let error = outcome.unwrap_err();
                    let (code, has_details) = match min {
                        3 => ("INVALID_REQUEST", false),
                        _ => ("FORBIDDEN", true),
                    };
                    assert_eq!(error["code"], code);
                    assert_eq!(error.get("details").is_some(), has_details);
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_in_the_table_does_not_exist_for_anyone() {
    let house = House::start().await;
    let mut admin = house.client(4, 4).await;
    let unknown = [
        "nonexistent.method",
        "connect",
        "Health",
        "supervisor.chaos",
        "",
    ];
    for method in unknown {
        let error = admin.call(method, json!({})).await.unwrap_err();
        let message = error["message"].as_str().unwrap();
        let expected = format!("unknown method: {method}");
        assert!(
            message == expected || message.starts_with("invalid request frame"),
            "{message}"
        );
    }
    let hello = Hello::new(4, 4).token(TOKEN).scopes(&["operator.write"]);
    let mut writer = Client::connect(house.address, hello).await.unwrap();
    let error = writer
        .call("nonexistent.method", json!({}))
        .await
        .unwrap_err();
    assert_eq!(error["message"], "missing scope: operator.admin");
    let error = admin.call("node.event", json!({})).await.unwrap_err();
    assert_eq!(error["message"], "unauthorized role: operator");
}

#[tokio::test]
async fn a_node_may_call_nothing_yet_and_is_thrown_out_when_it_insists() {
    let house = House::start().await;
    let hello = Hello::new(3, 3)
        .token(TOKEN)
        .client("node-host", "node")
        .with("role", json!("node"))
        .scopes(&["operator.admin"]);
    let mut node = Client::connect(house.address, hello).await.unwrap();
    for _ in 0..10 {
        let error = node.call("health", json!({})).await.unwrap_err();
        assert_eq!(error["message"], "unauthorized role: node");
    }
    node.send("health", json!({})).await;
    assert_eq!(
        node.closed().await,
        (1008, "repeated unauthorized calls".to_owned())
    );
}

#[tokio::test]
async fn plain_questions_are_answered_in_their_shapes() {
    let house = House::start().await;
    let mut client = house.client(4, 4).await;
    let mut ask = async |method: &str, params: Value| client.call(method, params).await.unwrap();
    let health = ask("health", json!({})).await;
    assert_eq!(
        (&health["ok"], &health["defaultAgentId"]),
        (&json!(true), &json!("main"))
    );
    assert!(ask("status", json!({})).await["sessions"]["byAgent"].is_array());
    assert_eq!(ask("system-presence", json!({})).await[0]["reason"], "self");
    let models = ask("models.list", json!({})).await;
    let builtin = |model: &Value| model["provider"] == "builtin" && model["id"] == "basic";
    assert!(
        models["models"].as_array().unwrap().iter().any(builtin),
        "{models}"
    );
    assert_eq!(
        ask("agents.list", json!({})).await["agents"][0]["id"],
        "main"
    );
    assert!(ask("channels.status", json!({})).await["channelAccounts"].is_object());
    let config = ask("config.get", json!({})).await;
    assert!(!config.to_string().contains(TOKEN), "secrets stay inside");
    assert_eq!(config["valid"], true);
    assert_eq!(ask("logs.tail", json!({})).await["lines"], json!([]));
    let tree = ask("supervisor.tree", json!({})).await;
    assert_eq!(tree["tree"]["state"], "running", "{tree}");
    let under = ask("supervisor.tree", json!({ "path": "ingress", "depth": 1 })).await;
    assert_eq!(under["tree"]["path"], "ingress");
    assert_eq!(
        ask("supervisor.crash", json!({})).await,
        json!({ "crashes": [] })
    );
}

#[tokio::test]
async fn orders_reach_the_tree_and_are_seen_by_watchers() {
    let house = House::start().await;
    let mut client = house.client(4, 4).await;
    client.call("supervisor.watch", json!({})).await.unwrap();
    let order = json!({ "path": "ingress/pulse" });
    client
        .call("supervisor.restart", order.clone())
        .await
        .unwrap();
    client.call("supervisor.stop", order.clone()).await.unwrap();
    let tree = client
        .call("supervisor.tree", json!({ "path": "ingress/pulse" }))
        .await
        .unwrap();
    assert_eq!(tree["tree"]["state"], "stopped");
    client.call("supervisor.restart", order).await.unwrap();
    let error = client
        .call("supervisor.stop", json!({ "path": "no/such" }))
        .await
        .unwrap_err();
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("openclaw supervisor tree")
    );
    client
        .call("supervisor.restart", json!({ "path": "sessions/3" }))
        .await
        .unwrap();
    let event = client
        .event_where("supervisor", |payload| payload["path"] == "sessions/3")
        .await;
    assert!(event["payload"]["what"].is_string());
}

#[tokio::test]
async fn sessions_are_listed_changed_and_forgotten() {
    let house = House::start().await;
    let mut client = house.client(4, 4).await;
    let send = json!({ "sessionKey": "work", "message": "hello there", "idempotencyKey": "r" });
    client.call("chat.send", send).await.unwrap();
    client.run_events("r").await;
    let list = json!({ "includeDerivedTitles": true, "includeLastMessage": true });
    let listed = client.call("sessions.list", list).await.unwrap();
    assert_eq!(
        (&listed["count"], &listed["totalCount"]),
        (&json!(1), &json!(1))
    );
    let row = &listed["sessions"][0];
    assert_eq!(row["key"], "agent:main:work");
    assert_eq!(row["derivedTitle"], "hello there");
    let patch = json!({ "key": "work", "label": "Work", "thinkingLevel": "high" });
    let patched = client.call("sessions.patch", patch).await.unwrap();
    assert_eq!(patched["entry"]["label"], "Work");
    assert_eq!(patched["resolved"]["model"], "one");
    let preview = json!({ "keys": ["work", "agent:main:none"] });
    let preview = client.call("sessions.preview", preview).await.unwrap();
    assert_eq!(preview["previews"][0]["status"], "ok");
    assert_eq!(preview["previews"][1]["status"], "missing");
    let before = row["sessionId"].clone();
    let reset = client
        .call("sessions.reset", json!({ "key": "work" }))
        .await
        .unwrap();
    assert_ne!(reset["entry"]["sessionId"], before);
    assert_eq!(reset["entry"]["label"], "Work");
    let deleted = client
        .call("sessions.delete", json!({ "key": "work" }))
        .await
        .unwrap();
    assert_eq!(deleted["deleted"], true);
    let listed = client.call("sessions.list", json!({})).await.unwrap();
    assert_eq!(listed["count"], 0);
}
