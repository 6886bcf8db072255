use serde_json::json;

use super::*;

fn line(id: &str, parent: Option<&str>, message: Value) -> Value {
    json!({"type": "message", "id": id, "parentId": parent, "message": message})
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": [{"type": "text", "text": text}], "timestamp": 1})
}

fn texts(context: &Context) -> Vec<String> {
    context.messages.iter().map(Message::text).collect()
}

#[test]
fn the_context_is_the_path_from_the_leaf() {
    let lines = [
        json!({"type": "session", "version": 3, "id": "s"}),
        json!({"type": "model_change", "id": "a", "parentId": null, "provider": "p", "modelId": "m"}),
        line("b", Some("a"), user("one")),
        line("c", Some("b"), user("another branch")),
        line("d", Some("b"), user("two")),
    ];
    let context = build(&lines);
    assert_eq!(texts(&context), ["one", "two"]);
    assert_eq!(context.leaf.as_deref(), Some("d"));
    assert_eq!(context.model, Some(ModelRef::new("p", "m")));
    assert_eq!(context.rows, 5);
}

#[test]
fn a_compaction_stands_for_what_came_before() {
    let lines = [
        line("a", None, user("old")),
        line("b", Some("a"), user("kept")),
        json!({"type": "compaction", "id": "c", "parentId": "b", "summary": "so far",
            "firstKeptEntryId": "b", "tokensBefore": 1}),
        line("d", Some("c"), user("new")),
    ];
    let context = build(&lines);
    assert_eq!(context.messages.len(), 3);
    assert!(texts(&context)[0].contains("so far"));
    assert_eq!(texts(&context)[1..], ["kept", "new"]);
}

#[test]
fn what_would_break_a_wire_is_mended() {
    let call = json!({"role": "assistant", "content": [
        {"type": "toolCall", "id": "1", "name": "exec", "arguments": {}},
        {"type": "toolCall", "id": "2", "name": "exec", "arguments": {}}], "stopReason": "toolUse"});
    let result = |id: &str| {
        json!({"role": "toolResult", "toolCallId": id, "toolName": "exec",
        "content": [], "details": {"big": true}, "isError": false})
    };
    let broken = json!({"role": "assistant", "content": [], "stopReason": "error",
        "errorMessage": "down"});
    let lines = [
        line("a", None, user("go")),
        line("b", Some("a"), call),
        line("c", Some("b"), result("2")),
        line("d", Some("c"), result("9")),
        line("e", Some("d"), broken),
        line("f", Some("e"), user("again")),
    ];
    let context = build(&lines);
    let roles: Vec<&str> = context.messages.iter().map(Message::role).collect();
    assert_eq!(
        roles,
        ["user", "assistant", "toolResult", "toolResult", "user"]
    );
    let Message::ToolResult(kept) = &context.messages[2] else {
        panic!("no result")
    };
    assert_eq!(kept.details, None);
    assert!(texts(&context)[3].contains("unknown"));
    assert_eq!(records(&lines).len(), 6);
}

#[test]
fn a_circle_and_rubbish_do_no_harm() {
    let lines = [
        json!(null),
        line("a", Some("b"), user("x")),
        line("b", Some("a"), user("y")),
        json!({"type": "message", "id": "c", "parentId": "b", "message": 7}),
    ];
    assert_eq!(build(&lines).messages.len(), 2);
}
