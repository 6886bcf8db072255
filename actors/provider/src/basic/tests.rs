use futures_util::StreamExt;
use openclaw_protocol::Message;
use openclaw_protocol::ModelRef;
use openclaw_protocol::StopReason;
use openclaw_protocol::ToolSpec;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

use super::Basic;
use super::intent::Intent;
use super::intent::read;
use super::language::Language;
use crate::model::Model;
use crate::model::ModelEvent;
use crate::model::ModelRequest;

const TOOLS: [&str; 4] = [
    "memory_note",
    "memory_search",
    "gateway_status",
    "current_time",
];

fn request(messages: Vec<Message>, tools: &[&str]) -> ModelRequest {
    let spec = |name: &&str| ToolSpec {
        name: (*name).to_owned(),
        description: String::new(),
        parameters: json!({}),
    };
    ModelRequest {
        model: ModelRef::new("builtin", "basic"),
        system: "".into(),
        messages: messages.into_iter().map(Arc::new).collect(),
        tools: tools.iter().map(spec).collect(),
        max_tokens: None,
        session: "agent:main:main".parse().unwrap(),
        params: Value::Null,
    }
}

async fn events(messages: Vec<Message>, tools: &[&str]) -> Vec<ModelEvent> {
    let model = Basic::new(ModelRef::new("builtin", "basic"));
    let stream = model.stream(request(messages, tools));
    stream.map(Result::unwrap).collect().await
}

fn text(events: &[ModelEvent]) -> String {
    let piece = |event: &ModelEvent| match event {
        ModelEvent::Text(text) => text.clone(),
        _ => String::new(),
    };
    events.iter().map(piece).collect()
}

async fn said(words: &str) -> String {
    text(&events(vec![Message::user(words, 1)], &TOOLS).await)
}

/// What is said after a tool gave this back.
async fn after(words: &str, tool: &str, result: &str) -> String {
    let call = json!({ "role": "assistant", "content": [
        { "type": "toolCall", "id": "c", "name": tool, "arguments": {} }] });
    let result = json!({ "role": "toolResult", "toolCallId": "c", "toolName": tool,
        "content": [{ "type": "text", "text": result }] });
    let read = |value| serde_json::from_value(value).unwrap();
    let messages = vec![Message::user(words, 1), read(call), read(result)];
    text(&events(messages, &TOOLS).await)
}

fn intent(words: &str) -> Intent {
    read(words).intent
}

#[test]
fn requests_are_understood() {
    let note = |text: &str| Intent::Note(text.to_owned());
    let recall = |text: &str| Intent::Recall(text.to_owned());
    let table = [
        ("hello", Intent::Greeting),
        ("[Sun 2026-02-15 09:30 UTC] Hi there!", Intent::Greeting),
        (
            "[Telegram Ada id:7 +2m 2026-02-15 09:30 UTC] hello",
            Intent::Greeting,
        ),
        ("bonjour", Intent::Greeting),
        ("Guten Morgen!", Intent::Greeting),
        ("/help", Intent::Help),
        ("help", Intent::Help),
        ("What can you do?", Intent::Help),
        ("status", Intent::Status),
        ("How is the gateway doing?", Intent::Status),
        ("what time is it?", Intent::Time),
        ("Quelle heure est-il ?", Intent::Time),
        ("Wie spät ist es?", Intent::Time),
        ("What is configured?", Intent::Configured),
        ("which model do you use", Intent::Configured),
        ("who are you?", Intent::Who),
        ("how do I connect a real model?", Intent::Connect),
        ("can you use Ollama?", Intent::Connect),
        ("thanks!", Intent::Thanks),
        (
            "Remember that I like Oolong tea.",
            note("I like Oolong tea."),
        ),
        ("remember: the code is 12", note("the code is 12")),
        ("note: buy milk", note("buy milk")),
        (
            "Don’t forget that Ada’s birthday is in May",
            note("Ada's birthday is in May"),
        ),
        ("retiens que j'aime le thé", note("j'aime le thé")),
        ("Merke dir, dass ich Tee mag", note("ich Tee mag")),
        ("remember", Intent::NoteWhat),
        ("What do you know about tea?", recall("tea")),
        ("recall Ada", recall("Ada")),
        ("do you remember my birthday?", recall("my birthday")),
        ("que sais-tu sur le thé ?", recall("le thé")),
        ("Was weißt du über Tee?", recall("Tee")),
        ("my notes", Intent::Notes),
        ("show me my notes", Intent::Notes),
        ("what do you remember?", Intent::Notes),
        ("", Intent::Nothing),
        (
            "notebooks are nice to write in on rainy days",
            Intent::Other("notebooks are nice to write in on rainy days".into()),
        ),
        (
            "Write me a poem about the sea",
            Intent::Other("Write me a poem about the sea".into()),
        ),
    ];
    for (words, expected) in table {
        assert_eq!(intent(words), expected, "{words}");
    }
}

#[test]
fn the_language_is_heard() {
    assert_eq!(read("bonjour").language, Language::French);
    assert_eq!(
        read("was kannst du für mich tun").language,
        Language::German
    );
    assert_eq!(read("hello there").language, Language::English);
}

#[tokio::test]
async fn it_streams_word_by_word_and_ends() {
    let events = events(vec![Message::user("hello", 1)], &TOOLS).await;
    assert!(events.len() > 10);
    let words = events
        .iter()
        .filter(|event| matches!(event, ModelEvent::Text(_)))
        .count();
    assert_eq!(words, events.len() - 1);
    assert!(matches!(
        events.last(),
        Some(ModelEvent::Done {
            stop: StopReason::Stop,
            ..
        })
    ));
    assert!(text(&events).starts_with("Hello! I am the gateway's built-in assistant"));
}

#[tokio::test]
async fn it_says_that_it_cannot_reason_and_what_it_can_do() {
    let answer = said("Write me a poem about the sea").await;
    assert!(
        answer.contains("\"Write me a poem about the sea\""),
        "{answer}"
    );
    assert!(answer.contains("cannot reason"), "{answer}");
    assert!(answer.contains("remember that"), "{answer}");
    assert!(answer.contains("openclaw config set"), "{answer}");
}

#[tokio::test]
async fn a_note_is_taken_through_the_tool() {
    let events = events(vec![Message::user("remember that I like tea", 1)], &TOOLS).await;
    let ModelEvent::ToolCall {
        name, arguments, ..
    } = &events[0]
    else {
        panic!("{events:?}");
    };
    assert_eq!(
        (name.as_str(), arguments),
        ("memory_note", &json!({ "text": "I like tea" }))
    );
    assert!(matches!(
        events[1],
        ModelEvent::Done {
            stop: StopReason::ToolUse,
            ..
        }
    ));
    let answer = after(
        "remember that I like tea",
        "memory_note",
        r#"{"path":"memory/2026-01-01.md"}"#,
    )
    .await;
    assert_eq!(answer, "Noted, in `memory/2026-01-01.md`.");
}

#[tokio::test]
async fn what_tools_give_back_is_put_into_words() {
    let hits = r#"{"results":[{"path":"MEMORY.md","line":3,"snippet":"- likes tea"}]}"#;
    let answer = after("what do you know about tea", "memory_search", hits).await;
    assert_eq!(answer, "In the notes:\n- likes tea (`MEMORY.md`)");
    let answer = after(
        "what do you know about cake",
        "memory_search",
        r#"{"results":[]}"#,
    )
    .await;
    assert_eq!(answer, "There is nothing about \"cake\" in the notes.");
    let time = r#"{"local":"Monday 2026-02-16 10:00","zone":"Europe/Paris"}"#;
    let answer = after("what time is it", "current_time", time).await;
    assert_eq!(answer, "It is Monday 2026-02-16 10:00 Europe/Paris.");
    let status =
        r#"{"uptime":"2 h","sessions":{"open":1,"all":4},"channels":["telegram/home"],"x":null}"#;
    let answer = after("status", "gateway_status", status).await;
    let expected =
        "Here is what I know:\n- uptime: 2 h\n- sessions: open 1, all 4\n- channels: telegram/home";
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn a_tool_that_is_switched_off_is_not_called() {
    let events = events(vec![Message::user("status", 1)], &[]).await;
    assert!(text(&events).contains("switched off"), "{events:?}");
}
