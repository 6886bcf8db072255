//! What a provider's cache stands on: that the next request begins as the one before it did.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::time::Duration;

use openclaw_support::client::Client;
use openclaw_support::gateway::Home;
use openclaw_support::model::FakeModel;
use openclaw_support::model::Reply;
use openclaw_support::model::Wire;
use serde_json::Value;
use serde_json::json;

const TURNS: usize = 200;
/// Every so many turns the model uses a tool.
const TOOL_EVERY: usize = 7;
/// Before this turn somebody changes what the agent is told.
const EDITED: usize = 90;
/// With this turn the conversation begins anew.
const RESET: usize = 150;

/// What a cache sees of a request, in its order: tools, system prompt, messages. The marks that move along are not cached.
fn seen(body: &Value) -> String {
    let mut text = without_marks(&body["tools"]).to_string();
    text.push_str(&without_marks(&body["system"]).to_string());
    for message in body["messages"].as_array().unwrap() {
        let mut message = without_marks(message);
        if let Some(words) = message["content"].as_str() {
            message["content"] = json!([{ "type": "text", "text": words }]);
        }
        text.push_str(&message.to_string());
    }
    text
}

fn without_marks(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().map(without_marks).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| *name != "cache_control")
            .map(|(name, value)| (name.clone(), without_marks(value)))
            .collect(),
        other => other.clone(),
    }
}

fn common(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

async fn turn(client: &mut Client, n: usize) {
    let run = format!("turn-{n}");
    let message = if n == RESET {
        "/new and now?".to_owned()
    } else {
        format!("question {n}")
    };
    let sent = json!({ "sessionKey": "main", "message": message, "idempotencyKey": run });
    client.call("chat.send", sent).await.unwrap();
    let end = client
        .event_where("chat", |payload| {
            payload["runId"] == run.as_str()
                && matches!(payload["state"].as_str(), Some("final" | "error"))
        })
        .await;
    assert_eq!(end["payload"]["state"], "final", "{end}");
}

#[tokio::test]
async fn over_two_hundred_turns_each_request_begins_as_the_one_before() {
    let fake = FakeModel::start().await;
    fake.answer_with(|body| {
        let messages = body["messages"].as_array().unwrap();
        let last = messages.last().unwrap()["content"].to_string();
        let wants_tool = (1..=TURNS / TOOL_EVERY)
            .any(|n| last.contains(&format!("question {}\"", n * TOOL_EVERY)));
        let tool = body["tools"][0]["name"].as_str();
        match tool.filter(|_| wants_tool && !last.contains("tool_result")) {
            Some(tool) => Reply::call(tool, json!({})),
            None => Reply::text("An answer of a few words."),
        }
    });
    let home = Home::new(env!("CARGO_BIN_EXE_openclaw")).config(fake.config(Wire::Anthropic));
    let mut gateway = home.start("");
    gateway.ready().await;
    let mut client = gateway.client().await.patient(Duration::from_secs(30));
    let mut first_of = Vec::new();
    for n in 1..=TURNS {
        if n == EDITED {
            let file = home.state().join("workspace/AGENTS.md");
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, text + "\nSpeak like a sailor.\n").unwrap();
        }
        first_of.push(usize::try_from(fake.count()).unwrap());
        turn(&mut client, n).await;
    }
    assert_eq!(fake.refusals(), Vec::<String>::new());
    let requests: Vec<String> = fake
        .requests()
        .iter()
        .map(|sent| seen(&sent.body))
        .collect();
    assert!(requests.len() > TURNS, "no tool was used");
    let events = [first_of[EDITED - 1], first_of[RESET - 1]];
    let (mut kept, mut all) = (0, 0);
    for (at, pair) in requests.windows(2).enumerate() {
        let same = common(&pair[0], &pair[1]);
        (kept, all) = (kept + same, all + pair[0].len());
        if events.contains(&(at + 1)) {
            assert!(
                same < pair[0].len(),
                "request {} should begin otherwise",
                at + 1
            );
            continue;
        }
        assert!(
            same == pair[0].len(),
            "request {} begins otherwise after {same} of {} bytes:\n{}\n{}",
            at + 1,
            pair[0].len(),
            pair[0].get(same.saturating_sub(80)..).unwrap_or_default(),
            pair[1].get(same.saturating_sub(80)..).unwrap_or_default(),
        );
    }
    let share = 100.0 * kept as f64 / all as f64;
    println!(
        "{} requests, {share:.2} % of their bytes begin as before",
        requests.len()
    );
    assert!(share >= 95.0, "{share:.2} %");
}
