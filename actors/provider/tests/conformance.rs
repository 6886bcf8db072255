//! What every wire must get right, whichever provider is behind it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use std::time::Duration;

use openclaw_protocol::Message;
use openclaw_protocol::StopReason;
use openclaw_protocol::Usage;
use openclaw_provider::Access;
use openclaw_provider::Deadlines;
use openclaw_provider::Endpoint;
use openclaw_provider::ModelErrorKind;
use openclaw_provider::ModelEvent;
use openclaw_provider::Phase;
use openclaw_provider::endpoint::Wire;
use openclaw_support::model::FakeModel;
use openclaw_support::model::Reply;
use serde_json::Value;
use serde_json::json;

use self::wire::*;

#[tokio::test]
async fn a_long_answer_arrives_whole() {
    for wire in WIRES {
        let fake = FakeModel::start().await;
        fake.push(Reply::tokens(5_000));
        let events = ask(wire, &fake).await;
        let text = texts(&events).concat();
        assert!(text.starts_with("w1 w2 ") && text.ends_with(" w5000"));
        assert_eq!(text.split(' ').count(), 5_000, "{wire:?}");
    }
}

/// Calls made at once come back with ids of their own, and their results are taken in the next
/// round, also by a wire that has no ids.
#[tokio::test]
async fn a_loop_of_tools_with_calls_at_once_is_accepted_round_by_round() {
    for wire in WIRES {
        let fake = FakeModel::start().await;
        let two = Reply::text("Both.").and_call("look", json!({ "at": "a" }));
        fake.push(two.and_call("look", json!({ "at": "b" })));
        fake.push(Reply::call("look", json!({ "at": "c" })));
        fake.push(Reply::text("Done."));
        let mut transcript = vec![Message::user("look at all", 1)];
        for calls in [2, 1, 0] {
            let events = call(
                endpoint(wire, &fake.base_url()),
                request(transcript.clone()),
            )
            .await;
            assert_eq!(fake.refusals(), Vec::<String>::new(), "{wire:?}");
            let (said, results) = round(wire, &events);
            assert_eq!(results.len(), calls, "{wire:?}");
            transcript.push(serde_json::from_value(said).unwrap());
            for result in results {
                transcript.push(serde_json::from_value(result).unwrap());
            }
        }
        assert_eq!(transcript.last().unwrap().text(), "Done.");
        let last = fake.requests().pop().unwrap().body;
        dump(wire, &last);
        let last = last.to_string();
        for place in ["saw a", "saw b", "saw c"] {
            assert_eq!(last.matches(place).count(), 1, "{wire:?}: {last}");
        }
    }
}

/// The answer as a transcript keeps it, and a result for each of its calls.
fn round(
    wire: Wire,
    events: &[Result<ModelEvent, openclaw_provider::ModelError>],
) -> (Value, Vec<Value>) {
    let mut content = vec![json!({ "type": "text", "text": texts(events).concat() })];
    let mut results = Vec::new();
    for event in events {
        if let Ok(ModelEvent::ToolCall {
            id,
            name,
            arguments,
            signature,
        }) = event
        {
            let mut call =
                json!({ "type": "toolCall", "id": id, "name": name, "arguments": arguments });
            if let Some(signature) = signature {
                call["thoughtSignature"] = json!(signature);
            }
            content.push(call);
            let text = format!("saw {}", arguments["at"].as_str().unwrap());
            results.push(
                json!({ "role": "toolResult", "toolCallId": id, "toolName": name,
                "content": [{ "type": "text", "text": text }] }),
            );
        }
    }
    let said = json!({ "role": "assistant", "api": wire.as_str(), "provider": "fake",
        "model": "fake-1", "stopReason": "stop", "content": content });
    (said, results)
}

#[tokio::test]
async fn without_usage_the_figures_are_nought() {
    for wire in WIRES {
        let fake = FakeModel::start().await;
        fake.push(Reply::tokens(3).without_usage());
        let events = ask(wire, &fake).await;
        let Ok(ModelEvent::Done { usage, stop }) = events.last().unwrap() else {
            panic!("{wire:?}: {events:?}");
        };
        assert_eq!((*usage, stop), (Usage::default(), &StopReason::Stop));
    }
}

#[tokio::test]
async fn a_piece_that_cannot_be_read_ends_the_answer_as_malformed() {
    for wire in WIRES {
        let fake = FakeModel::start().await;
        fake.push(Reply::tokens(5).garbled_after(2));
        let events = ask(wire, &fake).await;
        assert_eq!(texts(&events), ["w1", " w2"], "{wire:?}");
        let error = events.last().unwrap().as_ref().unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::Format, "{wire:?}: {error}");
    }
}

#[tokio::test]
async fn an_error_in_a_successful_answer_is_an_error() {
    for wire in WIRES {
        let fake = FakeModel::start().await;
        fake.push(Reply::tokens(5).error_after(0));
        let error = failure(wire, &fake).await;
        assert_eq!(error.kind, ModelErrorKind::Overload, "{wire:?}: {error}");
        let body = json!({ "error": { "type": "rate_limit_error", "message": "slow down" } });
        fake.push(Reply::page(body));
        let error = failure(wire, &fake).await;
        assert_eq!(error.kind, ModelErrorKind::RateLimit, "{wire:?}: {error}");
        fake.push(Reply::page(json!({ "status": "ok" })));
        let error = failure(wire, &fake).await;
        assert_eq!(error.kind, ModelErrorKind::Format, "{wire:?}: {error}");
    }
}

/// Each piece comes in time, the whole doesn't.
#[tokio::test]
async fn a_drip_ends_at_the_deadline_of_the_whole() {
    for wire in WIRES {
        let fake = FakeModel::start().await;
        fake.push(Reply::tokens(1000).pause(Duration::from_millis(20)));
        let endpoint = Endpoint {
            deadlines: Deadlines {
                total: Duration::from_millis(300),
                ..Deadlines::REMOTE
            },
            ..endpoint(wire, &fake.base_url())
        };
        let events = call(endpoint, request(vec![Message::user("hello", 1)])).await;
        let error = events.last().unwrap().as_ref().unwrap_err();
        assert_eq!(
            error.kind,
            ModelErrorKind::Timeout(Phase::Total),
            "{wire:?}"
        );
        fake.until("the end of the call", |fake| fake.open() == 0)
            .await;
    }
}

#[tokio::test]
async fn amazon_is_signed_where_there_is_no_key() {
    let fake = FakeModel::start().await;
    let endpoint = Endpoint {
        access: Access {
            aws: Some(openclaw_provider::bedrock::AwsKeys {
                id: "AKID".into(),
                secret: openclaw_protocol::Secret::new("secret"),
                session: Some(openclaw_protocol::Secret::new("session")),
                region: "eu-west-1".into(),
            }),
            ..Access::default()
        },
        ..endpoint(Wire::BedrockConverseStream, &fake.base_url())
    };
    let events = call(endpoint, request(vec![Message::user("hello", 1)])).await;
    assert!(events.last().unwrap().is_ok(), "{events:?}");
    assert_eq!(fake.refusals(), Vec::<String>::new());
}

#[tokio::test]
async fn the_beginning_of_a_conversation_stays_the_same_on_the_wire() {
    for wire in WIRES {
        let fake = FakeModel::start().await;
        let mut transcript = Vec::new();
        let mut before: Option<String> = None;
        for turn in 0..20 {
            transcript.push(Message::user(format!("question {turn}"), turn));
            let sent = call(
                endpoint(wire, &fake.base_url()),
                request(transcript.clone()),
            )
            .await;
            let (said, _) = round(wire, &sent);
            transcript.push(serde_json::from_value(said).unwrap());
            let body = fake.requests().pop().unwrap().body;
            let list = ["messages", "input", "contents"]
                .iter()
                .find_map(|name| body.get(*name));
            // Marks for the cache move along; what is cached does not.
            let text = without_marks(list.unwrap()).to_string();
            if let Some(before) = before {
                let prefix = before.trim_end_matches(']');
                assert!(text.starts_with(prefix), "{wire:?}\n{before}\n{text}");
            }
            before = Some(text);
        }
    }
}

fn without_marks(value: &Value) -> Value {
    match value {
        Value::Array(list) => list
            .iter()
            .filter(|item| item.get("cachePoint").is_none())
            .map(without_marks)
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| *name != "cache_control")
            .map(|(name, value)| (name.clone(), without_marks(value)))
            .collect(),
        other => other.clone(),
    }
}
