//! Nodes: commands go to them and answers come back, whatever the node, the gateway or an operator does meanwhile.

use openclaw_runtime::ActorPath;
use openclaw_runtime::KillReason;
use openclaw_support::client::Client;
use openclaw_support::client::Hello;
use openclaw_support::device::Device;
use serde_json::Value;
use serde_json::json;

use crate::house::House;
use crate::house::TOKEN;

fn hello(version: u32, device: &Device) -> Hello {
    Hello::new(version, version)
        .token(TOKEN)
        .scopes(&[])
        .with("role", json!("node"))
        .with("caps", json!(["system"]))
        .with(
            "commands",
            json!([
                "system.which",
                "system.run",
                "camera.snap",
                "system.execApprovals.get"
            ]),
        )
        .with("pathEnv", json!("/usr/bin"))
        .with(
            "client",
            json!({
                "id": "node-host", "displayName": "attic", "version": "1", "platform": "linux",
                "mode": "node",
            }),
        )
        .device(device)
}

async fn node(house: &House, version: u32, number: u8) -> (Client, String) {
    let device = Device::new(number);
    let client = Client::connect(house.address, hello(version, &device)).await;
    (client.expect("admitted"), device.id)
}

fn which(node: &str, key: &str) -> Value {
    json!({
        "nodeId": node, "command": "system.which", "params": { "bins": ["sh"] },
        "timeoutMs": 20_000, "idempotencyKey": key,
    })
}

/// Waits for a command and answers it with `payload`.
async fn answer(node: &mut Client, id: &str, payload: Value) -> Value {
    let asked = node.event("node.invoke.request").await;
    let asked = asked["payload"].clone();
    let result = json!({
        "id": asked["id"], "nodeId": id, "ok": true, "payloadJSON": payload.to_string(),
        "error": null,
    });
    let noted = node.call("node.invoke.result", result).await.unwrap();
    assert_eq!(noted, json!({ "ok": true }));
    asked
}

#[tokio::test]
async fn a_command_goes_to_its_node_and_its_answer_comes_back() {
    for version in [3, 4] {
        let house = House::start().await;
        let mut operator = house.client(version, version).await;
        let (mut node, id) = node(&house, version, 1).await;
        let asked = operator.send("node.invoke", which(&id, "k1")).await;
        let got = answer(&mut node, &id, json!({ "bins": { "sh": "/bin/sh" } })).await;
        let params = got["paramsJSON"].as_str().unwrap();
        assert_eq!(params, r#"{"bins":["sh"]}"#);
        assert_eq!(
            (&got["nodeId"], &got["timeoutMs"]),
            (&json!(id), &json!(20_000))
        );
        let came = operator.response(&asked).await;
        let payload = &came["payload"];
        assert_eq!(payload["payload"]["bins"]["sh"], "/bin/sh", "{came}");
        assert!(payload["payloadJSON"].is_string(), "{came}");

        // Neither a stranger's answer, nor one for another node, nor a late one counts.
        let late = json!({ "id": got["id"], "nodeId": id, "ok": true, "payload": 1 });
        let ignored = node.call("node.invoke.result", late).await.unwrap();
        assert_eq!(ignored, json!({ "ok": true, "ignored": true }));
        let other = json!({ "id": got["id"], "nodeId": "other", "ok": true });
        let error = node.call("node.invoke.result", other).await.unwrap_err();
        assert_eq!(error["message"], "nodeId mismatch");

        // What the node can't do, it says itself.
        let asked = operator.send("node.invoke", which(&id, "k2")).await;
        let got = node.event("node.invoke.request").await["payload"].clone();
        let failed = json!({
            "id": got["id"], "nodeId": id, "ok": false,
            "error": { "code": "INVALID_REQUEST", "message": "bins required" },
        });
        node.call("node.invoke.result", failed).await.unwrap();
        let error = operator.response(&asked).await["error"].clone();
        assert_eq!(
            (&error["code"], &error["message"]),
            (&json!("UNAVAILABLE"), &json!("bins required"))
        );
        assert_eq!(error["details"]["nodeError"]["code"], "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn nodes_are_listed_with_what_they_may_be_asked() {
    let house =
        House::with(json!({ "gateway": { "nodes": { "denyCommands": ["system.run"] } } })).await;
    let mut operator = house.client(4, 4).await;
    let (node, id) = node(&house, 3, 1).await;
    let listed = operator.call("node.list", json!({})).await.unwrap();
    let entry = &listed["nodes"][0];
    assert_eq!(
        entry["commands"],
        json!(["system.execApprovals.get", "system.which"])
    );
    let facts = ["displayName", "platform", "pathEnv"].map(|name| entry[name].clone());
    assert_eq!(facts, [json!("attic"), json!("linux"), json!("/usr/bin")]);
    assert_eq!(
        (&entry["paired"], &entry["connected"]),
        (&json!(true), &json!(true))
    );

    // What is set takes effect at once, for a node that is connected too.
    house.reconfigure(json!({ "gateway": { "nodes": { "allowCommands": ["camera.snap"] } } }));
    let one = json!({ "nodeId": id });
    let described = operator.call("node.describe", one.clone()).await.unwrap();
    let commands = json!([
        "camera.snap",
        "system.execApprovals.get",
        "system.run",
        "system.which"
    ]);
    assert_eq!(described["commands"], commands);

    let refused = [
        ("screen.record", "command not allowlisted"),
        ("system.notify", "command not declared by node"),
        (" ", "command required"),
    ];
    for (command, reason) in refused {
        let ask = json!({ "nodeId": id, "command": command, "idempotencyKey": reason });
        let error = operator.call("node.invoke", ask).await.unwrap_err();
        assert_eq!(error["details"]["reason"], reason, "{error}");
    }
    let name = json!({ "nodeId": id, "displayName": "cellar" });
    operator.call("node.rename", name).await.unwrap();
    let described = operator.call("node.describe", one.clone()).await.unwrap();
    assert_eq!(described["displayName"], "cellar");

    node.close().await;
    operator
        .event_where("presence", |payload| {
            !payload
                .to_string()
                .contains("\"reason\":\"connect\",\"roles\":[\"node\"]")
        })
        .await;
    let away = operator.call("node.describe", one).await.unwrap();
    assert_eq!(
        (&away["connected"], &away["commands"]),
        (&json!(false), &json!([]))
    );
    let error = operator
        .call("node.invoke", which(&id, "k"))
        .await
        .unwrap_err();
    assert_eq!(error["details"]["code"], "NOT_CONNECTED");
}

#[tokio::test]
async fn a_repeated_command_gets_the_first_answer_and_is_run_once() {
    let house = House::start().await;
    let mut operator = house.client(4, 4).await;
    let (mut node, id) = node(&house, 4, 1).await;
    // A repeat while the first is under way waits with it.
    let first = operator.send("node.invoke", which(&id, "same")).await;
    let second = operator.send("node.invoke", which(&id, "same")).await;
    answer(&mut node, &id, json!({ "run": 1 })).await;
    for asked in [first, second] {
        let came = operator.response(&asked).await;
        assert_eq!(came["payload"]["payload"]["run"], 1, "{came}");
    }
    let third = operator
        .call("node.invoke", which(&id, "same"))
        .await
        .unwrap();
    assert_eq!(third["payload"]["run"], 1);
    let mut other = which(&id, "same");
    other["params"] = json!({ "bins": ["rm"] });
    let error = operator.call("node.invoke", other).await.unwrap_err();
    assert_eq!(
        error["message"],
        "idempotencyKey was used for another command"
    );
    // The same over the ledger that is left, with the node away.
    let ledger = house.stop().await;
    let house = House::on(json!({}), ledger).await;
    let mut operator = house.client(4, 4).await;
    let after = operator
        .call("node.invoke", which(&id, "same"))
        .await
        .unwrap();
    assert_eq!(after["payload"]["run"], 1);
    // And the node was asked once: the next thing it hears is another command.
    let (mut node, id) = self::node(&house, 4, 1).await;
    let asked = operator.send("node.invoke", which(&id, "next")).await;
    let got = answer(&mut node, &id, json!({ "run": 2 })).await;
    assert_eq!(got["idempotencyKey"], "next");
    operator.response(&asked).await;
}

#[tokio::test]
async fn a_node_that_hangs_or_falls_touches_no_other() {
    let house = House::start().await;
    let mut operator = house.client(4, 4).await;
    let (mut silent, silent_id) = node(&house, 3, 1).await;
    let (mut brisk, brisk_id) = node(&house, 4, 2).await;
    // One hears its command and never answers.
    let hanging = operator
        .send("node.invoke", which(&silent_id, "hangs"))
        .await;
    silent.event("node.invoke.request").await;
    let mut short = which(&silent_id, "short");
    short["timeoutMs"] = json!(50);
    let error = operator.call("node.invoke", short).await.unwrap_err();
    assert_eq!(error["details"]["nodeError"]["code"], "TIMEOUT", "{error}");
    // A later node that was too slow hears that nobody waits any more.
    let mut late = which(&brisk_id, "late");
    late["timeoutMs"] = json!(50);
    operator.call("node.invoke", late).await.unwrap_err();
    let begun = brisk.event("node.invoke.request").await;
    let cancelled = brisk.event("node.invoke.cancel").await;
    assert_eq!(cancelled["payload"]["id"], begun["payload"]["id"]);
    assert!(cancelled["seq"].is_null(), "{cancelled}");
    let asked = operator
        .send("node.invoke", which(&brisk_id, "brisk"))
        .await;
    answer(&mut brisk, &brisk_id, json!({ "here": true })).await;
    let came = operator.response(&asked).await;
    assert_eq!(came["payload"]["payload"]["here"], true, "{came}");
    // Then its actor falls: what waits is answered, its socket closed, the other goes on.
    let link = house.services.node_board.get(&silent_id).unwrap();
    assert!(
        house
            .services
            .directory
            .kill(&link.path(), KillReason::Abort)
    );
    let error = operator.response(&hanging).await["error"].clone();
    assert_eq!(
        error["message"], "node disconnected (system.which)",
        "{error}"
    );
    silent.closed().await;
    let asked = operator
        .send("node.invoke", which(&brisk_id, "again"))
        .await;
    answer(&mut brisk, &brisk_id, json!({})).await;
    assert_eq!(operator.response(&asked).await["ok"], true);
    // It comes back as the same node.
    let (mut back, id) = node(&house, 3, 1).await;
    assert_eq!(id, silent_id);
    let asked = operator.send("node.invoke", which(&id, "back")).await;
    answer(&mut back, &id, json!({})).await;
    assert_eq!(operator.response(&asked).await["ok"], true);
    // One that leaves leaves nobody waiting.
    let asked = operator.send("node.invoke", which(&id, "leaves")).await;
    back.event("node.invoke.request").await;
    back.close().await;
    let error = operator.response(&asked).await["error"].clone();
    assert_eq!(
        (&error["code"], &error["message"]),
        (
            &json!("UNAVAILABLE"),
            &json!("node disconnected (system.which)")
        )
    );
}

#[tokio::test]
async fn a_newer_connection_takes_the_place_of_its_node_s_older_one() {
    let house = House::start().await;
    let mut operator = house.client(4, 4).await;
    let (mut older, id) = node(&house, 3, 1).await;
    let waits = operator.send("node.invoke", which(&id, "waits")).await;
    let asked = older.event("node.invoke.request").await["payload"].clone();
    let (mut newer, _) = node(&house, 3, 1).await;
    assert_eq!(older.closed().await.1, "replaced by a newer connection");
    let error = operator.response(&waits).await["error"].clone();
    assert_eq!(error["message"], "node disconnected (system.which)");
    // What the older one was asked, the newer can't answer.
    let late = json!({ "id": asked["id"], "nodeId": id, "ok": true });
    let ignored = newer.call("node.invoke.result", late).await.unwrap();
    assert_eq!(ignored["ignored"], true);
    let asked = operator.send("node.invoke", which(&id, "now")).await;
    answer(&mut newer, &id, json!({})).await;
    assert_eq!(operator.response(&asked).await["ok"], true);
    let tree = house
        .services
        .directory
        .tree(Some(&ActorPath::new("nodes")), None)
        .unwrap();
    let links = tree.walk().into_iter().filter(|node| node.kind == "node");
    assert_eq!(links.count(), 1);
}

#[tokio::test]
async fn who_may_not_approve_can_t_say_that_a_command_was_approved() {
    let house = House::start().await;
    let scopes = ["operator.read", "operator.write"];
    let hello = Hello::new(3, 3).token(TOKEN).scopes(&scopes);
    let mut writer = Client::connect(house.address, hello).await.unwrap();
    let (mut node, id) = node(&house, 3, 1).await;
    let run = json!({
        "nodeId": id, "command": "system.run", "idempotencyKey": "k",
        "params": { "command": ["rm", "x"], "approved": true, "approvalDecision": "allow-once" },
    });
    let asked = writer.send("node.invoke", run).await;
    let got = answer(&mut node, &id, json!({})).await;
    assert_eq!(got["paramsJSON"], r#"{"command":["rm","x"]}"#);
    assert_eq!(writer.response(&asked).await["ok"], true);
    // Nor does it get at the node's own rules.
    let rules = json!({
        "nodeId": id, "command": "system.execApprovals.get", "idempotencyKey": "r",
    });
    assert!(writer.call("node.invoke", rules).await.is_err());
    let mut owner = house.client(3, 3).await;
    let asked = owner
        .send("exec.approvals.node.get", json!({ "nodeId": id }))
        .await;
    answer(
        &mut node,
        &id,
        json!({ "exists": true, "file": { "version": 1 } }),
    )
    .await;
    let rules = owner.response(&asked).await["payload"].clone();
    assert_eq!(rules["file"]["version"], 1, "{rules}");
}

#[tokio::test]
async fn a_node_hears_the_sessions_it_asked_for_and_is_believed_about_its_own_work() {
    let house = House::start().await;
    let mut operator = house.client(4, 4).await;
    let (mut node, id) = node(&house, 4, 1).await;
    let listen =
        json!({ "event": "chat.subscribe", "payload": { "sessionKey": "agent:main:attic" } });
    let heard = node.call("node.event", listen).await.unwrap();
    assert_eq!(heard["handled"], true, "{heard}");
    for (key, session) in [("r1", "agent:main:other"), ("r2", "agent:main:attic")] {
        let say = json!({ "sessionKey": session, "message": "hi", "idempotencyKey": key });
        operator.call("chat.send", say).await.unwrap();
        operator.run_events(key).await;
    }
    let first = node.event("chat").await;
    assert_eq!(
        first["payload"]["sessionKey"], "agent:main:attic",
        "{first}"
    );

    // A program that nobody asked it to run for a session is no news there.
    let ended = json!({ "event": "exec.finished", "payload": {
        "sessionKey": "agent:main:attic", "runId": "x", "exitCode": 3, "output": "the kettle is empty",
    } });
    let unasked = node.call("node.event", ended.clone()).await.unwrap();
    assert_eq!(unasked["reason"], "unmatched_exec_event", "{unasked}");
    let run = json!({
        "nodeId": id, "command": "system.run", "idempotencyKey": "k",
        "params": { "command": ["ls"], "sessionKey": "agent:main:attic" },
    });
    let asked = operator.send("node.invoke", run).await;
    answer(&mut node, &id, json!({ "exitCode": 3 })).await;
    operator.response(&asked).await;
    let told = node.call("node.event", ended).await.unwrap();
    assert_eq!(told["handled"], true, "{told}");
    let fits = |payload: &Value| {
        payload["state"] == "final" && payload.to_string().contains("the kettle is empty")
    };
    operator.event_where("chat", fits).await;

    let stats = json!({ "event": "node.host.stats", "payload": { "cpuCount": 4 } });
    node.call("node.event", stats).await.unwrap();
    let stats = operator.event("node.hostStats").await;
    assert_eq!(stats["payload"]["hostStats"]["cpuCount"], 4);
}

#[tokio::test]
async fn a_known_device_that_wants_to_be_a_node_is_let_in_by_name_too() {
    let house = House::start().await;
    let device = Device::new(7);
    let known = Hello::new(3, 3).token(TOKEN).device(&device);
    Client::connect(house.address, known)
        .await
        .unwrap()
        .close()
        .await;
    let refused = Client::connect(house.address, hello(3, &device)).await;
    assert!(refused.is_err(), "a second role is a new right");
    let mut owner = house.client(4, 4).await;
    let listed = owner.call("node.pair.list", json!({})).await.unwrap();
    let waits = &listed["pending"][0];
    assert_eq!(
        (&waits["nodeId"], &waits["displayName"]),
        (&json!(device.id), &json!("attic"))
    );
    let request = json!({ "requestId": waits["requestId"] });
    let approved = owner
        .call("node.pair.approve", request.clone())
        .await
        .unwrap();
    assert_eq!(approved["node"]["nodeId"], json!(device.id), "{approved}");
    assert!(owner.call("node.pair.approve", request).await.is_err());
    let (_node, id) = node(&house, 3, 7).await;
    assert!(house.services.node_board.get(&id).is_some());
}
