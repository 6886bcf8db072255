//! The frames of the WebSocket: requests, responses and events, one JSON object each.

use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use crate::error::ErrorShape;

#[cfg(test)]
mod tests;

/// A version of the protocol that was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Clients of early 2026.
    V3,
    /// Clients of autumn 2026.
    V4,
}

impl Protocol {
    /// The number on the wire.
    pub fn number(self) -> u32 {
        match self {
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }

    /// The highest version both sides speak, given the client's range.
    pub fn negotiate(min: u32, max: u32) -> Option<Self> {
        [Self::V4, Self::V3]
            .into_iter()
            .find(|version| (min..=max).contains(&version.number()))
    }
}

/// A request of a client.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Chosen by the client, echoed as it is.
    pub id: String,
    /// The method.
    pub method: String,
    /// The parameters; an empty object when absent.
    pub params: Value,
    /// The W3C trace the request belongs to.
    pub traceparent: Option<String>,
}

/// A frame that is not a usable request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameError {
    /// Not JSON, or not an object.
    NotJson,
    /// Not of type `req`.
    NotARequest,
    /// A request with a bad field: answered under its id, or under `invalid`.
    Malformed {
        /// The id to answer under.
        id: String,
        /// What is wrong.
        problem: String,
    },
}

impl Request {
    /// Reads a frame.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        let Ok(Value::Object(mut frame)) = serde_json::from_str(text) else {
            return Err(FrameError::NotJson);
        };
        if frame.get("type").and_then(Value::as_str) != Some("req") {
            return Err(FrameError::NotARequest);
        }
        let id = take_text(&mut frame, "id");
        let method = take_text(&mut frame, "method");
        match (id, method) {
            (Some(id), Some(method)) => Ok(Self {
                id,
                method,
                params: match frame.remove("params") {
                    None | Some(Value::Null) => Value::Object(Map::new()),
                    Some(params) => params,
                },
                // A malformed trace is no reason to refuse work.
                traceparent: take_text(&mut frame, "traceparent").filter(|t| t.len() <= 128),
            }),
            (None, _) => Err(FrameError::Malformed {
                id: "invalid".to_owned(),
                problem: "at /id: must be a non-empty string".to_owned(),
            }),
            (Some(id), None) => Err(FrameError::Malformed {
                id,
                problem: "at /method: must be a non-empty string".to_owned(),
            }),
        }
    }
}

fn take_text(frame: &mut Map<String, Value>, name: &str) -> Option<String> {
    match frame.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

#[derive(Serialize)]
struct ResponseFrame<'a> {
    r#type: &'static str,
    id: &'a str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a ErrorShape>,
}

/// Writes the response to a request.
pub fn response(id: &str, outcome: &Result<Value, ErrorShape>) -> String {
    match outcome {
        Ok(payload) => write(id, Some(payload), None),
        Err(error) => write(id, None, Some(error)),
    }
}

/// What stands before and behind a payload that is JSON already: a list of some megabytes is not copied into its frame.
pub fn around_payload(id: &str) -> (String, &'static str) {
    // A text always serialises.
    let id = serde_json::to_string(id).unwrap_or_default();
    let head = format!(r#"{{"type":"res","id":{id},"ok":true,"payload":"#);
    (head, "}")
}

/// Writes a refusal that still carries a payload, as a failed run does.
pub fn failed_response(id: &str, payload: &Value, error: &ErrorShape) -> String {
    write(id, Some(payload), Some(error))
}

fn write(id: &str, payload: Option<&Value>, error: Option<&ErrorShape>) -> String {
    let frame = ResponseFrame {
        r#type: "res",
        id,
        ok: error.is_none(),
        payload,
        error,
    };
    // Values and strings always serialise.
    serde_json::to_string(&frame).unwrap_or_default()
}
