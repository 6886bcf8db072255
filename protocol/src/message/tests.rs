use super::*;

/// A session file as existing installations have it, with a line and fields from the future.
const FILE: &str = r#"{"type":"session","version":3,"id":"s-1","timestamp":"2026-02-15T09:30:00.000Z","cwd":"/ws"}
{"type":"model_change","id":"aaaaaaaa","parentId":null,"timestamp":"t","provider":"p","modelId":"m"}
{"type":"thinking_level_change","id":"bbbbbbbb","parentId":"aaaaaaaa","timestamp":"t","thinkingLevel":"off"}
{"type":"custom","id":"cccccccc","parentId":"bbbbbbbb","timestamp":"t","customType":"model-snapshot","data":{"timestamp":1,"modelId":"m"}}
{"type":"message","id":"dddddddd","parentId":"cccccccc","timestamp":"t","message":{"role":"user","content":[{"type":"text","text":"hello"},{"type":"image","data":"AAAA","mimeType":"image/png"}],"timestamp":1,"provenance":{"kind":"inter_session"}}}
{"type":"message","id":"eeeeeeee","parentId":"dddddddd","timestamp":"t","message":{"role":"assistant","content":[{"type":"thinking","thinking":"hm","thinkingSignature":"x"},{"type":"toolCall","id":"call_1","name":"exec","arguments":{"command":"ls"}}],"api":"anthropic-messages","provider":"anthropic","model":"m","usage":{"input":1,"output":2,"cacheRead":0,"cacheWrite":0,"totalTokens":3,"cost":{"input":0.0,"output":0.0,"cacheRead":0.0,"cacheWrite":0.0,"total":0.0}},"stopReason":"toolUse","timestamp":2}}
{"type":"message","id":"ffffffff","parentId":"eeeeeeee","timestamp":"t","message":{"role":"toolResult","toolCallId":"call_1","toolName":"exec","content":[{"type":"text","text":"out"}],"details":{},"isError":false,"timestamp":3}}
{"type":"message","id":"99999999","parentId":"ffffffff","timestamp":"t","message":{"role":"bashExecution","command":"ls","output":"x","timestamp":4}}
{"type":"compaction","id":"11111111","parentId":"99999999","timestamp":"t","summary":"so far","firstKeptEntryId":"eeeeeeee","tokensBefore":150000,"fromHook":true}
{"type":"label","id":"22222222","parentId":"11111111","timestamp":"t","targetId":"dddddddd","label":"start"}
{"type":"from_the_future","id":"33333333","parentId":"22222222","anything":[1,2]}"#;

#[test]
fn every_line_survives_reading_and_writing() {
    let mut last = None;
    for line in FILE.lines() {
        let before: Value = serde_json::from_str(line).unwrap();
        let entry: TranscriptEntry = serde_json::from_str(line).unwrap();
        let after = serde_json::to_value(&entry).unwrap();
        assert_eq!(before, after);
        if last.is_some() && !matches!(entry, TranscriptEntry::ModelChange { .. }) {
            assert_eq!(entry.parent_id().map(str::to_owned), last);
        }
        last = entry.id().map(str::to_owned);
    }
}

#[test]
fn known_lines_are_not_taken_for_unknown_ones() {
    let unknown = FILE
        .lines()
        .map(|line| serde_json::from_str::<TranscriptEntry>(line).unwrap())
        .filter(|entry| matches!(entry, TranscriptEntry::Other(_)))
        .count();
    assert_eq!(unknown, 2);
}

#[test]
fn a_bare_string_reads_as_one_text_part() {
    let message: Message =
        serde_json::from_str(r#"{"role":"user","content":"hi","timestamp":5}"#).unwrap();
    assert_eq!(message, Message::user("hi", 5));
    assert_eq!(message.text(), "hi");
}

#[test]
fn stop_reasons_keep_words_of_later_versions() {
    let reason: StopReason = serde_json::from_str("\"refusal\"").unwrap();
    assert_eq!(reason, StopReason::Other("refusal".to_owned()));
    assert_eq!(
        serde_json::to_string(&StopReason::ToolUse).unwrap(),
        "\"toolUse\""
    );
}

#[test]
fn an_inbound_row_from_an_older_version_still_reads() {
    let inbound: Inbound = serde_json::from_str(r#"{"text":"hi","chat":{"id":"7"}}"#).unwrap();
    assert_eq!(inbound.chat.kind, ChatKind::Direct);
    assert!(!inbound.deliver);
}

/// Messages as they come, and as they shouldn't.
const MESSAGES: [&str; 24] = [
    r#"{"role":"user","content":"hi","timestamp":5}"#,
    r#"{"content":"hi","role":"user"}"#,
    r#"{"role":"user","content":null}"#,
    r#"{"role":"user","content":7}"#,
    r#"{"role":"user","content":[{"text":"a","type":"text"}]}"#,
    r#"{"role":"user","content":[{"type":"text","text":"a\u00e9\n","textSignature":"s"},{"type":"image","data":"AA","mimeType":"image/png"}],"provenance":{"a":[1,2.5,null]}}"#,
    r#"{"role":"user","content":[{"type":"text"}]}"#,
    r#"{"role":"user","content":[{"type":"video","url":"x"}],"timestamp":1}"#,
    r#"{"role":"user","content":["bare"]}"#,
    r#"{"role":"user","timestamp":"late"}"#,
    r#"{"role":"user","timestamp":1.5}"#,
    r#"{"role":"user","content":"a","content":"b"}"#,
    r#"{"role":"user","role":"assistant","content":"a"}"#,
    r#"{"role":"user","content":"a","\u0074imestamp":9}"#,
    r#"{"role":"assistant","content":[{"type":"thinking","thinking":"hm","thinkingSignature":"x"},{"type":"toolCall","id":"1","name":"exec","arguments":{"command":"ls"}}],"api":"a","provider":"p","model":"m","usage":{"input":1,"output":2,"cacheRead":0,"cacheWrite":0,"totalTokens":3,"cost":{"input":0.1,"total":1}},"stopReason":"toolUse","timestamp":2}"#,
    r#"{"role":"assistant","content":[{"type":"toolCall","id":"1","name":"exec"}],"stopReason":"refusal","errorMessage":null,"api":"a"}"#,
    r#"{"role":"assistant","usage":{"input":-1}}"#,
    r#"{"role":"assistant","usage":null,"errorMessage":"no"}"#,
    r#"{"role":"assistant","api":7}"#,
    r#"{"role":"toolResult","toolCallId":"1","toolName":"exec","content":[],"details":{"code":0},"isError":true,"timestamp":3}"#,
    r#"{"role":"toolResult","content":"lost"}"#,
    r#"{"role":"toolResult","toolCallId":"1","details":null,"later":1}"#,
    r#"{"role":"bashExecution","command":"ls"}"#,
    r#"["no","message"]"#,
];

#[test]
fn a_message_read_in_one_pass_is_the_one_that_serde_reads() {
    for json in MESSAGES {
        let derived: Message = serde_json::from_str(json).unwrap();
        assert_eq!(Message::from_json(json).unwrap(), derived, "{json}");
    }
    assert!(Message::from_json("{\"role\":\"user\",").is_err());
}

proptest::proptest! {
    #[test]
    fn whatever_is_changed_in_a_message_both_ways_of_reading_agree(
        of in 0..MESSAGES.len(), at in 0..400_usize, by in proptest::sample::select(vec!["", ",", "\"", "null", "0", "{}", "role", "\"type\":\"text\","]), cut in 0..3_usize,
    ) {
        let mut json = MESSAGES[of].to_owned();
        let at = at % json.len();
        json.replace_range(at..(at + cut).min(json.len()), by);
        let derived = serde_json::from_str::<Message>(&json);
        match Message::from_json(&json) {
            Ok(read) => proptest::prop_assert_eq!(read, derived.unwrap()),
            Err(_) => proptest::prop_assert!(derived.is_err()),
        }
    }
}
