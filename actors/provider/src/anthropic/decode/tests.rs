use std::collections::VecDeque;

use openclaw_protocol::StopReason;
use serde_json::json;

use super::Decoder;
use crate::call::Decode;
use crate::error::ModelErrorKind;
use crate::model::ModelEvent;

/// An answer as it went over the wire: reasoning, text and a call.
const GOLDEN: &str = r#"
message_start {"type":"message_start","message":{"id":"msg_1","role":"assistant","content":[],"usage":{"input_tokens":25,"cache_creation_input_tokens":7,"cache_read_input_tokens":11,"output_tokens":1}}}
content_block_start {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
ping {"type":"ping"}
content_block_delta {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}
content_block_delta {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}
content_block_stop {"type":"content_block_stop","index":0}
content_block_start {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}
content_block_delta {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Okay"}}
content_block_stop {"type":"content_block_stop","index":1}
content_block_start {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"get_weather","input":{}}}
content_block_delta {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}
content_block_delta {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"location\":"}}
content_block_delta {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":" \"Paris\"}"}}
content_block_stop {"type":"content_block_stop","index":2}
message_delta {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":89}}
message_stop {"type":"message_stop"}
"#;

fn read(lines: &str) -> (Vec<ModelEvent>, Option<ModelErrorKind>) {
    let mut decoder = Decoder::new("p");
    let mut out = VecDeque::new();
    let mut outcome = Ok(());
    for line in lines.lines().filter(|line| !line.is_empty()) {
        let (name, data) = line.split_once(' ').unwrap();
        outcome = outcome.and_then(|()| decoder.event(name, data, &mut out));
    }
    let outcome = outcome.and_then(|()| decoder.end(&mut out));
    (out.into(), outcome.err().map(|error| error.kind))
}

#[test]
fn a_whole_answer_is_understood() {
    let (events, error) = read(GOLDEN);
    assert_eq!(error, None);
    let call = ModelEvent::ToolCall {
        id: "toolu_1".into(),
        name: "get_weather".into(),
        arguments: json!({ "location": "Paris" }),
        signature: None,
    };
    let said = [
        ModelEvent::Thinking("hm".into()),
        ModelEvent::ThinkingSignature("c2ln".into()),
        ModelEvent::Text("Okay".into()),
        call,
    ];
    assert_eq!(events[..4], said);
    let Some(ModelEvent::Done { usage, stop }) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!((usage.input, usage.output), (25, 89));
    assert_eq!((usage.cache_read, usage.cache_write), (11, 7));
    assert_eq!(*stop, StopReason::ToolUse);
}

#[test]
fn every_cut_of_an_answer_is_an_error_and_never_a_call() {
    let lines: Vec<&str> = GOLDEN.lines().filter(|line| !line.is_empty()).collect();
    for length in 0..lines.len() - 2 {
        let (events, error) = read(&lines[..length].join("\n"));
        assert_eq!(error, Some(ModelErrorKind::Network), "cut after {length}");
        let called = events
            .iter()
            .any(|event| matches!(event, ModelEvent::ToolCall { .. }));
        assert!(!called, "cut after {length}");
    }
}

#[test]
fn servers_that_send_a_call_whole_are_understood() {
    let (events, _) = read(
        r#"x {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{"a":1}}}
x {"type":"message_delta","delta":{"stop_reason":"end_turn"}}
x {"type":"message_stop"}"#,
    );
    let ModelEvent::ToolCall { arguments, .. } = &events[0] else {
        panic!("{events:?}");
    };
    assert_eq!(*arguments, json!({ "a": 1 }));
}

#[test]
fn a_call_that_the_limit_cut_does_not_run() {
    let (events, _) = read(
        r#"x {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}
x {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a"}}
x {"type":"message_delta","delta":{"stop_reason":"max_tokens"}}
x {"type":"message_stop"}"#,
    );
    let end = &events[..];
    assert!(
        matches!(
            end,
            [ModelEvent::Done {
                stop: StopReason::Length,
                ..
            }]
        ),
        "{end:?}"
    );
}

#[test]
fn hidden_reasoning_can_be_given_back() {
    let (events, _) = read(
        r#"x {"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"b3BhcXVl"}}
x {"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
    );
    let kept = ModelEvent::ThinkingSignature("redacted:b3BhcXVl".into());
    assert_eq!(events[0], kept);
}

#[test]
fn errors_inside_the_stream_are_sorted() {
    let busy =
        r#"error {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    assert_eq!(read(busy).1, Some(ModelErrorKind::Overload));
    let refusal = r#"x {"type":"message_delta","delta":{"stop_reason":"refusal"}}
x {"type":"message_stop"}"#;
    assert_eq!(read(refusal).1, Some(ModelErrorKind::Refusal));
}
