//! The document says the same as the checks: what one takes, the other takes.

use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use super::document;
use crate::connect::CONNECT;
use crate::frame::Request;
use crate::method::METHODS;

/// The part of JSON Schema that the document uses.
fn takes(schema: &Value, value: &Value) -> bool {
    let Some(schema) = schema.as_object() else {
        return schema.as_bool().unwrap();
    };
    let bound = |name: &str| schema.get(name).map(|bound| bound.as_i64().unwrap());
    let within = |n: usize, low: &str, high: &str| {
        let n = i64::try_from(n).unwrap();
        bound(low).is_none_or(|low| n >= low) && bound(high).is_none_or(|high| n <= high)
    };
    if let Some(any) = schema.get("anyOf") {
        return any.as_array().unwrap().iter().any(|of| takes(of, value));
    }
    if let Some(words) = schema.get("enum") {
        return words.as_array().unwrap().contains(value);
    }
    match (schema["type"].as_str().unwrap(), value) {
        ("boolean", Value::Bool(_)) | ("number", Value::Number(_)) => true,
        ("integer", Value::Number(n)) => n.as_i64().is_some_and(|n| {
            bound("minimum").is_none_or(|low| n >= low)
                && bound("maximum").is_none_or(|high| n <= high)
        }),
        ("string", Value::String(text)) => within(text.chars().count(), "minLength", "maxLength"),
        ("array", Value::Array(items)) => {
            within(items.len(), "minItems", "maxItems")
                && items.iter().all(|item| takes(&schema["items"], item))
        }
        ("object", Value::Object(fields)) => {
            let required = schema.get("required").and_then(Value::as_array);
            let has_all = required
                .into_iter()
                .flatten()
                .all(|name| fields.contains_key(name.as_str().unwrap()));
            let properties = schema.get("properties").and_then(Value::as_object);
            has_all
                && fields.iter().all(|(name, value)| {
                    match properties.and_then(|known| known.get(name)) {
                        Some(of) => takes(of, value),
                        None => schema
                            .get("additionalProperties")
                            .is_none_or(|of| takes(of, value)),
                    }
                })
        }
        _ => false,
    }
}

/// Any JSON, made of the words and numbers at which shapes tell values apart.
fn json() -> impl Strategy<Value = Value> {
    let names = || {
        prop::sample::select(vec![
            "key",
            "id",
            "mode",
            "scopes",
            "limit",
            "client",
            "device",
            "auth",
            "nonce",
            "bogus",
            "minProtocol",
            "maxProtocol",
            "version",
            "platform",
            "role",
        ])
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop::sample::select(vec![-1i64, 0, 1, 3, 4, 1000, i64::MAX]).prop_map(Value::from),
        Just(json!(1.5)),
        prop::sample::select(vec!["", "a", "cli", "operator", "default"]).prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names(), inner, 0..6).prop_map(|map| {
                Value::Object(map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

#[test]
fn every_method_stands_in_the_document() {
    let document = document();
    let methods = document["methods"].as_object().unwrap();
    assert_eq!(methods.len(), METHODS.len());
    for method in METHODS {
        let described = &methods[method.name];
        assert_eq!(described["since"], method.since.number(), "{}", method.name);
        assert_eq!(
            described["scope"].is_null(),
            method.is_of_nodes(),
            "{}",
            method.name
        );
    }
    assert_eq!(
        document["methods"]["config.get"]["scope"]["3"],
        "operator.admin"
    );
}

proptest! {
    #[test]
    fn the_document_takes_what_the_checks_take(
        value in json(),
        which in 0..METHODS.len(),
    ) {
        let document = document();
        let method = METHODS[which];
        let schema = &document["methods"][method.name]["params"];
        prop_assert_eq!(takes(schema, &value), method.params.check(&value).is_ok(), "{}", method.name);
        let connect = &document["$defs"]["Connect"];
        prop_assert_eq!(takes(connect, &value), CONNECT.check(&value).is_ok());
    }

    /// Whatever comes in, reading it ends in a request or in a named problem, never in a panic.
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,64}", value in json()) {
        drop(Request::parse(&text));
        drop(Request::parse(&value.to_string()));
        let mut frame = json!({ "type": "req", "id": "1", "method": "connect" });
        frame["params"] = value.clone();
        let request = Request::parse(&frame.to_string()).unwrap();
        drop(crate::ConnectParams::parse(request.params));
        // A valid greeting with one field replaced by anything.
        let good = json!({
            "minProtocol": 3, "maxProtocol": 4, "scopes": ["operator.read"], "role": "operator",
            "client": { "id": "cli", "version": "1", "platform": "linux", "mode": "cli" },
            "auth": { "token": "t" },
            "device": { "id": "d", "publicKey": "k", "signature": "s", "signedAt": 1, "nonce": "n" },
        });
        for name in good.as_object().unwrap().keys() {
            let mut bent = good.clone();
            bent[name] = value.clone();
            if let Ok(params) = crate::ConnectParams::parse(bent)
                && let Some(device) = &params.device {
                    let facts = crate::device::SignedFacts::of(&params, device);
                    drop(facts.text(crate::device::Layout::V3));
                }
        }
    }
}
