//! What the WebSocket speaks, as JSON Schema: frames, `connect`, and the parameters of every method.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::connect::CONNECT;
use crate::frame::Protocol;
use crate::method::Access;
use crate::method::METHODS;
use crate::method::Method;
use crate::shape::Fields;
use crate::shape::Shape;

#[cfg(test)]
mod tests;

/// The whole document.
pub fn document() -> Value {
    let methods: Map<String, Value> = METHODS
        .iter()
        .map(|method| (method.name.to_owned(), of_method(method)))
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "OpenClaw gateway protocol",
        "protocolVersions": [Protocol::V3.number(), Protocol::V4.number()],
        "oneOf": [
            { "$ref": "#/$defs/Request" },
            { "$ref": "#/$defs/Response" },
            { "$ref": "#/$defs/Event" },
        ],
        "$defs": frames(),
        "methods": methods,
    })
}

fn frames() -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    let count = json!({ "type": "integer", "minimum": 0 });
    json!({
        "Request": {
            "type": "object",
            "required": ["type", "id", "method"],
            "properties": {
                "type": { "const": "req" },
                "id": text,
                "method": text,
                "params": true,
                "traceparent": { "type": "string", "maxLength": 128 },
                "expectedProfileId": { "type": "string", "maxLength": 128 },
            },
        },
        "Response": {
            "type": "object",
            "required": ["type", "id", "ok"],
            "properties": {
                "type": { "const": "res" },
                "id": text,
                "ok": { "type": "boolean" },
                "payload": true,
                "error": { "$ref": "#/$defs/Error" },
            },
            "additionalProperties": false,
        },
        "Event": {
            "type": "object",
            "required": ["type", "event"],
            "properties": {
                "type": { "const": "event" },
                "event": text,
                "payload": true,
                "seq": count,
                "stateVersion": {
                    "type": "object",
                    "required": ["presence", "health"],
                    "properties": { "presence": count, "health": count },
                    "additionalProperties": false,
                },
            },
            "additionalProperties": false,
        },
        "Error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": text,
                "message": text,
                "details": true,
                "retryable": { "type": "boolean" },
                "retryAfterMs": count,
            },
            "additionalProperties": false,
        },
        "Connect": of_fields(&CONNECT),
    })
}

fn of_method(method: &Method) -> Value {
    let scope = match method.access {
        Access::Scope(scope) => json!(scope.as_str()),
        Access::ByVersion(early, late) => json!({ "3": early.as_str(), "4": late.as_str() }),
        Access::Dynamic(_) => json!("by parameters"),
        Access::Node => json!(null),
    };
    json!({
        "params": of_fields(&method.params),
        "scope": scope,
        "role": if method.is_of_nodes() { "node" } else { "operator" },
        "since": method.since.number(),
        "idempotent": method.is_idempotent,
        "advertised": method.is_advertised,
    })
}

fn of_fields(fields: &Fields) -> Value {
    let properties: Map<String, Value> = fields
        .fields
        .iter()
        .map(|field| (field.name.to_owned(), of_shape(&field.shape)))
        .collect();
    let required: Vec<&str> = fields
        .fields
        .iter()
        .filter(|field| field.is_required)
        .map(|field| field.name)
        .collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if let Value::Object(schema) = &mut schema {
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        if !fields.is_open {
            schema.insert("additionalProperties".to_owned(), json!(false));
        }
    }
    schema
}

fn of_shape(shape: &Shape) -> Value {
    match shape {
        Shape::Any => json!(true),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Number => json!({ "type": "number" }),
        Shape::Text { min, max } => bounded("string", ("minLength", *min), ("maxLength", *max)),
        Shape::Int { min, max } => {
            let mut schema = Map::new();
            schema.insert("type".to_owned(), json!("integer"));
            for (name, bound, none) in [("minimum", *min, i64::MIN), ("maximum", *max, i64::MAX)] {
                if bound != none {
                    schema.insert(name.to_owned(), json!(bound));
                }
            }
            Value::Object(schema)
        }
        Shape::OneOf(words) => json!({ "enum": words }),
        Shape::List { of, min, max } => {
            let mut schema = bounded("array", ("minItems", *min), ("maxItems", *max));
            if let Value::Object(schema) = &mut schema {
                schema.insert("items".to_owned(), of_shape(of));
            }
            schema
        }
        Shape::Map(of) => json!({ "type": "object", "additionalProperties": of_shape(of) }),
        Shape::Object(fields) => of_fields(fields),
        Shape::Nullable(of) => json!({ "anyOf": [of_shape(of), { "type": "null" }] }),
        Shape::Either(first, second) => json!({ "anyOf": [of_shape(first), of_shape(second)] }),
    }
}

fn bounded(kind: &str, (low, min): (&str, usize), (high, max): (&str, usize)) -> Value {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!(kind));
    if min > 0 {
        schema.insert(low.to_owned(), json!(min));
    }
    if max != usize::MAX {
        schema.insert(high.to_owned(), json!(max));
    }
    Value::Object(schema)
}
