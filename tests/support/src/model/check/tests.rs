use serde_json::json;

use super::anthropic;
use super::openai;

#[test]
fn a_plain_request_passes() {
    let messages = json!([{ "role": "user", "content": "hi" }]);
    assert_eq!(
        openai(&json!({ "model": "m", "stream": true, "messages": messages })),
        Ok(())
    );
    let body = json!({ "model": "m", "max_tokens": 9, "stream": true, "messages": messages });
    assert_eq!(anthropic(&body), Ok(()));
}

#[test]
fn openai_refuses_calls_without_results() {
    let call = json!({ "id": "c", "type": "function",
        "function": { "name": "f", "arguments": "{}" } });
    let body = json!({ "model": "m", "stream": true, "messages": [
        { "role": "user", "content": "hi" },
        { "role": "assistant", "content": null, "tool_calls": [call] },
        { "role": "user", "content": "well?" },
    ]});
    assert!(
        openai(&body)
            .unwrap_err()
            .contains("must be followed by tool messages")
    );
}

#[test]
fn anthropic_refuses_what_breaks_its_rules() {
    let refused = |messages| {
        let body = json!({ "model": "m", "max_tokens": 9, "stream": true, "messages": messages });
        anthropic(&body).unwrap_err()
    };
    let said = |role: &str, content| json!({ "role": role, "content": content });
    let text = json!([{ "type": "text", "text": "x" }]);
    let call = json!([{ "type": "tool_use", "id": "t", "name": "f", "input": {} }]);
    let result = json!({ "type": "tool_result", "tool_use_id": "t", "content": "r" });
    let blank = json!([{ "type": "text", "text": " " }]);
    assert!(refused(json!([said("assistant", text.clone())])).contains("first message"));
    assert!(refused(json!([said("user", blank)])).contains("non-whitespace"));
    let both = json!([said("user", text.clone()), said("user", text.clone())]);
    assert!(refused(both).contains("alternate"));
    let unanswered = json!([
        said("user", text.clone()),
        said("assistant", call.clone()),
        said("user", text.clone()),
    ]);
    assert!(refused(unanswered).contains("without `tool_result`"));
    let late = json!([{ "type": "text", "text": "x" }, result]);
    let late = json!([
        said("user", text),
        said("assistant", call),
        said("user", late)
    ]);
    assert!(refused(late).contains("must come first"));
}
