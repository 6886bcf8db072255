use openclaw_protocol::Message;
use serde_json::Value;
use serde_json::json;

use super::Answer;
use super::IdRule;
use super::Part;
use super::Pictures;
use super::Rules;
use super::Said;
use super::Turn;
use super::turns;

const RULES: Rules<'static> = Rules {
    pictures: Pictures::MANY,
    ids: IdRule::Plain,
    signed: None,
};

fn messages(value: Value) -> Vec<Message> {
    serde_json::from_value(value).unwrap()
}

fn call(id: &str) -> Value {
    json!({ "role": "assistant", "content": [
        { "type": "toolCall", "id": id, "name": "f", "arguments": {} }] })
}

fn result(id: &str, text: &str) -> Value {
    json!({ "role": "toolResult", "toolCallId": id, "toolName": "f",
        "content": [{ "type": "text", "text": text }] })
}

fn user(text: &str) -> Value {
    json!({ "role": "user", "content": text })
}

/// Who speaks, and for results what they say.
fn outline(list: Value) -> Vec<String> {
    let list = messages(list);
    let name = |turn: &Turn<'_>| match turn {
        Turn::User(parts) => format!("user {}", parts.len()),
        Turn::Assistant(said) => format!("assistant {}", said.len()),
        Turn::Results(answers) => {
            let texts = answers.iter().map(|answer| match answer.parts.first() {
                Some(Part::Text(text)) => (*text).to_owned(),
                other => format!("{other:?}"),
            });
            format!("results {}", texts.collect::<Vec<_>>().join("+"))
        }
    };
    turns(&list, &RULES).iter().map(name).collect()
}

#[test]
fn a_result_that_comes_late_moves_to_its_call() {
    let list = json!([user("a"), call("1"), user("b"), result("1", "late")]);
    assert_eq!(
        outline(list),
        ["user 1", "assistant 1", "results late", "user 1"]
    );
}

#[test]
fn a_result_without_a_call_is_left_out_and_the_sides_meet() {
    let list = json!([user("a"), result("9", "orphan"), user("b")]);
    assert_eq!(outline(list), ["user 2"]);
}

#[test]
fn ids_that_come_back_belong_to_the_nearest_call_before() {
    let list = json!([
        user("a"),
        call("1"),
        result("1", "first"),
        call("1"),
        result("1", "second"),
        call("1"),
    ]);
    let seen = outline(list.clone());
    assert_eq!(seen[2], "results first");
    assert_eq!(seen[4], "results second");
    assert!(seen[6].starts_with("results No result was recorded"));
    let list = messages(list);
    let ids: Vec<String> = turns(&list, &RULES)
        .iter()
        .flat_map(|turn| match turn {
            Turn::Results(answers) => answers.iter().map(|answer| answer.id.clone()).collect(),
            _ => Vec::new(),
        })
        .collect();
    assert_eq!(ids.len(), 3);
    assert!(
        ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2],
        "{ids:?}"
    );
}

#[test]
fn a_call_of_an_answer_that_broke_off_is_left_out() {
    let mut broken = call("1");
    broken["stopReason"] = json!("aborted");
    broken["content"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "type": "text", "text": "So" }));
    let list = json!([user("a"), broken, user("b")]);
    assert_eq!(outline(list), ["user 1", "assistant 1", "user 1"]);
}

#[test]
fn an_empty_result_still_answers() {
    let list = messages(json!([user("a"), call("1"), result("1", "")]));
    let turns = turns(&list, &RULES);
    let Some(Turn::Results(answers)) = turns.last() else {
        panic!("{turns:?}");
    };
    let expected = Answer {
        id: "1".into(),
        name: "f".into(),
        parts: vec![Part::Text("(no output)")],
        is_error: false,
    };
    assert_eq!(answers, &[expected]);
}

#[test]
fn the_words_of_other_programs_are_heard() {
    let list = json!([
        { "role": "compactionSummary", "summary": "earlier" },
        { "role": "bashExecution", "command": "ls", "output": "files" },
        { "role": "unheard", "x": 1 },
    ]);
    assert_eq!(outline(list), ["user 2"]);
}

#[test]
fn the_same_conversation_gets_the_same_ids() {
    let list = messages(json!([user("a"), call("fc_1|x"), result("fc_1|x", "r")]));
    let nine = Rules {
        ids: IdRule::Nine,
        ..RULES
    };
    let id = || match &turns(&list, &nine)[1] {
        Turn::Assistant(said) => match &said[0] {
            Said::Call { id, .. } => id.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!(id(), id());
    assert_eq!(id().len(), 9);
}

#[test]
fn pictures_that_are_too_many_or_too_much_together_are_left_out_from_the_oldest() {
    let shown = |length: usize| {
        json!({ "role": "user", "content": [
            { "type": "image", "data": "A".repeat(length), "mimeType": "image/png" }] })
    };
    let list = messages(json!([shown(40), shown(10), shown(60), shown(20)]));
    let left = |count, all| -> String {
        let pictures = Pictures {
            count,
            all,
            ..Pictures::MANY
        };
        let rules = Rules { pictures, ..RULES };
        let Turn::User(parts) = turns(&list, &rules).remove(0) else {
            panic!("nobody speaks");
        };
        let letter = |part: &Part<'_>| match part {
            Part::Image { .. } => 'p',
            Part::Text(_) => 't',
        };
        parts.iter().map(letter).collect()
    };
    assert_eq!(left(9, 130), "pppp");
    assert_eq!(left(2, 130), "ttpp");
    // The third is too much; the second would fit, and would go again with the next that comes.
    assert_eq!(left(9, 79), "tttp");
    assert_eq!(left(9, 90), "tppp");
}
