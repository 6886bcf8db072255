use serde_json::json;

use super::chat;
use super::prompt;
use super::responses::Teller;
use super::run;
use super::run::End;
use super::run::Piece;
use super::run::ToolCall;

#[test]
fn one_message_stands_alone_and_several_are_told_as_a_conversation() {
    let one = json!({ "messages": [
        { "role": "system", "content": "Be short." }, { "role": "user", "content": "hi" },
    ] });
    let prompt = prompt::of_chat(&one).unwrap();
    assert_eq!(
        (prompt.message.as_str(), prompt.system.as_deref()),
        ("hi", Some("Be short."))
    );
    let several = json!({ "messages": [
        { "role": "user", "content": "weather?" },
        { "role": "assistant", "content": null, "tool_calls": [
            { "id": "c1", "function": { "name": "weather", "arguments": "{}" } },
        ] },
        { "role": "tool", "tool_call_id": "c1", "content": "rain" },
    ] });
    let told = prompt::of_chat(&several).unwrap().message;
    let current = told.split("[Current message - respond to this]\n").nth(1);
    assert_eq!(current, Some("Tool c1: rain"));
    assert!(
        told.contains("Assistant: [called weather with {}]"),
        "{told}"
    );
    let none = json!({ "messages": [{ "role": "system", "content": "x" }] });
    let error = prompt::of_chat(&none).unwrap_err();
    assert_eq!(error, "Missing user message in `messages`.");
}

#[test]
fn pictures_and_tools_come_along() {
    let url = "data:image/png;base64,aGk=";
    let asked = json!({
        "messages": [{ "role": "user", "content": [
            { "type": "text", "text": "what is it?" },
            { "type": "image_url", "image_url": { "url": url } },
        ] }],
        "tools": [{ "type": "function", "function": { "name": "look" } }],
    });
    let prompt = prompt::of_chat(&asked).unwrap();
    assert_eq!(prompt.attachments[0]["mimeType"], "image/png");
    assert_eq!(prompt.attachments[0]["content"], "aGk=");
    assert_eq!(prompt.tools[0]["name"], "look");
    let far = json!({ "messages": [{ "role": "user", "content": [
        { "type": "image_url", "image_url": { "url": "https://example.org/x.png" } },
    ] }] });
    assert!(prompt::of_chat(&far).unwrap_err().contains("data URL"));
    let input = json!({ "input": [
        { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "hi" }] },
        { "type": "function_call_output", "call_id": "c", "output": "42" },
    ], "instructions": "Be kind." });
    let prompt = prompt::of_responses(&input).unwrap();
    assert!(prompt.message.ends_with("Tool c: 42"), "{}", prompt.message);
    assert_eq!(prompt.system.as_deref(), Some("Be kind."));
}

#[test]
fn what_was_sent_is_not_sent_again() {
    assert_eq!(run::more("ab", "abc").as_deref(), Some("c"));
    assert_eq!(run::more("ab", "xyz"), None);
    assert_eq!(run::rest("one\n\ntwo", "two"), None);
    assert_eq!(run::rest("", "whole").as_deref(), Some("whole"));
    assert_eq!(run::rest("half", "other").as_deref(), Some("\n\nother"));
}

#[test]
fn an_answer_with_calls_says_so_in_both_interfaces() {
    let end = End {
        text: String::new(),
        calls: vec![ToolCall {
            id: "c1".to_owned(),
            name: "look".to_owned(),
            arguments: "{\"at\":1}".to_owned(),
        }],
        input: 3,
        output: 2,
    };
    let head = chat::Head {
        id: "x".to_owned(),
        model: "openclaw".to_owned(),
        created: 1,
        with_usage: true,
    };
    let whole = chat::whole(&head, &end);
    assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(
        whole["choices"][0]["message"]["tool_calls"][0]["function"]["name"],
        "look"
    );
    let told = chat::chunks(&head, Piece::End(Ok(end.clone())), false);
    assert!(
        told.contains("\"total_tokens\":5") && told.ends_with("data: [DONE]\n\n"),
        "{told}"
    );
    let mut teller = Teller::new("openclaw", 1);
    let told = [teller.begin(), teller.tell(Piece::End(Ok(end)))].concat();
    assert!(told.contains("\"type\":\"function_call\""), "{told}");
    let kinds: Vec<&str> = told
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    assert_eq!(kinds.first(), Some(&"response.created"));
    assert_eq!(kinds.last(), Some(&"response.completed"));
}
