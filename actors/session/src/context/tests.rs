use serde_json::json;

use super::*;

fn line(id: &str, parent: Option<&str>, message: Value) -> Value {
    json!({"type": "message", "id": id, "parentId": parent, "message": message})
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": [{"type": "text", "text": text}], "timestamp": 1})
}

fn texts(context: &Context) -> Vec<String> {
    context.messages.iter().map(|said| said.text()).collect()
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
fn a_summary_of_words_from_outside_is_from_outside() {
    let lines = |details: Value| {
        [
            line("a", None, user("old")),
            json!({"type": "compaction", "id": "c", "parentId": "a", "summary": "so far",
                "firstKeptEntryId": "c", "tokensBefore": 1, "details": details}),
            line("d", Some("c"), user("new")),
        ]
    };
    assert_eq!(build(&lines(json!({"by": "model"}))).outside, None);
    let outside = build(&lines(json!({"by": "model", "outside": "web_fetch"}))).outside;
    assert_eq!(outside.as_deref(), Some("web_fetch"));

    let mut scribe = crate::transcript::Scribe::new("s", 0, None, 0);
    scribe.message(Message::user("old", 1));
    scribe.compaction("so far", None, 1, "digest", Some("web_search"));
    let outside = build(&scribe.finish()).outside;
    assert_eq!(outside.as_deref(), Some("web_search"));
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
    let roles: Vec<&str> = context.messages.iter().map(|said| said.role()).collect();
    assert_eq!(
        roles,
        ["user", "assistant", "toolResult", "toolResult", "user"]
    );
    let Message::ToolResult(kept) = &*context.messages[2] else {
        panic!("no result")
    };
    assert_eq!(kept.details, None);
    assert!(texts(&context)[3].contains("unknown"));
    assert_eq!(records(lines.to_vec()).len(), 6);
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

mod cutting {

    use openclaw_protocol::message::AssistantMessage;
    use proptest::prelude::*;

    use super::*;
    use crate::context::cut::cut;
    use crate::context::fit::LEFT_OUT;
    use crate::context::fit::fit;

    /// A stretch of a conversation: a question, rounds of tools, an answer; some of it broken.
    #[derive(Debug, Clone)]
    enum Piece {
        Asked(usize),
        Said(usize),
        Round {
            calls: usize,
            results: usize,
            size: usize,
        },
        Compaction,
    }

    fn any_piece() -> impl Strategy<Value = Piece> {
        prop_oneof![
            4 => (0usize..4_000).prop_map(Piece::Asked),
            4 => (0usize..4_000).prop_map(Piece::Said),
            3 => (1usize..4, 0usize..4, 0usize..8_000)
                .prop_map(|(calls, results, size)| Piece::Round { calls, results, size }),
            1 => Just(Piece::Compaction),
        ]
    }

    /// The lines of a transcript of such pieces.
    fn transcript(pieces: &[Piece]) -> Vec<Value> {
        let mut lines: Vec<Value> = Vec::new();
        let mut push = |mut line: Value| {
            let n = lines.len();
            line["id"] = json!(format!("{n:08x}"));
            line["parentId"] = match n {
                0 => Value::Null,
                n => json!(format!("{:08x}", n - 1)),
            };
            lines.push(line);
        };
        let message = |message: Value| json!({ "type": "message", "message": message });
        for (n, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Asked(size) => push(message(user(&"a".repeat(*size)))),
                Piece::Said(size) => push(message(json!({
                    "role": "assistant", "stopReason": "stop",
                    "content": [{ "type": "text", "text": "b".repeat(size + 1) }],
                }))),
                Piece::Round {
                    calls,
                    results,
                    size,
                } => {
                    let asked: Vec<Value> = (0..*calls)
                        .map(|k| json!({ "type": "toolCall", "id": format!("{n}-{k}"), "name": "t", "arguments": {} }))
                        .collect();
                    push(message(json!({
                        "role": "assistant", "stopReason": "toolUse", "content": asked,
                    })));
                    for k in 0..*results {
                        push(message(json!({
                            "role": "toolResult", "toolCallId": format!("{n}-{k}"), "toolName": "t",
                            "content": [{ "type": "text", "text": "c".repeat(*size) }], "isError": false,
                        })));
                    }
                }
                Piece::Compaction => push(json!({
                    "type": "compaction", "summary": "so far", "firstKeptEntryId": "none", "tokensBefore": 1,
                })),
            }
        }
        lines
    }

    /// Each call has its result right behind it, and each result its call.
    fn pairs(messages: &[Message]) -> bool {
        let mut open: Vec<String> = Vec::new();
        for message in messages {
            match message {
                Message::ToolResult(result) => {
                    let Some(at) = open.iter().position(|id| *id == result.tool_call_id) else {
                        return false;
                    };
                    open.remove(at);
                }
                Message::Assistant(AssistantMessage { content, .. }) => {
                    if !open.is_empty() {
                        return false;
                    }
                    open.extend(content.iter().filter_map(|part| match part {
                        Content::ToolCall { id, .. } => Some(id.clone()),
                        _ => None,
                    }));
                }
                _ if !open.is_empty() => return false,
                _ => {}
            }
        }
        open.is_empty()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(120))]

        #[test]
        fn whatever_is_cut_fits_and_pairs(
            before in prop::collection::vec(any_piece(), 0..20),
            question in 0usize..10_000,
            rounds in prop::collection::vec((1usize..4, 0usize..20_000), 0..8),
            limit in 400u64..20_000,
        ) {
            let mut messages = build(&transcript(&before)).messages;
            let asked = messages.len();
            let asks = Message::user(format!("now {}", "q".repeat(question)), 1);
            messages.push(Arc::new(asks));
            let now: Vec<Piece> = rounds
                .iter()
                .map(|(calls, size)| Piece::Round { calls: *calls, results: *calls, size: *size })
                .collect();
            messages.extend(build(&transcript(&now)).messages);
            let fitting = fit(&messages, asked, limit);
            let owned: Vec<Message> = fitting.iter().map(|m| (**m).clone()).collect();
            prop_assert!(pairs(&owned));
            // What is asked stays, at least its beginning.
            prop_assert!(owned.iter().any(|message| message.text().starts_with("now ")));
            prop_assert!(size::messages(&owned) <= limit, "{} of {limit}", size::messages(&owned));
            // Where it all fits nothing is touched; where it doesn't it is said.
            if size::messages(messages.iter().map(Arc::as_ref)) <= limit {
                prop_assert_eq!(fitting, messages);
            } else if !owned.iter().any(|message| message.text() == LEFT_OUT) {
                prop_assert!(owned.len() <= messages.len());
            }
        }

        #[test]
        fn wherever_a_conversation_is_summed_up_the_rest_is_whole(
            pieces in prop::collection::vec(any_piece(), 0..30),
            keep in 0u64..8_000,
        ) {
            let mut lines = transcript(&pieces);
            let before = build(&lines).messages;
            let Some(cut) = cut(&lines, keep) else {
                // Then what there is besides an earlier summary fits.
                let last = entries(&lines);
                let news = last.iter().filter(|(id, _)| id.is_some());
                prop_assert!(size::messages(news.map(|(_, message)| &**message)) <= keep);
                return Ok(());
            };
            prop_assert!(cut.kept_tokens <= keep);
            let parent = lines.last().map(|line| line["id"].clone());
            lines.push(json!({
                "type": "compaction", "id": "cccccccc", "parentId": parent, "summary": "all of it",
                "firstKeptEntryId": cut.first_kept.clone().unwrap_or_else(|| "cccccccc".to_owned()),
                "tokensBefore": 1,
            }));
            let after = build(&lines).messages;
            let owned: Vec<Message> = after.iter().map(|said| (**said).clone()).collect();
            prop_assert!(pairs(&owned));
            prop_assert_eq!(after[0].text(), format!("{SUMMARY}all of it"));
            // What stays is the end of what was there, and it goes on from there.
            let kept = &after[1..];
            let end: Vec<String> = before[before.len() - kept.len().min(before.len())..]
                .iter()
                .map(|said| said.text())
                .collect();
            let texts: Vec<String> = kept.iter().map(|said| said.text()).collect();
            prop_assert_eq!(texts, end);
            // Summed up again at once, there is nothing to do.
            prop_assert_eq!(super::super::cut::cut(&lines, keep), None);
        }
    }

    #[test]
    fn the_digest_names_what_was_asked_and_keeps_the_summary_before() {
        let said = [
            Message::user(format!("{SUMMARY}They met."), 0),
            Message::user("How is the weather?", 1),
            Message::user("And tomorrow?", 2),
        ];
        let text = crate::context::digest::digest(&said);
        assert!(text.contains("They met."), "{text}");
        assert!(
            text.ends_with("- How is the weather?\n- And tomorrow?"),
            "{text}"
        );
    }
}

mod pruning {

    use openclaw_protocol::config::ContextPruning;
    use openclaw_protocol::config::PruningMode;

    use super::*;
    use crate::context::prune::prune;

    fn result(n: usize, tool: &str, chars: usize) -> Arc<Message> {
        Arc::new(Message::ToolResult(ToolResultMessage {
            tool_call_id: n.to_string(),
            tool_name: tool.to_owned(),
            content: vec![Content::text("r".repeat(chars))],
            ..ToolResultMessage::default()
        }))
    }

    fn answer() -> Arc<Message> {
        let answer = json!({ "role": "assistant", "content": [{ "type": "text", "text": "so" }] });
        Arc::new(serde_json::from_value(answer).unwrap())
    }

    #[test]
    fn old_results_lose_their_middle_and_then_go() {
        let mut messages = Vec::new();
        for n in 0..6 {
            messages.push(answer());
            messages.push(result(
                n,
                if n == 1 { "keep_me" } else { "web_fetch" },
                20_000,
            ));
        }
        let mut settings = ContextPruning {
            mode: PruningMode::CacheTtl,
            ..ContextPruning::default()
        };
        settings.tools.deny = vec!["keep_*".to_owned()];
        // A large window: nothing is touched.
        assert_eq!(prune(&messages, &settings, 1_000_000), messages);
        let lengths = |messages: &[Arc<Message>]| -> Vec<usize> {
            let results = messages.iter().filter(|m| m.role() == "toolResult");
            results.map(|m| m.text().len()).collect()
        };
        let trimmed = lengths(&prune(&messages, &settings, 60_000));
        assert!(trimmed[0] < 3_200 && trimmed[2] < 3_200, "{trimmed:?}");
        assert_eq!((trimmed[1], trimmed[3]), (20_000, 20_000));
        settings.min_prunable_tool_chars = 1_000;
        let cleared = prune(&messages, &settings, 10_000);
        assert_eq!(cleared[1].text(), "[Old tool result content cleared]");
        assert_eq!(lengths(&cleared)[3..], [20_000; 3]);
        // The same again for what was shortened: a cache holds.
        assert_eq!(prune(&messages, &settings, 10_000), cleared);
    }
}

#[test]
fn a_line_read_as_text_is_the_one_read_as_a_value() {
    let lines = [
        json!({"type": "session", "version": 3, "id": "s"}),
        json!({"type": "model_change", "id": "a", "parentId": null, "provider": "p", "modelId": "m"}),
        line("b", Some("a"), user("one \"quoted\" é \n")),
        line("c", Some("b"), json!({"role": "assistant", "content": []})),
        line(
            "d",
            Some("c"),
            json!({"role": "toolResult", "toolCallId": "1", "details": {"code": 0}}),
        ),
        line(
            "e\\",
            Some("d"),
            json!({"role": "bashExecution", "command": "ls"}),
        ),
        line("f", None, json!({"content": "the role is missing"})),
        line("g", None, Value::Null),
        json!({"type": "message", "id": 7, "parentId": ["a"], "message": user("odd names")}),
        json!({"type": "message", "id": "h"}),
        json!({"type": "compaction", "id": "i", "summary": "so far", "firstKeptEntryId": "b", "details": {"outside": "web_fetch"}}),
        json!({"type": "custom_message", "id": "j", "content": "said"}),
        json!({"type": "branch_summary", "id": "k", "summary": "elsewhere"}),
        json!({"type": ["odd"], "id": "l"}),
        json!(["no", "line"]),
        json!(null),
    ];
    for line in lines {
        let of_text = Line::of_text(&line.to_string()).unwrap();
        assert_eq!(
            format!("{of_text:?}"),
            format!("{:?}", Line::read(&line)),
            "{line}"
        );
    }
    assert!(Line::of_text("{\"type\":").is_err());
}
