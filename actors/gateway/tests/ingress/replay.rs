//! Conversations that clients had with existing gateways, said again to this one.
//!
//! `recorded/` holds them without their content: what was sent, and of each answer whether it was yes, its error, and
//! the names and kinds of its fields. Every request is sent again in the same order on one connection, and what comes
//! back must have the same form. What is left out stands below, each with its reason.

use std::collections::BTreeMap;

use openclaw_protocol::Method;
use openclaw_support::client::Client;
use openclaw_support::client::Hello;
use openclaw_support::client::Refusal;
use openclaw_support::device::Device;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::house::House;
use crate::house::TOKEN;

const EARLY: &str = include_str!("recorded/v3.jsonl");
const LATE: &str = include_str!("recorded/v4.jsonl");

/// Answers whose outcome depends on what only that gateway had or did.
const OTHER_OUTCOME: &[(&str, &str)] = &[
    (
        "chat.abort",
        "the recorded run was still going; the scripted model has answered",
    ),
    ("config.patch", "it names the hash of that gateway's file"),
    ("sessions.patch", "the session of that gateway"),
    ("sessions.reset", "the session of that gateway"),
    ("sessions.resolve", "the session of that gateway"),
    ("sessions.describe", "the session of that gateway"),
    ("sessions.get", "the session of that gateway"),
    ("agents.files.list", "the workspace of that gateway"),
    ("cron.get", "names that gateway's job"),
    ("cron.update", "names that gateway's job"),
    ("cron.run", "names that gateway's job"),
    ("cron.runs", "names that gateway's job"),
    ("cron.remove", "names that gateway's job"),
    ("node.describe", "names that gateway's node"),
    ("node.invoke", "names that gateway's node"),
    ("node.rename", "names that gateway's node"),
    ("node.pair.approve", "names that gateway's request"),
    ("exec.approval.request", "waits for that gateway's operator"),
    ("exec.approval.resolve", "answers a request of that gateway"),
    ("device.token.rotate", "names that gateway's device"),
    ("device.token.revoke", "names that gateway's device"),
    ("device.pair.remove", "names that gateway's device"),
    (
        "wizard.status",
        "the wizard is not part of this gateway yet",
    ),
];

/// Fields of existing gateways that this one leaves out, by version, method and name.
const LEFT_OUT: &[(u32, &str, &str, &str)] = &[
    (
        3,
        "connect",
        "/server/host",
        "optional, and nobody's business before the rights are known",
    ),
    (
        3,
        "connect",
        "/canvasHostUrl",
        "there is no canvas host yet",
    ),
    (
        4,
        "connect",
        "/server/buildId",
        "optional; without it no page is turned away for its build",
    ),
    (
        4,
        "connect",
        "/server/controlUiBuildSource",
        "goes with buildId",
    ),
    (
        4,
        "connect",
        "/snapshot/suspension",
        "suspending is not built yet",
    ),
    (4, "connect", "/snapshot/appliedConfigHash", "optional"),
    (
        4,
        "connect",
        "/snapshot/updateSchedule",
        "there are no scheduled updates",
    ),
    (
        4,
        "connect",
        "/controlUiWidgetKinds",
        "there are no widgets",
    ),
    (
        4,
        "connect",
        "/controlUiLinkReaders",
        "there are no link readers",
    ),
    (
        4,
        "connect",
        "/pluginSurfaceUrls",
        "there is no canvas host yet",
    ),
    (
        4,
        "connect",
        "/auth/recoveryScope",
        "optional; accounts are not recovered by page yet",
    ),
    (
        4,
        "connect",
        "/auth/recoveryMigrationAllowed",
        "optional; as above",
    ),
    (
        4,
        "connect",
        "/policy/allowedSessionVisibilities",
        "sessions are not shared yet",
    ),
    (
        4,
        "connect",
        "/policy/hasMultipleSessionSharingIdentities",
        "as above",
    ),
];

/// Answers that are thinner here: of these only the fields that are there are compared.
const THINNER: &[(u32, &str, &str)] = &[
    (3, "system-presence", "no address of this machine is told"),
    (3, "device.pair.list", "the recorded devices had names"),
    (
        3,
        "chat.history",
        "a thinking level is told only when one is set",
    ),
    (3, "logs.tail", "what is false is left out"),
    (
        3,
        "exec.approvals.get",
        "approvals come over the one port, there is no socket",
    ),
    (
        3,
        "sessions.list",
        "figures and where a session came from are told when known",
    ),
    (3, "sessions.usage", "no latencies"),
    (
        4,
        "health",
        "diagnostics of another runtime: event loop, plugins, reloading",
    ),
    (
        4,
        "status",
        "diagnostics of another runtime: worker pools, tasks, memory",
    ),
    (4, "system-presence", "no address of this machine is told"),
    (4, "sessions.list", "sessions have no owners here"),
    (4, "agents.list", "agents have no owners here"),
    (
        4,
        "channels.status",
        "diagnostics of another runtime: event loop",
    ),
    (
        4,
        "config.get",
        "no account of where each included line came from",
    ),
    (
        4,
        "chat.history",
        "history is read by offset, not by cursor",
    ),
    (4, "agent.wait", "no receipts"),
    (
        4,
        "device.pair.list",
        "the recorded devices had names and node surfaces",
    ),
    (4, "logs.tail", "what is false is left out"),
    (4, "last-heartbeat", "none has been yet"),
    (
        4,
        "config.schema.lookup",
        "how a change is taken up is told when it is made",
    ),
    (4, "usage.cost", "nothing is cached"),
    (
        4,
        "sessions.usage",
        "nothing is cached, sessions have no creators",
    ),
    (4, "cron.status", "jobs stand in the ledger and a file"),
    (
        4,
        "cron.add",
        "no revisions, no preview of where the answer goes",
    ),
    (
        4,
        "cron.list",
        "no revisions, no preview of where the answer goes",
    ),
];

/// Requests that existing gateways refuse for a field they don't know, and this one takes: newer clients add some.
const LENIENT: &[&str] = &["sessions.list"];

/// Refusals in other words: those of our own parser. A wrong expression is the caller's mistake in both versions.
const OTHER_WORDS: &[&str] = &["cron.add"];

#[derive(Debug, Deserialize)]
struct Step {
    conn: String,
    #[serde(default)]
    id: u64,
    send: Option<String>,
    #[serde(default)]
    params: Value,
    answer: Option<String>,
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    shape: BTreeMap<String, String>,
    event: Option<String>,
    #[serde(default)]
    what: String,
    close: Option<u16>,
    #[serde(default)]
    reason: String,
}

fn steps(text: &str, conn: &str) -> Vec<Step> {
    text.lines()
        .map(|line| serde_json::from_str::<Step>(line).unwrap())
        .filter(|step| step.conn == conn)
        .collect()
}

/// The greeting as it was recorded, signed anew.
fn hello(params: &Value, device: &Device) -> Hello {
    let mut hello = Hello::new(3, 4);
    for (name, value) in params.as_object().unwrap() {
        if name != "device" {
            hello = hello.with(name, value.clone());
        }
    }
    if params.get("auth").is_none() {
        hello = hello.with("auth", json!({}));
    } else if params["auth"]["token"] != "wrong-token" {
        hello = hello.with("auth", json!({ "token": TOKEN }));
    }
    if params["device"] == true {
        hello = hello.device(device);
    }
    hello
}

#[tokio::test]
async fn refused_greetings_are_refused_in_the_same_words() {
    for (version, text) in [(3, EARLY), (4, LATE)] {
        for conn in [
            "fail-bad-token",
            "fail-no-token-new-device",
            "fail-no-token-no-device",
            "fail-protocol-too-low",
            "fail-protocol-too-high",
            "badsig",
        ] {
            let house = House::start().await;
            let steps = steps(text, conn);
            let sent = steps.iter().find(|step| step.send.is_some()).unwrap();
            let mut device = Device::new(9);
            device.is_forged = conn == "badsig";
            let outcome = Client::connect(house.address, hello(&sent.params, &device)).await;
            let Err(Refusal::Connect(error, code, reason)) = outcome else {
                panic!("{conn} in protocol {version} was let in: {outcome:?}");
            };
            let answer = steps.iter().find(|step| step.answer.is_some()).unwrap();
            for field in ["code", "message"] {
                assert_eq!(
                    error[field], answer.error[field],
                    "{conn} in protocol {version}"
                );
            }
            // A range that fits neither version is answered as protocol 4 answers it: it says more.
            let is_mismatch = conn.starts_with("fail-protocol");
            let details = &answer.error["details"];
            if version == 4 || !is_mismatch {
                assert_eq!(&error["details"], details, "{conn} in protocol {version}");
            } else {
                assert!(error["details"]["expectedProtocol"].is_u64());
            }
            let closed = steps.iter().find(|step| step.close.is_some()).unwrap();
            assert_eq!(Some(code), closed.close, "{conn} in protocol {version}");
            assert_eq!(reason, closed.reason, "{conn} in protocol {version}");
        }
    }
}

#[tokio::test]
async fn what_is_no_greeting_ends_the_same_way() {
    for text in [EARLY, LATE] {
        let house = House::start().await;
        let notconnect = steps(text, "notconnect");
        let mut client = Client::open(house.address, &[]).await.unwrap();
        let id = client.send("health", json!({})).await;
        let answer = notconnect
            .iter()
            .find(|step| step.answer.is_some())
            .unwrap();
        assert_eq!(client.response(&id).await["error"], answer.error);
        let closed = notconnect.iter().find(|step| step.close.is_some()).unwrap();
        assert_eq!(
            client.closed().await,
            (closed.close.unwrap(), closed.reason.clone())
        );
        let mut client = Client::open(house.address, &[]).await.unwrap();
        client.raw("hello?").await;
        let nonjson = steps(text, "nonjson");
        let closed = nonjson.iter().find(|step| step.close.is_some()).unwrap();
        assert_eq!(
            client.closed().await,
            (closed.close.unwrap(), closed.reason.clone())
        );
    }
}

#[tokio::test]
async fn an_operator_s_conversation_goes_the_same_way() {
    let mut problems = Vec::new();
    for (version, text) in [(3, EARLY), (4, LATE)] {
        let house = House::start().await;
        let steps = steps(text, "op");
        let greeting = steps.iter().find(|step| step.send.is_some()).unwrap();
        let device = Device::new(9);
        let client = Client::connect(house.address, hello(&greeting.params, &device)).await;
        let mut client = client.unwrap();
        let mut ids = BTreeMap::new();
        let greeted = client.hello.clone();
        let mut compared = 0;
        for step in &steps {
            if let (Some(method), false) = (&step.send, step.send.as_deref() == Some("connect")) {
                ids.insert(step.id, client.send(method, step.params.clone()).await);
            }
            let Some(method) = &step.answer else { continue };
            if method == "connect" {
                compare(version, method, &greeted, step, &mut problems);
                continue;
            }
            let Some(id) = ids.get(&step.id) else {
                continue;
            };
            let answer = client.response(id).await;
            if answer["payload"]["status"] == "started" {
                // What follows reads what this run wrote.
                let run = answer["payload"]["runId"].as_str().unwrap().to_owned();
                client.run_events(&run).await;
            }
            if OTHER_OUTCOME.iter().any(|(name, _)| name == method) {
                continue;
            }
            if Method::find(method).is_none() {
                // Not built yet: the answer says so, whatever theirs was.
                let message = answer["error"]["message"].as_str().unwrap_or_default();
                let is_expected = message == format!("unknown method: {method}")
                    || message == step.error["message"];
                assert!(is_expected, "{method} in protocol {version}: {answer}");
                continue;
            }
            if !step.ok && answer["ok"] == true && LENIENT.contains(&method.as_str()) {
                continue;
            }
            if answer["ok"] != step.ok {
                problems.push(format!(
                    "{version} {method}: ok is {}: {answer}",
                    answer["ok"]
                ));
                continue;
            }
            compared += 1;
            if step.ok {
                compare(version, method, &answer["payload"], step, &mut problems);
            } else if OTHER_WORDS.contains(&method.as_str()) {
                assert_eq!(answer["error"]["code"], "INVALID_REQUEST", "{method}");
            } else if answer["error"]["code"] != step.error["code"]
                || answer["error"]["message"] != step.error["message"]
            {
                problems.push(format!(
                    "{version} {method}: {} instead of {}",
                    answer["error"], step.error
                ));
            }
        }
        assert!(
            compared >= 20,
            "protocol {version}: only {compared} answers were compared"
        );
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Every field they send is there, of the same kind, unless it is listed as left out.
fn compare(version: u32, method: &str, ours: &Value, step: &Step, problems: &mut Vec<String>) {
    for (pointer, kind) in &step.shape {
        let is_left_out = |(of, name, field, _): &&(u32, &str, &str, &str)| {
            *of == version
                && *name == method
                && (pointer == field || pointer.starts_with(&format!("{field}/")))
        };
        if LEFT_OUT.iter().find(is_left_out).is_some() || is_of_empty_list(ours, pointer) {
            continue;
        }
        let is_thinner = THINNER
            .iter()
            .any(|(of, name, _)| *of == version && *name == method);
        match ours.pointer(pointer) {
            None if is_thinner => {}
            None => problems.push(format!("{version} {method}: {pointer} is absent")),
            Some(value) if kind_of(value) != kind && kind != "null" && !value.is_null() => {
                problems.push(format!(
                    "{version} {method}: {pointer} is {value}, not {kind}"
                ));
            }
            Some(_) => {}
        }
    }
}

/// A field of the first entry of a list that is empty here.
fn is_of_empty_list(ours: &Value, pointer: &str) -> bool {
    let mut at = String::new();
    for part in pointer.split('/').skip(1) {
        let list = ours.pointer(&at);
        if part == "0" && list.is_some_and(|list| list.as_array().is_some_and(Vec::is_empty)) {
            return true;
        }
        at = format!("{at}/{part}");
    }
    false
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Parts of a run that existing gateways of protocol 4 tell about and this one has nothing to tell of.
const UNTOLD: &[&str] = &[
    "run_status/preparing_workspace",
    "run_status/preparing_context",
    "run_status/starting_model",
    "lifecycle/model",
    "lifecycle/finishing",
    "usage/",
    "status",
];

#[tokio::test]
async fn a_run_is_told_in_the_same_order() {
    for (version, text) in [(3, EARLY), (4, LATE)] {
        let house = House::start().await;
        let mut expected: Vec<(String, String)> = steps(text, "op")
            .into_iter()
            .filter(|step| {
                step.event
                    .as_deref()
                    .is_some_and(|e| e != "connect.challenge")
            })
            .filter(|step| !UNTOLD.contains(&step.what.as_str()))
            .map(|step| (step.event.unwrap(), step.what))
            .collect();
        expected.dedup();
        let mut client = house.client(version, version).await;
        let send = json!({
            "sessionKey": "agent:main:main", "message": "ping", "idempotencyKey": "run-1",
        });
        let started = client.call("chat.send", send).await.unwrap();
        assert_eq!(started["status"], "started");
        let mut told: Vec<(String, String)> = client
            .run_events("run-1")
            .await
            .iter()
            .map(|event| {
                let payload = &event["payload"];
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let name = text(&event["event"]);
                let what = match name.as_str() {
                    "chat" => text(&payload["state"]),
                    _ => format!(
                        "{}/{}",
                        text(&payload["stream"]),
                        text(&payload["data"]["phase"])
                    ),
                };
                (name, what)
            })
            .filter(|(_, what)| !UNTOLD.contains(&what.as_str()))
            .collect();
        told.dedup();
        assert_eq!(told, expected, "protocol {version}");
    }
}
