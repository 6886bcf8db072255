//! Whatever comes over the wire, reading it ends with a value or with a named error: frames, what `connect` says, and
//! what its device signs.
//!
//! `PROPTEST_CASES=1000000 cargo test -p openclaw-protocol --test wire` looks for longer; `protocol/fuzz` does without end.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use openclaw_protocol::ConnectParams;
use openclaw_protocol::device::Layout;
use openclaw_protocol::device::SignedFacts;
use openclaw_protocol::frame::FrameError;
use openclaw_protocol::frame::Request;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

const CONNECT: &str = r#"{"type":"req","id":"1","method":"connect","params":{"minProtocol":3,"maxProtocol":4,
"client":{"id":"cli","version":"1","platform":"linux","mode":"cli"},"role":"operator","scopes":["operator.read"],
"caps":[],"auth":{"token":"t"},"device":{"id":"d","publicKey":"k","signature":"s","signedAt":1,"nonce":"n"}}}"#;

/// Any JSON, not too deep.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("[a-zA-Z]{0,12}", inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Every place in a document.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    found.push(path.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                places(inner, &format!("{path}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (n, inner) in items.iter().enumerate() {
                places(inner, &format!("{path}/{n}"), found);
            }
        }
        _ => {}
    }
}

/// Reads a frame to the end, as the gateway does.
fn read(text: &str) -> Result<(), FrameError> {
    let request = Request::parse(text)?;
    assert!(!request.id.is_empty() && !request.method.is_empty());
    match ConnectParams::parse(request.params) {
        Ok(params) => {
            if let Some(device) = &params.device {
                for layout in [Layout::V1, Layout::V2, Layout::V3] {
                    let signed = SignedFacts::of(&params, device).text(layout);
                    assert!(signed.contains(&device.id), "{signed}");
                }
            }
        }
        // Whoever said it is told what is wrong with it.
        Err(problems) => assert!(!format!("{problems:?}").is_empty()),
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,400}") {
        let _answer = read(&text);
    }

    #[test]
    fn any_document_is_read_or_refused(value in json_value()) {
        let is_object = value.is_object();
        let answer = read(&value.to_string());
        prop_assert_eq!(answer == Err(FrameError::NotJson), !is_object);
    }

    #[test]
    fn bytes_that_are_flipped_cut_or_doubled_are_read_or_refused(
        at in any::<prop::sample::Index>(),
        to in any::<char>(),
        end in any::<prop::sample::Index>(),
    ) {
        let mut text: Vec<char> = CONNECT.chars().collect();
        let at = at.index(text.len());
        text[at] = to;
        let _flipped = read(&text.iter().collect::<String>());
        let cut = read(&text[..end.index(text.len())].iter().collect::<String>());
        prop_assert_eq!(cut, Err(FrameError::NotJson));
        let _doubled = read(&[text.clone(), text].concat().iter().collect::<String>());
    }

    #[test]
    fn any_value_in_any_place_of_a_connect_is_read_or_refused(
        at in any::<prop::sample::Index>(),
        value in json_value(),
    ) {
        let mut document: Value = serde_json::from_str(CONNECT).unwrap();
        let mut found = Vec::new();
        places(&document, "", &mut found);
        let place = &found[at.index(found.len())];
        *document.pointer_mut(place).unwrap() = value;
        let _answer = read(&document.to_string());
    }
}

#[test]
fn what_is_changed_here_is_a_good_frame() {
    let request = Request::parse(CONNECT).unwrap();
    assert_eq!(request.method, "connect");
    assert!(ConnectParams::parse(request.params).is_ok());
    assert!(read(&json!({ "type": "res" }).to_string()).is_err());
}
