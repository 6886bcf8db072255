use std::collections::VecDeque;

use openclaw_protocol::StopReason;
use serde_json::Value;
use serde_json::json;

use super::Decoder;
use crate::call::Decode;
use crate::error::ModelErrorKind;
use crate::model::ModelEvent;

/// Feeds chunks and ends the body.
fn read(chunks: &[Value]) -> (Vec<ModelEvent>, Option<ModelErrorKind>) {
    let mut decoder = Decoder::new("p");
    let mut out = VecDeque::new();
    let mut outcome = Ok(());
    for chunk in chunks {
        let data = chunk
            .as_str()
            .map_or_else(|| chunk.to_string(), str::to_owned);
        outcome = outcome.and_then(|()| decoder.event("message", &data, &mut out));
    }
    let outcome = outcome.and_then(|()| decoder.end(&mut out));
    (out.into(), outcome.err().map(|error| error.kind))
}

fn delta(delta: Value) -> Value {
    json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] })
}

fn finish(reason: &str) -> Value {
    json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] })
}

fn calls(events: &[ModelEvent]) -> Vec<(&str, &str, &Value)> {
    events
        .iter()
        .filter_map(|event| match event {
            ModelEvent::ToolCall {
                id,
                name,
                arguments,
                ..
            } => Some((id.as_str(), name.as_str(), arguments)),
            _ => None,
        })
        .collect()
}

fn stop(events: &[ModelEvent]) -> &StopReason {
    match events.last() {
        Some(ModelEvent::Done { stop, .. }) => stop,
        other => panic!("the end is {other:?}"),
    }
}

#[test]
fn reasoning_has_two_names() {
    for name in ["reasoning_content", "reasoning"] {
        let (events, error) = read(&[delta(json!({ name: "hm" })), finish("stop")]);
        assert_eq!(error, None);
        assert_eq!(events.first(), Some(&ModelEvent::Thinking("hm".into())));
    }
}

#[test]
fn mistral_sends_content_as_a_list() {
    let content = json!({ "content": [
        { "type": "thinking", "thinking": [{ "type": "text", "text": "hm" }] },
        { "type": "text", "text": "yes" },
    ]});
    let (events, _) = read(&[delta(content), finish("stop")]);
    let said = [
        ModelEvent::Thinking("hm".into()),
        ModelEvent::Text("yes".into()),
    ];
    assert_eq!(events[..2], said);
}

#[test]
fn fragments_of_two_calls_may_alternate() {
    let part = |index: u64, id: Option<&str>, arguments: &str| {
        let function = json!({ "name": id.map(|_| "f"), "arguments": arguments });
        delta(json!({ "tool_calls": [{ "index": index, "id": id, "function": function }] }))
    };
    let (events, _) = read(&[
        part(0, Some("a"), "{\"x\""),
        part(1, Some("b"), ""),
        part(0, None, ":1}"),
        part(1, None, "{\"y\":2}"),
        finish("tool_calls"),
    ]);
    let expected = [
        ("a", "f", &json!({ "x": 1 })),
        ("b", "f", &json!({ "y": 2 })),
    ];
    assert_eq!(calls(&events), expected);
    assert_eq!(*stop(&events), StopReason::ToolUse);
}

#[test]
fn servers_that_number_no_calls_are_understood() {
    let whole = |id: &str, arguments: Value| {
        let function = json!({ "name": "f", "arguments": arguments });
        delta(json!({ "tool_calls": [{ "id": id, "type": "function", "function": function }] }))
    };
    let (events, _) = read(&[
        whole("a", json!("{}")),
        whole("b", json!({ "y": 2 })),
        finish("stop"),
    ]);
    let expected = [("a", "f", &json!({})), ("b", "f", &json!({ "y": 2 }))];
    assert_eq!(calls(&events), expected);
    assert_eq!(
        *stop(&events),
        StopReason::ToolUse,
        "whatever the server calls it"
    );
}

#[test]
fn a_call_without_an_id_gets_one_and_broken_arguments_stay_text() {
    let function = json!({ "name": "f", "arguments": "{\"x\":" });
    let call = delta(json!({ "tool_calls": [{ "index": 0, "function": function }] }));
    let (events, _) = read(&[call.clone(), finish("tool_calls")]);
    assert_eq!(calls(&events), [("call_0", "f", &json!("{\"x\":"))]);
    let (events, _) = read(&[call, finish("length")]);
    assert_eq!(calls(&events), [], "the limit cut it in two");
    assert_eq!(*stop(&events), StopReason::Length);
}

#[test]
fn usage_comes_in_three_places() {
    let cases = [
        json!({ "choices": [], "usage": { "prompt_tokens": 10, "completion_tokens": 2,
            "prompt_tokens_details": { "cached_tokens": 4 } } }),
        json!({ "choices": [], "x_groq": { "usage": { "prompt_tokens": 6, "completion_tokens": 2 } } }),
        json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }],
            "usage": { "prompt_tokens": 10, "completion_tokens": 2, "prompt_cache_hit_tokens": 4 } }),
    ];
    for case in cases {
        let (events, _) = read(&[finish("stop"), case.clone(), json!("[DONE]")]);
        let Some(ModelEvent::Done { usage, .. }) = events.last() else {
            panic!("{events:?}");
        };
        assert_eq!((usage.input, usage.output), (6, 2), "{case}");
    }
}

#[test]
fn an_answer_without_the_closing_mark_counts_if_it_was_finished() {
    let text = delta(json!({ "content": "hi" }));
    assert_eq!(read(&[text.clone(), finish("stop")]).1, None);
    assert_eq!(read(&[text]).1, Some(ModelErrorKind::Network));
    assert_eq!(read(&[]).1, Some(ModelErrorKind::Network));
}

#[test]
fn what_follows_the_end_is_nothing() {
    let late = delta(json!({ "content": "late" }));
    let (events, error) = read(&[finish("stop"), json!("[DONE]"), late]);
    assert_eq!((events.len(), error), (1, None));
}

#[test]
fn pieces_that_are_no_json_are_an_error() {
    assert_eq!(read(&[json!("{oops")]).1, Some(ModelErrorKind::Format));
}
