//! The families of methods, each by what it really does.

use openclaw_support::client::Client;
use openclaw_support::client::Hello;
use serde_json::Value;
use serde_json::json;

use crate::house::House;
use crate::house::TOKEN;

/// What a gateway of protocol 3 lists, without devices.
const EARLY: &str = "agent agent.identity.get agent.wait agents.create agents.delete \
    agents.files.get agents.files.list agents.files.set agents.list agents.update browser.request \
    channels.logout channels.status chat.abort chat.history chat.send config.apply config.get \
    config.patch config.schema config.set cron.add cron.list cron.remove cron.run cron.runs \
    cron.status cron.update exec.approval.request exec.approval.resolve exec.approvals.get \
    exec.approvals.node.get exec.approvals.node.set exec.approvals.set health last-heartbeat \
    logs.tail models.list node.describe node.event node.invoke node.invoke.result node.list \
    node.pair.approve node.pair.list node.pair.reject node.pair.request node.pair.verify \
    node.rename send sessions.compact sessions.delete sessions.list sessions.patch \
    sessions.preview sessions.reset set-heartbeats skills.bins skills.install skills.status \
    skills.update status system-event system-presence talk.mode tts.convert tts.disable \
    tts.enable tts.providers tts.setProvider tts.status update.run usage.cost usage.status \
    voicewake.get voicewake.set wake wizard.cancel wizard.next wizard.start wizard.status";

#[tokio::test]
async fn a_client_of_protocol_3_finds_all_its_methods_and_none_of_later() {
    let house = House::start().await;
    let client = house.client(3, 3).await;
    let listed = client.hello["features"]["methods"].as_array().unwrap();
    for name in EARLY.split_whitespace() {
        assert!(listed.contains(&json!(name)), "{name}");
    }
    for late in [
        "cron.get",
        "sessions.create",
        "chat.startup",
        "tools.catalog",
    ] {
        assert!(!listed.contains(&json!(late)), "{late}");
    }
    let mut client = client;
    let error = client
        .call("cron.get", json!({ "id": "x" }))
        .await
        .unwrap_err();
    assert_eq!(error["message"], "unknown method: cron.get");
}

#[tokio::test]
async fn every_listed_method_answers_plain_questions_with_null_and_nothing_at_all() {
    let house = House::start().await;
    for version in [3, 4] {
        let mut client = house.client(version, version).await;
        for method in [
            "health",
            "status",
            "system-presence",
            "last-heartbeat",
            "channels.status",
            "config.get",
            "config.schema",
            "cron.list",
            "cron.status",
            "node.list",
            "node.pair.list",
            "models.list",
            "agents.list",
            "sessions.list",
            "logs.tail",
            "exec.approvals.get",
            "skills.status",
            "tts.status",
            "tts.providers",
            "voicewake.get",
            "usage.status",
            "usage.cost",
            "sessions.usage",
            "agent.identity.get",
        ] {
            for params in [Value::Null, json!({})] {
                let answer = client.call(method, params).await;
                assert!(answer.is_ok(), "{method} of {version}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_job_is_added_run_noted_and_removed() {
    let house = House::start().await;
    let mut client = house.client(3, 3).await;
    let add = json!({
        "name": "test job", "schedule": { "kind": "every", "everyMs": 3_600_000 },
        "sessionTarget": "isolated", "wakeMode": "now",
        "payload": { "kind": "agentTurn", "message": "say it" }, "delivery": { "mode": "none" },
    });
    let job = added(&mut client, add).await;
    let id = job["id"].as_str().unwrap().to_owned();
    assert_eq!(job["schedule"]["anchorMs"], job["createdAtMs"]);
    assert!(job["state"]["nextRunAtMs"].is_i64(), "{job}");
    let added = client.event("cron").await;
    assert_eq!(added["payload"]["action"], "added");
    let ran = client
        .call("cron.run", json!({ "id": id, "mode": "force" }))
        .await
        .unwrap();
    assert_eq!(ran, json!({ "ok": true, "ran": true }));
    let runs = client
        .call("cron.runs", json!({ "id": id, "limit": 10 }))
        .await
        .unwrap();
    let run = &runs["entries"][0];
    assert_eq!(
        (&run["status"], &run["action"]),
        (&json!("ok"), &json!("finished")),
        "{runs}"
    );
    assert!(run["summary"].as_str().unwrap().contains("say it"), "{run}");
    let session = run["sessionKey"].as_str().unwrap();
    assert!(
        session.starts_with(&format!("agent:main:cron:{id}:run:")),
        "{session}"
    );
    let due = client
        .call("cron.run", json!({ "jobId": id, "mode": "due" }))
        .await
        .unwrap();
    assert_eq!(
        due,
        json!({ "ok": true, "ran": false, "reason": "not-due" })
    );
    let off = json!({ "id": id, "patch": { "enabled": false } });
    let off = client.call("cron.update", off).await.unwrap();
    assert_eq!(
        (&off["enabled"], off["state"].get("nextRunAtMs")),
        (&json!(false), None)
    );
    let listed = client.call("cron.list", json!({})).await.unwrap();
    assert_eq!(listed["jobs"], json!([]));
    let removed = client
        .call("cron.remove", json!({ "id": id }))
        .await
        .unwrap();
    assert_eq!(removed, json!({ "ok": true, "removed": true }));
    let status = client.call("cron.status", json!({})).await.unwrap();
    assert_eq!(
        (&status["enabled"], &status["jobs"]),
        (&json!(true), &json!(0))
    );
}

/// The scheduler reads its file first; until then it asks to come back.
async fn added(client: &mut Client, job: Value) -> Value {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        match client.call("cron.add", job.clone()).await {
            Ok(job) => return job,
            Err(error) if tokio::time::Instant::now() < deadline => {
                assert_eq!(error["code"], "UNAVAILABLE", "{error}");
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_job_that_is_overdue_runs_once_and_goes_away() {
    let house = House::start().await;
    let mut client = house.client(4, 4).await;
    let add = json!({
        "name": "once", "schedule": { "kind": "at", "at": "2020-01-01T00:00:00Z" },
        "sessionTarget": "main", "wakeMode": "now",
        "payload": { "kind": "systemEvent", "text": "good morning" },
    });
    let job = added(&mut client, add).await;
    let is_removed =
        |payload: &Value| payload["action"] == "removed" && payload["jobId"] == job["id"];
    client.event_where("cron", is_removed).await;
    let said = json!({ "sessionKey": "main" });
    let history = client.call("chat.history", said).await.unwrap();
    let text = history["messages"][0].to_string();
    assert!(
        text.contains("System: [") && text.contains("good morning"),
        "{text}"
    );
    assert_eq!(history["totalMessages"], 2, "{history}");
    let bad = json!({
        "name": "bad", "schedule": { "kind": "cron", "expr": "not a cron" },
        "sessionTarget": "main", "wakeMode": "now",
        "payload": { "kind": "systemEvent", "text": "x" },
    });
    let error = client.call("cron.add", bad).await.unwrap_err();
    assert!(
        error["message"].as_str().unwrap().contains("CronPattern"),
        "{error}"
    );
}

#[tokio::test]
async fn a_command_is_asked_about_and_somebody_decides() {
    let house = House::start().await;
    let mut asker = house.client(3, 3).await;
    let hello = Hello::new(3, 3)
        .token(TOKEN)
        .scopes(&["operator.approvals"]);
    let mut judge = Client::connect(house.address, hello).await.unwrap();
    let ask = json!({ "id": "a1", "command": "rm -rf x", "cwd": null, "timeoutMs": 20_000 });
    let id = asker.send("exec.approval.request", ask).await;
    let event = judge.event("exec.approval.requested").await;
    assert_eq!(event["payload"]["request"]["command"], "rm -rf x");
    assert_eq!(event["payload"]["request"]["agentId"], Value::Null);
    let decide = json!({ "id": "a1", "decision": "allow-once" });
    let resolved = judge
        .call("exec.approval.resolve", decide.clone())
        .await
        .unwrap();
    assert_eq!(resolved, json!({ "ok": true }));
    let answer = asker.response(&id).await;
    assert_eq!(answer["payload"]["decision"], "allow-once", "{answer}");
    let event = judge.event("exec.approval.resolved").await;
    assert_eq!(event["payload"]["id"], "a1");
    let error = judge
        .call("exec.approval.resolve", decide)
        .await
        .unwrap_err();
    assert_eq!(error["message"], "approval already resolved");
    let lapse = json!({ "command": "ls", "timeoutMs": 1 });
    let lapsed = asker.call("exec.approval.request", lapse).await.unwrap();
    assert_eq!(lapsed["decision"], Value::Null);
}

#[tokio::test]
async fn files_of_rules_and_workspaces_change_only_for_who_read_them() {
    let house = House::start().await;
    let mut client = house.client(3, 3).await;
    let rules = client.call("exec.approvals.get", json!({})).await.unwrap();
    assert_eq!(rules["exists"], false);
    let file = json!({ "version": 1, "defaults": { "security": "deny" }, "agents": {} });
    let set = client
        .call("exec.approvals.set", json!({ "file": file }))
        .await
        .unwrap();
    assert_eq!(
        (&set["exists"], &set["file"]["defaults"]["security"]),
        (&json!(true), &json!("deny"))
    );
    let again = json!({ "file": file });
    let error = client.call("exec.approvals.set", again).await.unwrap_err();
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("base hash required"),
        "{error}"
    );
    let again = json!({ "file": file, "baseHash": set["hash"] });
    client.call("exec.approvals.set", again).await.unwrap();
    let write = json!({ "agentId": "main", "name": "SOUL.md", "content": "Be kind." });
    client.call("agents.files.set", write).await.unwrap();
    let read = json!({ "agentId": "main", "name": "SOUL.md" });
    let read = client.call("agents.files.get", read).await.unwrap();
    assert_eq!(read["file"]["content"], "Be kind.");
    let escape = json!({ "agentId": "main", "name": "../openclaw.json" });
    let error = client.call("agents.files.get", escape).await.unwrap_err();
    assert_eq!(error["code"], "INVALID_REQUEST");
    let listed = client
        .call("agents.files.list", json!({ "agentId": "main" }))
        .await
        .unwrap();
    assert_eq!(listed["files"].as_array().unwrap().len(), 8);
}

#[tokio::test]
async fn agents_come_and_go_in_the_configuration() {
    let house = House::start().await;
    let mut client = house.client(3, 3).await;
    let create = json!({ "name": "Night Owl", "workspace": "/tmp/owl", "emoji": "🦉" });
    let made = client.call("agents.create", create.clone()).await.unwrap();
    assert_eq!(made["agentId"], "night-owl");
    let config = client.call("config.get", json!({})).await.unwrap();
    assert_eq!(config["exists"], true);
    let error = client.call("agents.create", create).await.unwrap_err();
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("already exists"),
        "{error}"
    );
    let error = client
        .call("agents.delete", json!({ "agentId": "main" }))
        .await
        .unwrap_err();
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("cannot be deleted"),
        "{error}"
    );
}

#[tokio::test]
async fn a_line_wakes_the_agent_and_a_program_shows_itself() {
    let house = House::start().await;
    let mut client = house.client(3, 3).await;
    let wake = json!({ "mode": "now", "text": "the kettle boils" });
    assert_eq!(
        client.call("wake", wake).await.unwrap(),
        json!({ "ok": true })
    );
    let done = |payload: &Value| payload["state"] == "final";
    let answer = client.event_where("chat", done).await;
    assert!(
        answer["payload"].to_string().contains("the kettle boils"),
        "{answer}"
    );
    let report = json!({ "text": "Node: test", "host": "h", "mode": "cli", "instanceId": "i1" });
    client.call("system-event", report).await.unwrap();
    let present = client.call("system-presence", json!({})).await.unwrap();
    let shown = present.as_array().unwrap();
    assert!(
        shown.iter().any(|entry| entry["text"] == "Node: test"),
        "{present}"
    );
    let words = json!({ "triggers": ["hey"] });
    client.call("voicewake.set", words.clone()).await.unwrap();
    assert_eq!(client.event("voicewake.changed").await["payload"], words);
}

#[tokio::test]
async fn what_is_not_built_says_so() {
    let house = House::start().await;
    let mut client = house.client(3, 3).await;
    for (method, params) in [
        ("wizard.start", json!({})),
        ("update.run", json!({})),
        ("tts.convert", json!({ "text": "hi" })),
        ("browser.request", json!({ "method": "GET", "path": "/" })),
        ("skills.install", json!({ "name": "x", "installId": "y" })),
        ("set-heartbeats", json!({ "enabled": true })),
        (
            "node.invoke",
            json!({ "nodeId": "n", "command": "c", "idempotencyKey": "k" }),
        ),
    ] {
        let error = client.call(method, params).await.unwrap_err();
        assert_eq!(error["code"], "UNAVAILABLE", "{method}: {error}");
    }
    let send = json!({ "to": "1", "message": "hi", "channel": "pigeon", "idempotencyKey": "k" });
    let error = client.call("send", send).await.unwrap_err();
    assert_eq!(error["message"], "unsupported channel: pigeon");
}

#[tokio::test]
async fn sessions_are_heard_of_by_those_who_listen() {
    let house = House::start().await;
    let mut client = house.client(4, 4).await;
    client.call("sessions.subscribe", json!({})).await.unwrap();
    let hear = json!({ "key": "work" });
    client
        .call("sessions.messages.subscribe", hear)
        .await
        .unwrap();
    let create = json!({ "key": "work", "label": "Work" });
    let made = client.call("sessions.create", create).await.unwrap();
    assert_eq!(
        (&made["key"], &made["runStarted"]),
        (&json!("agent:main:work"), &json!(false))
    );
    let is_create = |payload: &Value| payload["reason"] == "create";
    client.event_where("sessions.changed", is_create).await;
    let send = json!({ "key": "work", "message": "hello", "idempotencyKey": "s1" });
    let sent = client.call("sessions.send", send).await.unwrap();
    assert_eq!(sent, json!({ "runId": "s1", "status": "started" }));
    let said = client.event("session.message").await;
    assert!(
        said["payload"]["message"].to_string().contains("echo: "),
        "{said}"
    );
    let by_label = json!({ "label": "Work" });
    let found = client.call("sessions.resolve", by_label).await.unwrap();
    assert_eq!(found["key"], "agent:main:work");
    let described = client
        .call("sessions.describe", json!({ "key": "work" }))
        .await
        .unwrap();
    assert_eq!(described["session"]["label"], "Work");
    let usage = client
        .call("sessions.usage", json!({ "key": "work" }))
        .await
        .unwrap();
    assert_eq!(
        usage["sessions"][0]["usage"]["messageCounts"]["assistant"], 1,
        "{usage}"
    );
}
