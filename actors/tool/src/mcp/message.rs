//! What is said in JSON-RPC. Pure.

use serde_json::Value;
use serde_json::json;

/// The versions of the protocol that are understood, the one that is asked for first.
pub(super) const VERSIONS: [&str; 4] = ["2025-06-18", "2025-11-25", "2025-03-26", "2024-11-05"];

/// What a server says.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// The answer to a request of ours.
    Answer {
        id: u64,
        result: Result<Value, Refusal>,
    },
    /// A request to us.
    Asked { id: Value, method: String },
    /// Something to know.
    Told { method: String, params: Value },
}

/// A request that a server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: i64,
    pub(super) message: String,
}

pub(super) fn request(id: u64, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

pub(super) fn notification(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

/// What we answer a server: that we are there. Nothing else was offered to it.
pub(super) fn answer(id: Value, method: &str) -> Value {
    if method == "ping" {
        return json!({ "jsonrpc": "2.0", "id": id, "result": {} });
    }
    let error = json!({ "code": -32601, "message": format!("this client has no {method}") });
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}

/// The first words: who we are, and that we can do nothing for the server.
pub(super) fn hello() -> Value {
    json!({
        "protocolVersion": VERSIONS[0],
        "capabilities": {},
        "clientInfo": { "name": "openclaw", "version": env!("CARGO_PKG_VERSION") },
    })
}

/// Reads what a server says; none for what is no message.
pub(super) fn read(message: Value) -> Option<Heard> {
    let Value::Object(mut fields) = message else {
        return None;
    };
    let id = fields.remove("id");
    let params = fields.remove("params").unwrap_or(Value::Null);
    if let Some(Value::String(method)) = fields.remove("method") {
        return Some(match id {
            Some(id) => Heard::Asked { id, method },
            None => Heard::Told { method, params },
        });
    }
    let id = id?.as_u64()?;
    let result = match (fields.remove("result"), fields.remove("error")) {
        (_, Some(error)) => Err(Refusal {
            code: error
                .get("code")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            message: error
                .get("message")
                .and_then(Value::as_str)
                .unwrap_or("it gave no reason")
                .to_owned(),
        }),
        (Some(result), None) => Ok(result),
        (None, None) => return None,
    };
    Some(Heard::Answer { id, result })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_message_is_told_from_the_others() {
        let told = read(json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" }));
        assert!(matches!(told, Some(Heard::Told { .. })));
        let asked = read(json!({ "jsonrpc": "2.0", "id": "a", "method": "ping" }));
        let Some(Heard::Asked { id, method }) = asked else {
            panic!("{asked:?}")
        };
        assert_eq!(
            answer(id, &method),
            json!({ "jsonrpc": "2.0", "id": "a", "result": {} })
        );
        assert_eq!(answer(json!(1), "roots/list")["error"]["code"], -32601);
        let answered = read(json!({ "id": 3, "result": { "tools": [] } }));
        assert!(matches!(
            answered,
            Some(Heard::Answer {
                id: 3,
                result: Ok(_)
            })
        ));
        let refused =
            read(json!({ "id": 4, "error": { "code": -32602, "message": "no such tool" } }));
        let refusal = Refusal {
            code: -32602,
            message: "no such tool".to_owned(),
        };
        assert_eq!(
            refused,
            Some(Heard::Answer {
                id: 4,
                result: Err(refusal)
            })
        );
        for odd in [
            json!(null),
            json!([1]),
            json!({ "id": 3 }),
            json!({ "id": "x", "result": 1 }),
        ] {
            assert_eq!(read(odd.clone()), None, "{odd}");
        }
    }
}
