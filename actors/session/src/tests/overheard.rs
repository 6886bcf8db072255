//! What was said in a group and not to the agent.

use openclaw_ledger::InboundBatch;
use openclaw_ledger::InboxState;
use openclaw_ledger::Overheard;
use openclaw_ledger::UnknownPolicy;
use openclaw_protocol::Chat;
use openclaw_protocol::ChatKind;
use openclaw_protocol::SessionKey;
use openclaw_protocol::config::Config;
use serde_json::json;

use super::house::*;

fn group() -> SessionKey {
    SessionKey::parse("agent:main:telegram:group:-1").unwrap()
}

fn plan() -> Plan {
    let mut plan = Plan::default();
    let people = json!({ "channels": { "telegram": { "allowFrom": [42] } } });
    plan.config = Config::from_value(people).config;
    plan
}

/// Stores what people say in the group: to the agent, or not.
async fn say_in_group(house: &House, said: &[(&str, &str, bool)]) {
    let mut batch = InboundBatch::default();
    for (who, text, is_addressed) in said {
        let mut row = house.row(&group(), &format!("run-{text}"), text);
        row.body.chat = Chat {
            kind: ChatKind::Group,
            id: "-1".to_owned(),
            title: Some("Home".to_owned()),
            thread: None,
        };
        row.body.sender = Some(person(who));
        if *is_addressed {
            batch.rows.push(row);
        } else {
            batch.heard.push(Overheard {
                row,
                after: batch.rows.len(),
                keep: 50,
            });
        }
    }
    house.deps.ledger.append_batch(batch).await.unwrap();
    house.intake.wake(&group());
}

#[tokio::test(start_paused = true)]
async fn what_a_group_said_stands_before_what_it_asks_and_only_once() {
    let house = plan().build([say("it rains"), say("later")]).await;
    let talk = [
        ("7", "will it rain?", false),
        ("42", "ask", false),
        ("42", "well", true),
    ];
    say_in_group(&house, &talk).await;
    assert_eq!(house.answer_to("run-well").await, "it rains");
    let asked = last_request();
    let places: Vec<usize> = [
        "[Chat messages since your last reply - for context]",
        "] 7: will it rain?",
        "] 42: ask",
        "[Current message - respond to this]",
        "] 42: well",
    ]
    .iter()
    .map(|words| {
        asked[0]
            .find(words)
            .unwrap_or_else(|| panic!("{words}: {asked:#?}"))
    })
    .collect();
    assert!(places.is_sorted(), "{asked:#?}");
    assert!(house.deps.ledger.heard(&group(), 99).is_empty());
    say_in_group(&house, &[("42", "and now?", true)]).await;
    assert_eq!(house.answer_to("run-and now?").await, "later");
    let asked = last_request();
    assert_eq!(asked[2].matches("will it rain?").count(), 0, "{asked:#?}");
    assert_eq!(asked[0].matches("will it rain?").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_command_leaves_what_was_heard_for_the_next_question() {
    let house = plan().build([say("yes")]).await;
    let talk = [("7", "red or blue?", false), ("42", "/whoami", true)];
    say_in_group(&house, &talk).await;
    house.end_of("run-/whoami").await;
    say_in_group(&house, &[("42", "well?", true)]).await;
    assert_eq!(house.answer_to("run-well?").await, "yes");
    assert!(last_request().last().unwrap().contains("red or blue?"));
}

#[tokio::test(start_paused = true)]
async fn what_was_heard_survives_a_restart_and_the_crash_of_its_turn() {
    let mut before = plan();
    let (ledger, dir) = (before.ledger.clone(), before.dir.clone());
    before.config = plan().config;
    let dead = before.build([]).await;
    dead.root.shutdown(std::time::Duration::from_secs(5)).await;
    say_in_group(&dead, &[("7", "the door is open", false)]).await;
    ledger.recover(UnknownPolicy::hold()).await.unwrap();
    let mut after = plan();
    (after.ledger, after.dir) = (ledger, dir);
    let house = after.build([Script::Panic, say("closed")]).await;
    say_in_group(&house, &[("42", "well", true), ("7", "thanks", false)]).await;
    assert_eq!(house.answer_to("run-well").await, "closed");
    let asked = last_request();
    assert!(asked[0].contains("the door is open") && !asked[0].contains("thanks"));
    assert_eq!(house.rows(InboxState::Done)[0].attempts, 2);
    let left = house.deps.ledger.heard(&group(), 99);
    assert_eq!(left.len(), 1, "what came later waits for the next");
}

#[tokio::test(start_paused = true)]
async fn of_a_direct_chat_only_the_last_turns_are_shown_where_that_is_bounded() {
    let mut plan = plan();
    plan.config = Config::from_value(json!({ "channels": { "telegram": {
        "botToken": "1:a", "accounts": { "home": { "dmHistoryLimit": 1, "dms": { "7": { "historyLimit": 9 } } } },
    } } }))
    .config;
    let house = plan.build([say("1"), say("2"), say("3")]).await;
    for text in ["one", "two", "three"] {
        house.hear_from(Some(person("42")), text, text).await;
        house.end_of(text).await;
    }
    let asked = last_request();
    assert_eq!(asked.len(), 3, "{asked:#?}");
    assert!(asked[0].contains("two") && asked[2].contains("three"));
}
