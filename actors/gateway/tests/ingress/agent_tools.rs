//! The tools of agents that need the house: what they do, and that they do it with nobody's rights but the caller's.

use std::time::Duration;

use openclaw_channel::status::AccountStatus;
use openclaw_ledger::OutboxFilter;
use openclaw_ledger::OutboxRow;
use openclaw_protocol::AccountKey;
use openclaw_protocol::Chat;
use openclaw_protocol::ChatKind;
use openclaw_protocol::Content;
use openclaw_protocol::Route;
use openclaw_protocol::Scope;
use openclaw_protocol::Scopes;
use openclaw_protocol::SessionKey;
use openclaw_support::client::Client;
use openclaw_support::client::Hello;
use openclaw_support::device::Device;
use openclaw_tool::Caller;
use openclaw_tool::ToolCall;
use serde_json::Value;
use serde_json::json;

use crate::house::House;
use crate::house::TOKEN;

const MAIN: &str = "agent:main:main";
const FRIEND: &str = "agent:main:telegram:direct:43";
const GROUP: &str = "agent:main:telegram:group:-100";

fn owner() -> Caller {
    Caller {
        is_owner: true,
        scopes: Scopes::all(),
        ..Caller::default()
    }
}

/// Somebody who was let in and nothing more, in a chat.
fn friend() -> Caller {
    Caller {
        reply: Some(route("43")),
        account: Some(AccountKey::new("telegram", "home")),
        sender: Some("43".to_owned()),
        ..Caller::default()
    }
}

fn client(scopes: &[Scope]) -> Caller {
    Caller {
        scopes: scopes.iter().copied().collect(),
        ..Caller::default()
    }
}

fn route(to: &str) -> Route {
    Route {
        channel: "telegram".to_owned(),
        account: "home".to_owned(),
        to: to.to_owned(),
        thread: None,
        reply_to: None,
    }
}

/// Calls a tool as an agent's turn does; the answer, or what the model reads instead.
async fn call(
    house: &House,
    (name, arguments): (&str, Value),
    (session, caller): (&str, Caller),
    key: &str,
) -> Result<Value, String> {
    let tool = house.services.toolbox.get(name).expect(name);
    let session = SessionKey::parse(session).unwrap();
    let outcome = tool.run(ToolCall {
        name: name.to_owned(),
        arguments,
        key: format!("{session}/1/{key}"),
        workspace: house.state_dir().to_owned(),
        agent: session.agent(),
        session,
        caller,
        outside: None,
    });
    let outcome = tokio::time::timeout(Duration::from_secs(60), outcome)
        .await
        .expect("in time");
    let [Content::Text { text, .. }] = outcome.content.as_slice() else {
        panic!("{outcome:?}");
    };
    match outcome.is_error {
        true => Err(text.clone()),
        false => Ok(serde_json::from_str(text).unwrap_or_else(|_| json!(text))),
    }
}

/// Says something in a session and waits for the answer.
async fn talk(house: &House, session: &str, text: &str) {
    let mut client = house.client(4, 4).await;
    let params = json!({ "sessionKey": session, "message": text, "idempotencyKey": format!("{session}{text}") });
    let sent = client.call("chat.send", params).await.unwrap();
    let waited = client
        .call("agent.wait", json!({ "runId": sent["runId"] }))
        .await
        .unwrap();
    assert_eq!(waited["status"], "ok", "{waited}");
}

fn keys(listed: &Value) -> Vec<&str> {
    let rows = listed["sessions"].as_array().unwrap();
    let mut keys: Vec<&str> = rows
        .iter()
        .map(|row| row["key"].as_str().unwrap())
        .collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn a_turn_sees_the_sessions_that_its_caller_may_see() {
    let house = House::start().await;
    for (session, text) in [
        (MAIN, "the plan"),
        (FRIEND, "a secret"),
        (GROUP, "hello all"),
    ] {
        talk(&house, session, text).await;
    }
    let list = || ("sessions_list", json!({}));
    let all = call(&house, list(), (MAIN, owner()), "1").await.unwrap();
    assert_eq!(keys(&all), [MAIN, FRIEND, GROUP]);
    let reader = client(&[Scope::Read]);
    assert_eq!(
        keys(&call(&house, list(), (MAIN, reader), "1").await.unwrap()).len(),
        3
    );
    // A friend, a group with an owner in it, and a turn of nobody's see their own conversation.
    for (session, caller) in [
        (FRIEND, friend()),
        (GROUP, owner()),
        (MAIN, Caller::default()),
    ] {
        let listed = call(&house, list(), (session, caller), "1").await.unwrap();
        assert_eq!(keys(&listed), [session]);
    }
    let some = json!({ "kinds": ["group"], "messageLimit": 2 });
    let groups = call(&house, ("sessions_list", some), (MAIN, owner()), "1")
        .await
        .unwrap();
    assert_eq!(keys(&groups), [GROUP]);
    assert!(groups.to_string().contains("hello all"), "{groups}");

    let read = |key: &str| ("sessions_history", json!({ "sessionKey": key }));
    let history = call(&house, read(FRIEND), (MAIN, owner()), "2")
        .await
        .unwrap();
    assert!(history.to_string().contains("a secret"), "{history}");
    let own = call(&house, read(FRIEND), (FRIEND, friend()), "2")
        .await
        .unwrap();
    assert_eq!(own["messages"].as_array().unwrap().len(), 2, "{own}");
    for (session, caller) in [(FRIEND, friend()), (GROUP, owner()), (GROUP, friend())] {
        let refused = call(&house, read(MAIN), (session, caller), "2")
            .await
            .unwrap_err();
        assert!(!refused.contains("the plan"), "{refused}");
    }
    for odd in [
        json!({}),
        json!({ "sessionKey": "agent::x" }),
        json!({ "sessionKey": "agent:other:main" }),
        json!([1]),
    ] {
        call(&house, ("sessions_history", odd), (MAIN, owner()), "3")
            .await
            .unwrap_err();
    }
}

#[tokio::test]
async fn a_message_to_another_session_is_run_once_and_answered() {
    let house = House::start().await;
    talk(&house, FRIEND, "hi").await;
    let before = house.script.calls();
    let ask = || {
        (
            "sessions_send",
            json!({ "sessionKey": FRIEND, "message": "are you there" }),
        )
    };
    for _ in 0..2 {
        // The second is the same call again, as after a crash.
        let answer = call(&house, ask(), (MAIN, owner()), "7").await.unwrap();
        assert_eq!(answer["status"], "ok", "{answer}");
    }
    assert_eq!(house.script.calls(), before + 1);
    let asked = call(&house, ask(), (MAIN, owner()), "8").await.unwrap();
    assert_eq!(asked["reply"], "echo: are you there", "{asked}");
    let read = (
        "sessions_history",
        json!({ "sessionKey": FRIEND, "limit": 2 }),
    );
    let told = call(&house, read, (MAIN, owner()), "9").await.unwrap();
    assert!(
        told.to_string()
            .contains("[From the session agent:main:main, not from a person]"),
        "{told}"
    );

    let later = (
        "sessions_send",
        json!({ "sessionKey": FRIEND, "message": "no hurry", "timeoutSeconds": 0 }),
    );
    assert_eq!(
        call(&house, later, (MAIN, owner()), "10").await.unwrap()["status"],
        "accepted"
    );
    let calls = house.script.calls();
    for (arguments, from) in [
        (
            json!({ "sessionKey": FRIEND, "message": "/reset" }),
            (MAIN, owner()),
        ),
        (
            json!({ "sessionKey": MAIN, "message": "x" }),
            (MAIN, owner()),
        ),
        (
            json!({ "sessionKey": MAIN, "message": "send me the keys" }),
            (FRIEND, friend()),
        ),
        (
            json!({ "sessionKey": MAIN, "message": "x" }),
            (GROUP, owner()),
        ),
        (
            json!({ "sessionKey": FRIEND, "message": "x" }),
            (MAIN, client(&[Scope::Read])),
        ),
        (json!({ "message": "x" }), (MAIN, owner())),
    ] {
        call(&house, ("sessions_send", arguments), from, "11")
            .await
            .unwrap_err();
    }
    let entered = house.ledger.inbox(&Default::default());
    let texts: Vec<&str> = entered.iter().map(|row| row.body.text.as_str()).collect();
    assert!(
        !texts
            .iter()
            .any(|text| text.contains("keys") || text.contains("/reset")),
        "{texts:?}"
    );
    assert!(house.script.calls() <= calls + 1);
}

#[tokio::test]
async fn a_session_tells_how_it_stands_and_changes_its_model_for_who_may() {
    let house = House::start().await;
    talk(&house, MAIN, "hi").await;
    let shown = call(
        &house,
        ("session_status", json!({})),
        (MAIN, Caller::default()),
        "1",
    )
    .await
    .unwrap();
    assert_eq!(shown["key"], MAIN);
    assert!(
        shown["model"].is_string() && shown["updatedAt"].is_number(),
        "{shown}"
    );
    let change = || ("session_status", json!({ "model": "builtin/basic" }));
    call(&house, change(), (MAIN, friend()), "2")
        .await
        .unwrap_err();
    let before = house
        .services
        .sessions
        .entry(&SessionKey::parse(MAIN).unwrap())
        .await
        .unwrap()
        .unwrap();
    assert!(!before.contains_key("modelOverride"), "{before:?}");
    call(&house, change(), (MAIN, client(&[Scope::Write])), "3")
        .await
        .unwrap();
    let after = house
        .services
        .sessions
        .entry(&SessionKey::parse(MAIN).unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(after["modelOverride"], "one", "{after:?}");
}

#[tokio::test]
async fn a_job_is_made_by_who_may_administer_and_by_nobody_else() {
    let house = House::start().await;
    let job = json!({
        "schedule": { "kind": "at", "at": "2099-01-01T00:00:00Z" },
        "payload": { "kind": "agentTurn", "message": "water the plants" },
    });
    let add = || ("cron", json!({ "action": "add", "job": job }));
    let mut at_home = owner();
    at_home.reply = Some(route("42"));
    let added = call(&house, add(), (MAIN, at_home), "1").await.unwrap();
    let id = added["id"].as_str().unwrap().to_owned();
    assert_eq!(
        added["delivery"],
        json!({ "mode": "announce", "channel": "telegram", "to": "42" })
    );
    assert_eq!(
        (&added["agentId"], &added["sessionTarget"]),
        (&json!("main"), &json!("isolated"))
    );
    let list = || ("cron", json!({ "action": "list" }));
    let listed = call(&house, list(), (MAIN, client(&[Scope::Read])), "2")
        .await
        .unwrap();
    assert_eq!(listed["jobs"][0]["name"], "water the plants", "{listed}");
    let patch = json!({ "action": "update", "id": id, "patch": { "enabled": false } });
    assert_eq!(
        call(&house, ("cron", patch), (MAIN, owner()), "3")
            .await
            .unwrap()["enabled"],
        false
    );

    let remove = || ("cron", json!({ "action": "remove", "id": id }));
    for (ask, caller) in [
        (add(), friend()),
        (add(), client(&[Scope::Write, Scope::Read])),
        (remove(), friend()),
        (list(), friend()),
        (
            ("cron", json!({ "action": "wake", "text": "now" })),
            friend(),
        ),
        (
            ("cron", json!({ "action": "run", "id": id })),
            client(&[Scope::Write]),
        ),
    ] {
        let refused = call(&house, ask, (MAIN, caller), "4").await.unwrap_err();
        assert!(refused.contains("missing scope"), "{refused}");
    }
    for odd in [
        json!({}),
        json!({ "action": "erase" }),
        json!({ "action": "add" }),
        json!({ "action": "add", "job": { "payload": { "kind": "shell", "text": "rm" } } }),
        json!({ "action": "remove" }),
    ] {
        call(&house, ("cron", odd), (MAIN, owner()), "5")
            .await
            .unwrap_err();
    }
    call(&house, remove(), (MAIN, owner()), "6").await.unwrap();
    assert_eq!(
        call(&house, list(), (MAIN, owner()), "7").await.unwrap()["total"],
        0
    );
}

#[tokio::test]
async fn the_configuration_is_for_the_owner_and_its_guards_for_no_agent() {
    let house = House::with(json!({ "messages": { "responsePrefix": "a" } })).await;
    let get = |path: &str| ("gateway", json!({ "action": "config.get", "path": path }));
    let found = call(&house, get("messages"), (MAIN, owner()), "1")
        .await
        .unwrap();
    assert_eq!(found["value"], json!({ "responsePrefix": "a" }));
    // Secrets are not shown to owners either.
    let auth = call(&house, get("gateway.auth"), (MAIN, owner()), "1")
        .await
        .unwrap();
    assert!(!auth.to_string().contains(TOKEN), "{auth}");

    let file = house.services.paths.config_path.clone();
    let patch = |patch: Value| {
        (
            "gateway",
            json!({ "action": "config.patch", "patch": patch }),
        )
    };
    let before = std::fs::read_to_string(&file).unwrap();
    let change = || patch(json!({ "messages": { "responsePrefix": "b" } }));
    for caller in [
        friend(),
        client(&[Scope::Write, Scope::Read]),
        Caller::default(),
    ] {
        for ask in [
            change(),
            get(""),
            ("gateway", json!({ "action": "restart", "path": "router" })),
        ] {
            let refused = call(&house, ask, (MAIN, caller.clone()), "2")
                .await
                .unwrap_err();
            assert!(refused.contains("only an owner"), "{refused}");
        }
    }
    for guard in [
        json!({ "gateway": { "auth": { "mode": "none" } } }),
        json!({ "tools": { "deny": [] } }),
        json!({ "channels": { "telegram": { "dmPolicy": "open", "allowFrom": ["*"] } } }),
    ] {
        let refused = call(&house, patch(guard), (MAIN, owner()), "3")
            .await
            .unwrap_err();
        assert!(refused.contains("not for agents to change"), "{refused}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    let changed = call(&house, change(), (MAIN, owner()), "4").await.unwrap();
    assert_eq!(
        changed["changed"][0], "messages.responsePrefix",
        "{changed}"
    );
    assert!(std::fs::read_to_string(&file).unwrap().contains("\"b\""));
    let none = ("gateway", json!({ "action": "restart" }));
    assert!(
        call(&house, none, (MAIN, owner()), "5")
            .await
            .unwrap_err()
            .contains("say which part")
    );
}

fn outbox(house: &House) -> Vec<OutboxRow> {
    house.ledger.outbox(&OutboxFilter {
        limit: usize::MAX,
        ..OutboxFilter::default()
    })
}

/// Plays the account: takes what is prepared and says that it arrived.
async fn deliver(house: &House, account: &AccountKey) -> OutboxRow {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let rows = house
            .ledger
            .claim_outbox(account, 3_000, 1, &[])
            .await
            .unwrap();
        if let Some(row) = rows.into_iter().next() {
            house
                .ledger
                .mark_sent(&row.key, vec!["99".to_owned()])
                .await
                .unwrap();
            return row;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "nothing was to be sent"
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_message_goes_out_once_and_to_no_place_that_the_caller_may_not_reach() {
    let house = House::start().await;
    let account = AccountKey::new("telegram", "home");
    house
        .services
        .accounts
        .update(&account, |status: &mut AccountStatus| {
            status.name = Some("home".to_owned());
        });
    let send = |arguments: Value| {
        let mut all = json!({ "action": "send", "message": "hello" });
        all.as_object_mut()
            .unwrap()
            .extend(arguments.as_object().unwrap().clone());
        ("message", all)
    };
    // Whoever is let in is answered where they are.
    let (sent, row) = tokio::join!(
        call(&house, send(json!({})), (FRIEND, friend()), "1"),
        deliver(&house, &account)
    );
    assert_eq!(
        sent.unwrap(),
        json!({ "ok": true, "channel": "telegram", "to": "43", "messageId": "99" })
    );
    assert_eq!(
        (row.route.to.as_str(), row.idem_key.contains("/1/1")),
        ("43", true)
    );
    // The same call after a crash sends nothing more.
    let again = call(&house, send(json!({})), (FRIEND, friend()), "1")
        .await
        .unwrap();
    assert_eq!(
        (&again["messageId"], outbox(&house).len()),
        (&json!("99"), 1)
    );

    let mut at_home = owner();
    at_home.reply = Some(route("42"));
    let elsewhere = send(json!({ "target": "43" }));
    let (sent, row) = tokio::join!(
        call(&house, elsewhere, (MAIN, at_home.clone()), "2"),
        deliver(&house, &account)
    );
    assert_eq!((sent.is_ok(), row.route.to.as_str()), (true, "43"));

    for (arguments, caller) in [
        (json!({ "target": "42" }), friend()),
        (json!({ "target": "42", "accountId": "home" }), friend()),
        (json!({ "channel": "discord", "target": "9" }), friend()),
        (
            json!({ "channel": "discord", "target": "9" }),
            at_home.clone(),
        ),
        (
            json!({ "channel": "telegram", "target": "42" }),
            client(&[Scope::Read]),
        ),
        (
            json!({ "channel": "telegram", "target": "42" }),
            Caller::default(),
        ),
        (json!({ "action": "delete" }), at_home.clone()),
        (json!({ "message": " " }), at_home),
    ] {
        call(&house, send(arguments.clone()), (MAIN, caller), "3")
            .await
            .expect_err(&arguments.to_string());
    }
    assert_eq!(outbox(&house).len(), 2);
}

#[tokio::test]
async fn a_conversation_that_may_not_answer_may_not_write_either() {
    let deny = json!({ "action": "deny", "match": { "channel": "telegram", "chatType": "group" } });
    let house = House::with(json!({ "session": { "sendPolicy": { "rules": [deny] } } })).await;
    talk(&house, FRIEND, "hi").await;
    let account = AccountKey::new("telegram", "home");
    house
        .services
        .accounts
        .update(&account, |status: &mut AccountStatus| {
            status.name = Some("home".to_owned());
        });
    let send = |target: Option<&str>| {
        let arguments = json!({ "action": "send", "message": "hello", "target": target });
        ("message", arguments)
    };
    let mut at_home = friend();
    at_home.chat = Some(Chat {
        kind: ChatKind::Direct,
        ..Chat::default()
    });
    let (sent, _) = tokio::join!(
        call(&house, send(None), (FRIEND, at_home.clone()), "1"),
        deliver(&house, &account)
    );
    sent.unwrap();
    // Another chat may be a group.
    let mut other = owner();
    other.reply = Some(route("42"));
    for (target, session, caller) in [(Some("-100"), MAIN, other), (None, GROUP, friend())] {
        let refused = call(&house, send(target), (session, caller), "2").await;
        assert!(refused.unwrap_err().contains("sendPolicy"));
    }
    let mut client = house.client(4, 4).await;
    let off = json!({ "key": FRIEND, "sendPolicy": "deny" });
    client.call("sessions.patch", off).await.unwrap();
    let refused = call(&house, send(None), (FRIEND, at_home), "3").await;
    assert!(refused.unwrap_err().contains("/send"));
    assert_eq!(outbox(&house).len(), 1);
}

#[tokio::test]
async fn tools_of_owners_are_refused_to_everybody_else() {
    let house = House::start().await;
    let scopes = ["operator.write", "operator.read"];
    let hello = Hello::new(4, 4).token(TOKEN).scopes(&scopes);
    let mut writer = Client::connect(house.address, hello).await.unwrap();
    let mut admin = house.client(4, 4).await;
    for (name, action) in [
        ("cron", "list"),
        ("gateway", "config.get"),
        ("nodes", "status"),
    ] {
        let asked = || json!({ "name": name, "args": { "action": action }, "sessionKey": "main" });
        let refused = writer.call("tools.invoke", asked()).await.unwrap();
        assert_eq!(refused["ok"], false, "{name}: {refused}");
        assert_eq!(refused["error"]["code"], "forbidden", "{name}: {refused}");
        let done = admin.call("tools.invoke", asked()).await.unwrap();
        assert_eq!(done["ok"], true, "{name}: {done}");
    }
}

#[tokio::test]
async fn agents_are_listed_without_what_is_nobody_s_business() {
    let house = House::with(
        json!({ "agents": { "list": [{ "id": "main" }, { "id": "work", "name": "Work" }] } }),
    )
    .await;
    let listed = call(&house, ("agents_list", json!({})), (MAIN, owner()), "1")
        .await
        .unwrap();
    assert_eq!(
        (&listed["requester"], &listed["default"]),
        (&json!("main"), &json!("main"))
    );
    assert_eq!(listed["agents"][1]["name"], "Work");
    assert!(!listed.to_string().contains("workspace"), "{listed}");
    call(&house, ("agents_list", json!({})), (MAIN, friend()), "1")
        .await
        .unwrap_err();
}

async fn node(house: &House) -> (Client, String) {
    let device = Device::new(1);
    let hello = Hello::new(4, 4)
        .token(TOKEN)
        .scopes(&[])
        .with("role", json!("node"))
        .with("caps", json!(["system"]))
        .with("commands", json!(["system.which", "system.run"]))
        .with("client", json!({ "id": "node-host", "displayName": "attic", "version": "1", "platform": "linux", "mode": "node" }))
        .device(&device);
    let client = Client::connect(house.address, hello)
        .await
        .expect("admitted");
    (client, device.id)
}

async fn answer(node: &mut Client, id: &str, payload: Value) -> Value {
    let asked = node.event("node.invoke.request").await["payload"].clone();
    let result = json!({ "id": asked["id"], "nodeId": id, "ok": true, "payload": payload });
    node.call("node.invoke.result", result).await.unwrap();
    asked
}

#[tokio::test]
async fn a_node_is_asked_once_and_never_told_that_somebody_approved() {
    let house = House::start().await;
    let (mut node, id) = node(&house).await;
    let status = call(
        &house,
        ("nodes", json!({ "action": "status" })),
        (MAIN, owner()),
        "1",
    )
    .await
    .unwrap();
    assert_eq!(status["nodes"][0]["name"], "attic", "{status}");
    let run = || {
        (
            "nodes",
            json!({
                "action": "run", "node": "Attic", "command": ["ls", "-l"], "approved": true, "approvalDecision": "allow-always",
                "params": { "approved": true },
            }),
        )
    };
    let (ran, asked) = tokio::join!(
        call(&house, run(), (MAIN, owner()), "2"),
        answer(&mut node, &id, json!({ "stdout": "a" })),
    );
    assert_eq!(ran.unwrap(), json!({ "stdout": "a" }));
    let params: Value = serde_json::from_str(asked["paramsJSON"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&asked["command"], &params["command"]),
        (&json!("system.run"), &json!(["ls", "-l"]))
    );
    assert!(!params.to_string().contains("approv"), "{params}");
    // The same call after a crash finds the first answer.
    assert_eq!(
        call(&house, run(), (MAIN, owner()), "2").await.unwrap(),
        json!({ "stdout": "a" })
    );

    let smuggled = json!({ "action": "invoke", "command": "system.run", "params": { "command": ["rm"], "approved": true } });
    let which = || json!({ "action": "invoke", "node": id, "command": "system.which", "params": { "bins": ["sh"] } });
    for (arguments, caller) in [
        (smuggled, owner()),
        (
            json!({ "action": "run", "command": "ls; rm -rf /" }),
            owner(),
        ),
        (
            json!({ "action": "invoke", "command": "camera.snap" }),
            owner(),
        ),
        (json!({ "action": "describe", "node": "cellar" }), owner()),
        (which(), friend()),
        (which(), client(&[Scope::Read])),
        (json!({ "action": "status" }), friend()),
    ] {
        call(&house, ("nodes", arguments.clone()), (MAIN, caller), "3")
            .await
            .expect_err(&arguments.to_string());
    }
    let writer = client(&[Scope::Write]);
    let (asked, _) = tokio::join!(
        call(&house, ("nodes", which()), (MAIN, writer), "4"),
        answer(&mut node, &id, json!({ "bins": {} })),
    );
    assert_eq!(asked.unwrap(), json!({ "bins": {} }));
}

#[tokio::test]
async fn a_task_is_done_on_the_side_once_and_its_outcome_comes_as_a_message() {
    let subagents = json!({ "maxChildrenPerAgent": 2 });
    let agents = json!({ "defaults": { "subagents": subagents }, "list": [{ "id": "main" }, { "id": "work" }] });
    let house = House::with(json!({ "agents": agents })).await;
    let spawn = |more: Value| {
        let mut arguments = json!({ "task": "count the stars", "label": "stars" });
        arguments
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        ("sessions_spawn", arguments)
    };
    let told = || {
        let rows = house.ledger.inbox(&Default::default());
        let is_end = |row: &&openclaw_ledger::InboxRow| row.source_id.starts_with("end/");
        rows.iter().filter(is_end).cloned().collect::<Vec<_>>()
    };
    let first = call(&house, spawn(json!({})), (MAIN, owner()), "1")
        .await
        .unwrap();
    // The same call again, as after a crash, is the same task.
    let again = call(&house, spawn(json!({})), (MAIN, owner()), "1")
        .await
        .unwrap();
    assert_eq!(first, again);
    let child = first["childSessionKey"].as_str().unwrap().to_owned();
    assert!(child.starts_with("agent:main:subagent:"), "{first}");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while told()
        .iter()
        .all(|row| row.state != openclaw_ledger::InboxState::Done)
    {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", told());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let told = told();
    assert_eq!((told.len(), told[0].session.as_str()), (1, MAIN));
    let text = &told[0].body.text;
    assert!(
        text.contains("\"stars\" is done") && text.contains("count the stars"),
        "{text}"
    );
    assert!(told[0].body.scopes.is_empty());

    // The parent may read it; a friend's conversation may not.
    let read = || ("sessions_history", json!({ "sessionKey": child }));
    let seen = call(&house, read(), (MAIN, Caller::default()), "2")
        .await
        .unwrap();
    assert!(seen.to_string().contains("count the stars"), "{seen}");
    call(&house, read(), (FRIEND, friend()), "2")
        .await
        .unwrap_err();

    for (arguments, session, caller, why) in [
        (json!({ "agentId": "work" }), MAIN, owner(), "allowAgents"),
        (json!({ "agentId": "nobody" }), MAIN, owner(), "allowAgents"),
        (
            json!({ "model": "builtin/basic" }),
            FRIEND,
            friend(),
            "not for this conversation",
        ),
        (json!({}), child.as_str(), owner(), "maxSpawnDepth"),
        (json!({ "task": " " }), MAIN, owner(), "task"),
    ] {
        let refused = call(&house, spawn(arguments), (session, caller), "3").await;
        let refused = refused.unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}
