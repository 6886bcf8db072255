use std::time::Duration;

use super::ModelErrorKind as Kind;
use super::Phase;
use super::classify;
use super::retry_after;

/// Bodies as providers send them.
const TABLE: &[(u16, &str, Kind)] = &[
    (
        401,
        r#"{"error":{"message":"Incorrect API key provided: sk-..","type":"invalid_request_error","code":"invalid_api_key"}}"#,
        Kind::Auth,
    ),
    (
        400,
        r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#,
        Kind::Auth,
    ),
    (
        403,
        r#"{"type":"error","error":{"type":"permission_error","message":"no"}}"#,
        Kind::Auth,
    ),
    (
        429,
        r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
        Kind::Billing,
    ),
    (
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
        Kind::Billing,
    ),
    (402, "", Kind::Billing),
    (
        429,
        r#"{"error":{"message":"Rate limit reached for gpt","type":"tokens","code":"rate_limit_exceeded"}}"#,
        Kind::RateLimit,
    ),
    (429, "", Kind::RateLimit),
    (
        529,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        Kind::Overload,
    ),
    (
        503,
        r#"{"error":{"message":"Loading model","type":"unavailable_error","code":503}}"#,
        Kind::Overload,
    ),
    (502, "<html><body>Bad gateway</body></html>", Kind::Overload),
    (504, "", Kind::Timeout(Phase::FirstByte)),
    (408, "", Kind::Timeout(Phase::FirstByte)),
    (
        400,
        r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
        Kind::ContextOverflow,
    ),
    (
        400,
        r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}"#,
        Kind::ContextOverflow,
    ),
    (
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
        Kind::ContextOverflow,
    ),
    (
        413,
        r#"{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"#,
        Kind::ContextOverflow,
    ),
    (
        404,
        r#"{"error":{"message":"The model `gpt-x` does not exist or you do not have access to it.","type":"invalid_request_error","code":"model_not_found"}}"#,
        Kind::ModelNotFound,
    ),
    (
        404,
        r#"{"error":{"message":"model \"llama9\" not found, try pulling it first"}}"#,
        Kind::ModelNotFound,
    ),
    (
        404,
        r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-x"}}"#,
        Kind::ModelNotFound,
    ),
    (
        400,
        r#"{"error":{"message":"foo/bar is not a valid model ID","code":400}}"#,
        Kind::ModelNotFound,
    ),
    (
        400,
        r#"{"error":{"message":"blocked","code":"content_filter"}}"#,
        Kind::Refusal,
    ),
    (
        422,
        r#"{"detail":[{"msg":"Extra inputs are not permitted"}]}"#,
        Kind::Format,
    ),
    (
        400,
        r#"{"error":{"message":"messages: roles must alternate","type":"invalid_request_error"}}"#,
        Kind::Format,
    ),
    (404, r#"{"error":"not found"}"#, Kind::Format),
    (
        0,
        r#"{"error":{"message":"Provider returned error","code":"server_error"}}"#,
        Kind::Overload,
    ),
    (0, r#"{"error":{"message":"?"}}"#, Kind::Overload),
    (302, "", Kind::Unknown),
];

#[test]
fn answers_are_sorted_by_what_can_be_done_about_them() {
    for (status, body, kind) in TABLE {
        let error = classify("p", *status, body, None);
        assert_eq!(error.kind, *kind, "{status} {body}");
        assert!(
            error.message.starts_with('p') || error.message.contains(" p "),
            "{error}"
        );
        assert!(
            !error.message.contains('<') || error.message.contains("<key>"),
            "{error}"
        );
    }
}

#[test]
fn long_texts_are_cut() {
    let body = format!(r#"{{"error":{{"message":"{}"}}}}"#, "ü".repeat(5000));
    assert!(classify("p", 400, &body, None).message.chars().count() < 500);
}

#[test]
fn a_wait_is_read_in_its_three_forms() {
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let read = |seconds, millis| retry_after(seconds, millis, now);
    assert_eq!(read(Some("20"), None), Some(Duration::from_secs(20)));
    assert_eq!(read(Some("1.5"), None), Some(Duration::from_millis(1500)));
    assert_eq!(
        read(Some("9"), Some("250")),
        Some(Duration::from_millis(250))
    );
    let date = Some("Thu, 01 Jan 2026 00:01:00 GMT");
    assert_eq!(read(date, None), Some(Duration::from_secs(60)));
    let past = Some("Wed, 31 Dec 2025 00:01:00 GMT");
    assert_eq!(read(past, None), Some(Duration::ZERO));
    for nonsense in ["", "soon", "-1", "1e300", "inf", "999999999"] {
        assert_eq!(read(Some(nonsense), None), None, "{nonsense}");
    }
}
