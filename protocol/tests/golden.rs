//! Frames of real clients and gateways of both generations, with neutral values: what they say is
//! understood, and what we understood is said the same way again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use openclaw_protocol::ConnectParams;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::Message;
use openclaw_protocol::Method;
use openclaw_protocol::Protocol;
use openclaw_protocol::events::AgentEvent;
use openclaw_protocol::events::ChatEvent;
use openclaw_protocol::events::EventFrame;
use openclaw_protocol::frame::Request;
use openclaw_protocol::hello::HelloOk;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn golden() -> [(Protocol, Value); 2] {
    [
        (
            Protocol::V3,
            serde_json::from_str(include_str!("golden/v3.json")).unwrap(),
        ),
        (
            Protocol::V4,
            serde_json::from_str(include_str!("golden/v4.json")).unwrap(),
        ),
    ]
}

fn each(golden: &Value, what: &str) -> Vec<Value> {
    let list = golden[what].as_array().unwrap().clone();
    assert!(!list.is_empty(), "{what}");
    list
}

/// Reads a value and writes it again.
fn round_trip<T: DeserializeOwned + Serialize>(value: &Value) {
    let read: T = serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{e}: {value}"));
    assert_eq!(
        &same_numbers(&serde_json::to_value(read).unwrap()),
        &same_numbers(value)
    );
}

/// `0` and `0.0` are the same on the wire.
fn same_numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64()),
        Value::Array(list) => list.iter().map(same_numbers).collect(),
        Value::Object(map) => {
            let pairs = map
                .iter()
                .map(|(key, value)| (key.clone(), same_numbers(value)));
            Value::Object(pairs.collect())
        }
        other => other.clone(),
    }
}

#[test]
fn every_recorded_request_is_understood() {
    for (version, golden) in golden() {
        for frame in each(&golden, "requests") {
            let request = Request::parse(&frame.to_string()).unwrap();
            if request.method == "connect" {
                let params = ConnectParams::parse(request.params).unwrap();
                let number = version.number();
                assert!((params.min_protocol..=params.max_protocol).contains(&number));
                continue;
            }
            let Some(method) = Method::find(&request.method) else {
                assert_eq!(request.method, "config.patch", "in the table");
                continue;
            };
            assert_eq!(method.params.check(&request.params), Ok(()), "{frame}");
        }
    }
}

#[test]
fn errors_greetings_and_messages_survive() {
    for (version, golden) in golden() {
        each(&golden, "errors")
            .iter()
            .for_each(round_trip::<ErrorShape>);
        each(&golden, "messages")
            .iter()
            .for_each(round_trip::<Message>);
        round_trip::<HelloOk>(&golden["hello"]);
        assert_eq!(golden["hello"]["protocol"], version.number());
    }
}

#[test]
fn events_survive_and_end_once() {
    for (_, golden) in golden() {
        for frame in each(&golden, "events") {
            round_trip::<EventFrame>(&frame);
            match frame["event"].as_str().unwrap() {
                "chat" => round_trip::<ChatEvent>(&frame["payload"]),
                "agent" => round_trip::<AgentEvent>(&frame["payload"]),
                _ => {}
            }
        }
    }
}
