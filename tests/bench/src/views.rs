//! What clients look at: the list of sessions, a history, a session whose model hangs.

use std::fs;
use std::time::Instant;

use futures_util::future::join_all;
use openclaw_ledger::{Ledger, TranscriptEdit};
use openclaw_protocol::key::SessionKey;
use openclaw_support::gateway::Home;
use openclaw_support::model::{FakeModel, Reply, Wire};
use serde_json::{Map, Value, json};

use crate::sample::{Sample, ms};
use crate::socket::Socket;
use crate::table::Table;

const SESSIONS: usize = 5_000;
const MESSAGES: usize = 1_000;

/// `sessions.list` of 5,000 sessions: as an installation brought them along, and as they are after somebody spoke in each.
pub(crate) async fn list(bin: &str, scale: usize, table: &mut Table) {
    let home = Home::new(bin).config(json!({}));
    let entries: Map<String, Value> = (0..SESSIONS).map(|n| (name(n), entry(n))).collect();
    seed(&home, &Value::Object(entries));
    let mut gateway = home.start("");
    gateway.ready().await;
    let mut socket = Socket::open_for_much(gateway.port()).await;
    let took = listed(&mut socket, 40 * scale, None).await;
    table.row(
        "sessions.list, 5,000 from existing files, p50",
        took,
        "≤ 5 ms",
    );
    drop((socket, gateway));

    let home = Home::new(bin).config(json!({}));
    store(&home).await;
    let mut gateway = home.start("");
    gateway.ready().await;
    let mut socket = Socket::open_for_much(gateway.port()).await;
    let took = listed(&mut socket, 40 * scale, None).await;
    table.row("sessions.list, 5,000 in the ledger, p50", took, "≤ 5 ms");
    let took = listed(&mut socket, 40 * scale, Some("high")).await;
    table.row(
        "sessions.list, 5,000 in the ledger, one changed before each, p50",
        took,
        "≤ 5 ms",
    );
}

async fn listed(socket: &mut Socket, count: usize, touched: Option<&str>) -> String {
    let mut sample = Sample::default();
    for n in 0..=count {
        if let Some(level) = touched {
            touch(socket, n, level).await;
        }
        let start = Instant::now();
        let list = socket.request("sessions.list", json!({})).await;
        // The first one reads what the others find.
        if n > 0 {
            sample.push(start.elapsed());
        }
        assert!(
            list.contains(&format!(r#""count":{SESSIONS}"#)),
            "not all are listed"
        );
    }
    ms(sample.at(500))
}

async fn touch(socket: &mut Socket, n: usize, level: &str) {
    let patch = json!({ "key": name(n), "thinkingLevel": level });
    let answer = socket.request("sessions.patch", patch).await;
    assert!(answer.contains(r#""ok":true"#), "{answer}");
}

/// `chat.history` of 1,000 messages.
pub(crate) async fn history(bin: &str, scale: usize, table: &mut Table) {
    let home = Home::new(bin).config(json!({}));
    seed(&home, &json!({ name(0): entry(0) }));
    let lines: Vec<String> = transcript().iter().map(Value::to_string).collect();
    let file = home.state().join("agents/main/sessions/session-0.jsonl");
    fs::write(file, lines.join("\n") + "\n").expect("the transcript");
    let mut gateway = home.start("");
    gateway.ready().await;
    let mut socket = Socket::open_for_much(gateway.port()).await;
    let mut sample = Sample::default();
    for n in 0..=100 * scale {
        let start = Instant::now();
        let asked = json!({ "sessionKey": name(0), "limit": MESSAGES });
        let history = socket.request("chat.history", asked).await;
        if n > 0 {
            sample.push(start.elapsed());
        } else {
            assert_eq!(history.matches(r#""role":"#).count(), MESSAGES, "{history}");
        }
    }
    table.row(
        "chat.history of 1,000 messages, p50",
        ms(sample.at(500)),
        "≤ 10 ms",
    );
}

/// Questions about a session whose model never answers.
pub(crate) async fn of_a_hung_one(bin: &str, scale: usize, table: &mut Table) {
    let model = FakeModel::start().await;
    model.otherwise(Reply::hang());
    let home = Home::new(bin).config(model.config(Wire::Openai));
    let mut gateway = home.start("");
    gateway.ready().await;
    let mut socket = Socket::open_for_much(gateway.port()).await;
    let asked = json!({ "sessionKey": "main", "message": "hello", "idempotencyKey": "hung" });
    socket.request("chat.send", asked).await;
    model
        .until("the call that hangs", |model| model.open() == 1)
        .await;
    let questions = [
        ("status", json!({})),
        ("sessions.preview", json!({ "keys": ["agent:main:main"] })),
        ("chat.history", json!({ "sessionKey": "main" })),
    ];
    for (method, params) in questions {
        let mut sample = Sample::default();
        for _ in 0..200 * scale {
            let start = Instant::now();
            let answer = socket.request(method, params.clone()).await;
            sample.push(start.elapsed());
            assert!(answer.contains(r#""ok":true"#), "{answer}");
        }
        let what = format!("{method} while the session's call hangs");
        table.row(&format!("{what}, p50"), ms(sample.at(500)), "≤ 1 ms");
        table.row(&format!("{what}, p99"), ms(sample.at(990)), "");
    }
    assert_eq!(model.open(), 1, "the call still hangs");
}

fn name(n: usize) -> String {
    format!("agent:main:telegram:direct:{}", 1_000_000 + n)
}

fn entry(n: usize) -> Value {
    let to = format!("telegram:{}", 1_000_000 + n);
    json!({
        "sessionId": format!("session-{n}"), "updatedAt": 1_770_000_000_000_u64 + n as u64, "systemSent": true,
        "abortedLastRun": false, "chatType": "direct", "lastChannel": "telegram", "lastTo": to,
        "deliveryContext": { "channel": "telegram", "to": to, "accountId": "default" },
        "origin": { "provider": "telegram", "surface": "telegram", "from": to, "to": to, "chatType": "direct" },
        "modelProvider": "fake", "model": "fake-1", "contextTokens": 200_000,
        "inputTokens": 900, "outputTokens": 120, "totalTokens": 1_020,
    })
}

fn seed(home: &Home, sessions: &Value) {
    let folder = home.state().join("agents/main/sessions");
    fs::create_dir_all(&folder).expect("the folder");
    fs::write(folder.join("sessions.json"), sessions.to_string()).expect("the sessions");
}

/// Puts the sessions into the ledger of a gateway that does not run: by its methods, one after the other, it takes minutes.
async fn store(home: &Home) {
    let folder = home.state().join("ledger");
    fs::create_dir_all(&folder).expect("the folder");
    let (ledger, thread) = Ledger::open(folder.join("openclaw.redb")).expect("a new ledger");
    let stored = (0..SESSIONS).map(|n| {
        let ledger = &ledger;
        async move {
            let key = SessionKey::parse(&name(n)).expect("a key");
            let put = ledger.put_session_entry(&key, Some(entry(n)), TranscriptEdit::Keep);
            put.await.expect("the entry is stored");
        }
    });
    join_all(stored).await;
    ledger.close().await;
    drop(ledger);
    thread.join();
}

/// A conversation as other versions wrote it: a question and an answer of some length, in turn.
fn transcript() -> Vec<Value> {
    let time = "2026-02-15T09:30:00.000Z";
    let header = json!({ "type": "session", "version": 3, "id": "session-0", "timestamp": time, "cwd": "/" });
    let line = |n: usize| {
        let parent = n.checked_sub(1).map(|n| format!("{n:08x}"));
        let text = format!("{n} ") + &"some words about tea and the weather ".repeat(8);
        let content = json!([{ "type": "text", "text": text }]);
        let message = if n.is_multiple_of(2) {
            json!({ "role": "user", "content": content, "timestamp": n })
        } else {
            json!({ "role": "assistant", "content": content, "api": "openai-completions", "provider": "fake",
                "model": "fake-1", "stopReason": "stop", "timestamp": n,
                "usage": { "input": 900, "output": 120, "cacheRead": 0, "cacheWrite": 0, "totalTokens": 1_020 } })
        };
        json!({ "type": "message", "id": format!("{n:08x}"), "parentId": parent, "timestamp": time, "message": message })
    };
    std::iter::once(header)
        .chain((0..MESSAGES).map(line))
        .collect()
}
