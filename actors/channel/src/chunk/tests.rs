use super::*;
use proptest::prelude::*;

fn balanced(text: &str, longest: usize) -> bool {
    let mut open = None;
    for line in text.split_inclusive('\n') {
        open = after_line(open.as_ref(), line, longest);
    }
    open.is_none()
}

#[test]
fn a_short_text_stays_whole() {
    assert_eq!(split("hello", 4000, ChunkMode::Length), ["hello"]);
    assert!(split(" \n\n ", 4000, ChunkMode::Length).is_empty());
}

#[test]
fn a_paragraph_is_preferred_over_a_later_line() {
    let text = format!(
        "{}\n\n{}\n{}",
        "a".repeat(20),
        "b".repeat(10),
        "c".repeat(20)
    );
    let parts = split(&text, 40, ChunkMode::Length);
    assert_eq!(
        parts,
        [
            "a".repeat(20),
            format!("{}\n{}", "b".repeat(10), "c".repeat(20))
        ]
    );
}

#[test]
fn a_sentence_is_preferred_over_a_space() {
    let text = "One two three four five. Six seven eight nine ten eleven";
    assert_eq!(
        split(text, 40, ChunkMode::Length),
        [
            "One two three four five.",
            "Six seven eight nine ten eleven"
        ]
    );
}

#[test]
fn a_cut_fence_is_closed_and_opened_again() {
    let code: String = (0..12).map(|n| format!("let x{n} = {n};\n")).collect();
    let text = format!("Look:\n\n```rust\n{code}```\nDone.");
    let parts = split(&text, 80, ChunkMode::Length);
    assert!(parts.len() > 2, "{parts:#?}");
    for part in &parts {
        assert!(balanced(part, 20), "{part}");
        assert!(utf16_len(part) <= 80);
    }
    assert!(
        parts
            .iter()
            .skip(1)
            .any(|part| part.starts_with("```rust\n"))
    );
    let code_lines = parts
        .iter()
        .flat_map(|part| part.lines())
        .filter(|l| l.starts_with("let"));
    assert_eq!(
        code_lines.map(|l| format!("{l}\n")).collect::<String>(),
        code
    );
}

#[test]
fn paragraphs_become_messages_in_newline_mode() {
    let text = "one\n\ntwo\n\n```\na\n\nb\n```\n\nthree";
    assert_eq!(
        split(text, 4000, ChunkMode::Newline),
        ["one", "two", "```\na\n\nb\n```", "three"]
    );
}

#[test]
fn length_is_counted_in_utf16_units() {
    let text = "😀".repeat(40);
    let parts = split(&text, 32, ChunkMode::Length);
    assert!(parts.iter().all(|part| utf16_len(part) <= 32));
    assert_eq!(parts.concat(), text);
}

fn markdown() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just(String::new()),
        "[a-z .!?]{0,60}",
        "[a-zé😀中 ]{0,200}",
        Just("```".to_owned()),
        Just("```rust".to_owned()),
        Just("  ~~~~ text".to_owned()),
        Just("~~~~".to_owned()),
        Just("    ```".to_owned()),
    ];
    prop::collection::vec(line, 0..40).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn nothing_is_lost_and_everything_fits(text in markdown(), limit in 32usize..300) {
        let pieces = pieces(&text, limit);
        prop_assert_eq!(pieces.iter().map(|p| p.body).collect::<String>(), text.clone());
        for piece in &pieces {
            let whole = format!("{}{}{}", piece.reopen, piece.body, piece.close);
            prop_assert!(utf16_len(&whole) <= limit, "{} units in {:?}", utf16_len(&whole), whole);
            prop_assert!(balanced(&whole, limit / 4), "{:?}", whole);
            prop_assert!(balanced(&piece.text(), limit / 4), "{:?}", piece.text());
        }
    }

    #[test]
    fn any_text_is_cut_without_a_panic(text in any::<String>(), limit in 0usize..100) {
        for part in split(&text, limit, ChunkMode::Newline) {
            prop_assert!(utf16_len(&part) <= limit.max(SMALLEST_LIMIT));
            prop_assert!(!part.trim().is_empty());
        }
    }
}
