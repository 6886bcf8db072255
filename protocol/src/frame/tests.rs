use serde_json::json;

use super::FrameError;
use super::Protocol;
use super::Request;
use super::around_payload;
use super::response;
use crate::error::ErrorShape;

#[test]
fn the_highest_common_version_is_chosen() {
    let table = [
        (3, 3, Some(Protocol::V3)),
        (3, 4, Some(Protocol::V4)),
        (4, 4, Some(Protocol::V4)),
        (1, 3, Some(Protocol::V3)),
        (1, 9, Some(Protocol::V4)),
        (4, 3, None),
        (1, 2, None),
        (5, 9, None),
        (99, 99, None),
    ];
    for (min, max, expected) in table {
        assert_eq!(Protocol::negotiate(min, max), expected, "{min}..{max}");
    }
}

#[test]
fn requests_are_read_and_bad_ones_answered_under_their_id() {
    let request = Request::parse(r#"{"type":"req","id":"7:x","method":"health"}"#).unwrap();
    assert_eq!(request.params, json!({}));
    let malformed = |id: &str, field: &str| FrameError::Malformed {
        id: id.to_owned(),
        problem: format!("at /{field}: must be a non-empty string"),
    };
    let table = [
        ("not json", FrameError::NotJson),
        ("[1]", FrameError::NotJson),
        (r#"{"type":"event","event":"x"}"#, FrameError::NotARequest),
        (
            r#"{"type":"req","id":7,"method":"x"}"#,
            malformed("invalid", "id"),
        ),
        (
            r#"{"type":"req","id":"","method":"x"}"#,
            malformed("invalid", "id"),
        ),
        (
            r#"{"type":"req","id":"9","method":""}"#,
            malformed("9", "method"),
        ),
    ];
    for (text, expected) in table {
        assert_eq!(Request::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn responses_carry_a_payload_or_an_error() {
    assert_eq!(
        response("1", &Ok(json!({ "a": 1 }))),
        r#"{"type":"res","id":"1","ok":true,"payload":{"a":1}}"#
    );
    assert_eq!(
        response("1", &Err(ErrorShape::unknown_method("x").retry_after(5))),
        r#"{"type":"res","id":"1","ok":false,"error":{"code":"INVALID_REQUEST","message":"unknown method: x","retryable":true,"retryAfterMs":5}}"#
    );
}

#[test]
fn what_is_written_already_goes_out_as_what_is_not() {
    let payload = json!({ "sessions": [{ "key": "a \"b\"" }], "count": 1 });
    let id = "7 \"x\"";
    let (before, after) = around_payload(id);
    assert_eq!(
        format!("{before}{payload}{after}"),
        response(id, &Ok(payload))
    );
}
