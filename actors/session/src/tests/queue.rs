//! What becomes of messages that come while a turn runs.

use std::sync::Arc;
use std::time::Duration;

use openclaw_ledger::InboxState;
use openclaw_ledger::UnknownPolicy;
use openclaw_protocol::config::Section;
use openclaw_runtime::KillReason;
use openclaw_tool::Toolbox;
use serde_json::json;

use super::house::*;
use crate::What;

fn plan(queue: serde_json::Value) -> Plan {
    let mut plan = Plan::default();
    plan.config.messages =
        Section::Valid(serde_json::from_value(json!({ "queue": queue })).unwrap());
    plan
}

fn slow(text: &'static str) -> Script {
    Script::Say(text, Duration::from_secs(5))
}

fn with_tool(mut plan: Plan, takes: Duration) -> Plan {
    plan.toolbox = Toolbox::empty().with(Arc::new(Counting::new("count", false, takes)));
    plan
}

async fn tool_begins(house: &House) {
    house
        .until(|event| matches!(&event.what, What::Tool(_)).then_some(()))
        .await;
}

async fn asked(house: &House) {
    house
        .until(|event| matches!(&event.what, What::Lifecycle(_)).then_some(()))
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_collected_into_one_turn() {
    let house = plan(json!({"mode": "collect"}))
        .build([slow("one moment"), say("all of it")])
        .await;
    let one = house.hear("one").await;
    asked(&house).await;
    let rest = [
        house.hear("two").await,
        house.hear("three").await,
        house.hear("four").await,
    ];
    assert_eq!(house.answer_to(&one).await, "one moment");
    assert_eq!(house.answer_to(&rest[0]).await, "all of it");
    for run in &rest[1..] {
        assert_eq!(
            house.answer_to(run).await,
            "",
            "it was answered with the first"
        );
    }
    assert_eq!(house.outbox(), ["one moment", "all of it"]);
    let done = house.rows(InboxState::Done);
    assert_eq!(
        done.iter().map(|row| row.attempts).collect::<Vec<_>>(),
        [1, 1, 1, 1]
    );
    let request = last_request();
    assert_eq!(request.len(), 3, "{request:#?}");
    let words = &request[2];
    assert!(
        words.starts_with("user: [These messages came while you were busy."),
        "{words}"
    );
    let places: Vec<_> = ["] two", "] three", "] four"]
        .iter()
        .map(|w| words.find(w).unwrap())
        .collect();
    assert!(places.is_sorted());
}

#[tokio::test(start_paused = true)]
async fn a_command_among_them_keeps_its_place() {
    let house = plan(json!({"mode": "collect"}))
        .build([slow("one"), say("two"), say("three")])
        .await;
    house.hear("one").await;
    asked(&house).await;
    let two = house.hear("two").await;
    let who = house.hear("/whoami").await;
    let three = house.hear("three").await;
    assert_eq!(house.answer_to(&three).await, "three");
    assert_eq!(house.answer_to(&two).await, "two");
    assert!(house.answer_to(&who).await.starts_with("You are"));
    assert_eq!(house.outbox().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_collected_turn_waits_until_nobody_types() {
    let house = plan(json!({"mode": "collect", "debounceMs": 3000}))
        .build([slow("one"), say("rest")])
        .await;
    let one = house.hear("one").await;
    asked(&house).await;
    house.hear("two").await;
    house.end_of(&one).await;
    let ended = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let three = house.hear("three").await;
    assert_eq!(
        house.answer_to(&three).await,
        "",
        "it came within the pause"
    );
    assert!(ended.elapsed() >= Duration::from_secs(5));
    assert_eq!(house.outbox(), ["one", "rest"]);
}

#[tokio::test(start_paused = true)]
async fn a_killed_session_answers_a_collected_turn_once() {
    let house = plan(json!({"mode": "collect"}))
        .build([slow("one"), Script::Hang("so"), say("both")])
        .await;
    let one = house.hear("one").await;
    asked(&house).await;
    let two = house.hear("two").await;
    let three = house.hear("three").await;
    house.end_of(&one).await;
    house
        .until(|event| {
            matches!(&event.what, What::Assistant { text, .. } if **text == *"so").then_some(())
        })
        .await;
    assert_eq!(house.rows(InboxState::Running).len(), 2, "claimed together");
    let path = crate::router::path(&key());
    assert!(house.deps.directory.kill(&path, KillReason::Chaos));
    let late = house.hear("four").await;
    assert_eq!(house.answer_to(&two).await, "both");
    assert_eq!(house.answer_to(&three).await, "");
    assert_eq!(
        house.answer_to(&late).await,
        "ok",
        "what came later is a turn of its own"
    );
    assert_eq!(house.outbox(), ["one", "both", "ok"]);
    let attempts: Vec<u32> = house
        .rows(InboxState::Done)
        .iter()
        .map(|row| row.attempts)
        .collect();
    assert_eq!(attempts, [1, 2, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_boot_answers_a_collected_turn_once_wherever_the_process_died() {
    // Between the claim and the commit, with the rows claimed together; and before the claim.
    for is_claimed in [true, false] {
        let plan = plan(json!({"mode": "collect"}));
        let ledger = plan.ledger.clone();
        let dead = Plan {
            ledger: ledger.clone(),
            dir: plan.dir.clone(),
            ..Plan::default()
        }
        .build([])
        .await;
        dead.root.shutdown(Duration::from_secs(5)).await;
        let runs = [
            dead.hear("one").await,
            dead.hear("two").await,
            dead.hear("three").await,
        ];
        if is_claimed {
            let start = ledger
                .begin_turn_with(&key(), &[2, 3], 0)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(start.with.len(), 2);
        }
        ledger.recover(UnknownPolicy::hold()).await.unwrap();
        let house = plan.build([say("all")]).await;
        assert_eq!(house.answer_to(&runs[0]).await, "all");
        house.end_of(&runs[2]).await;
        assert_eq!(house.outbox(), ["all"]);
        assert_eq!(house.rows(InboxState::Done).len(), 3);
        let request = last_request();
        assert!(
            request[0].contains("] one") && request[0].contains("] three"),
            "{request:#?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_poison_among_collected_messages_takes_no_other_with_it() {
    let scripts = [
        slow("one"),
        Script::Panic,
        Script::Panic,
        Script::Panic,
        say("three"),
        say("four"),
    ];
    let house = plan(json!({"mode": "collect"})).build(scripts).await;
    house.hear("one").await;
    asked(&house).await;
    let two = house.hear("boom").await;
    let three = house.hear("three").await;
    let four = house.hear("four").await;
    assert!(matches!(house.end_of(&two).await, What::Failed { .. }));
    assert_eq!(house.answer_to(&three).await, "three");
    assert_eq!(house.answer_to(&four).await, "four");
    assert_eq!(house.rows(InboxState::Dead).len(), 1);
    assert_eq!(house.rows(InboxState::Done).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_all_of_a_collected_turn() {
    let house = plan(json!({"mode": "collect"}))
        .build([slow("one"), Script::Hang("so")])
        .await;
    let one = house.hear("one").await;
    asked(&house).await;
    let rest = [house.hear("two").await, house.hear("three").await];
    house.end_of(&one).await;
    house
        .until(|event| {
            matches!(&event.what, What::Assistant { text, .. } if **text == *"so").then_some(())
        })
        .await;
    house.hear("stop").await;
    for run in &rest {
        assert!(matches!(
            house.end_of(run).await,
            What::Aborted { reason: "stop", .. }
        ));
    }
    assert_eq!(house.rows(InboxState::Aborted).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn more_than_may_wait_go_as_the_rule_says() {
    for (drop, answered, left_out) in [
        ("old", ["four", "five"], [1, 2]),
        ("new", ["two", "three"], [3, 4]),
    ] {
        let queue = json!({"mode": "collect", "cap": 2, "drop": drop});
        let house = plan(queue).build([slow("one"), say("rest")]).await;
        house.hear("one").await;
        asked(&house).await;
        let mut runs = Vec::new();
        for text in ["two", "three", "four", "five"] {
            runs.push(house.hear(text).await);
        }
        for n in left_out {
            let end = house.end_of(&format!("run-{}", n + 1)).await;
            assert!(
                matches!(
                    end,
                    What::Aborted {
                        reason: "queue",
                        ..
                    }
                ),
                "{drop} {n}: {end:?}"
            );
        }
        house
            .until(|event| {
                matches!(&event.what, What::Final { message: Some(m), .. } if m.text() == "rest")
                    .then_some(())
            })
            .await;
        let words = last_request().pop().unwrap();
        for text in ["two", "three", "four", "five"] {
            assert_eq!(
                words.contains(&format!("] {text}")),
                answered.contains(&text),
                "{drop} {text}"
            );
        }
        assert_eq!(house.rows(InboxState::Aborted).len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_surplus_the_model_reads_a_line_each() {
    let queue = json!({"mode": "followup", "cap": 1});
    let house = plan(queue).build([slow("one"), say("rest")]).await;
    house.hear("one").await;
    asked(&house).await;
    house.hear("two").await;
    let three = house.hear("three").await;
    house.end_of(&three).await;
    let words = last_request().pop().unwrap();
    assert!(
        words.contains("\n- two\n") && words.ends_with("] three"),
        "{words}"
    );
    assert_eq!(house.outbox(), ["one", "rest"]);
    assert_eq!(house.rows(InboxState::Done).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_running_turn_is_steered_at_its_next_tool_s_end() {
    let calls = Script::Call(vec![("a", "count"), ("b", "count")]);
    let plan = with_tool(plan(json!({"mode": "steer"})), Duration::from_secs(5));
    let house = plan.build([calls, say("leftwards")]).await;
    let one = house.hear("go").await;
    tool_begins(&house).await;
    let two = house.hear("to the left").await;
    assert_eq!(house.answer_to(&one).await, "leftwards");
    assert_eq!(house.answer_to(&two).await, "");
    let request = last_request();
    assert_eq!(request.len(), 5, "{request:#?}");
    assert_eq!(request[2], "toolResult: counted");
    assert!(
        request[3].contains("not run: a new message came first"),
        "{request:#?}"
    );
    assert!(request[4].starts_with("user: [") && request[4].ends_with("to the left"));
    assert_eq!(house.outbox(), ["leftwards"]);
    assert_eq!(house.rows(InboxState::Done).len(), 2);
    assert_eq!(house.transcript().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_steered_turn_that_is_killed_keeps_what_joined_it() {
    let calls = Script::Call(vec![("a", "count")]);
    let plan = with_tool(plan(json!({"mode": "steer"})), Duration::from_secs(5));
    let house = plan
        .build([calls, Script::Hang("so"), say("leftwards")])
        .await;
    let one = house.hear("go").await;
    tool_begins(&house).await;
    let two = house.hear("to the left").await;
    house
        .until(|event| {
            matches!(&event.what, What::Assistant { text, .. } if **text == *"so").then_some(())
        })
        .await;
    assert_eq!(house.rows(InboxState::Running).len(), 2);
    let path = crate::router::path(&key());
    assert!(house.deps.directory.kill(&path, KillReason::Chaos));
    assert_eq!(house.answer_to(&one).await, "leftwards");
    house.end_of(&two).await;
    let request = last_request();
    assert!(
        request[2].starts_with("toolResult") && request[3].ends_with("to the left"),
        "{request:#?}"
    );
    assert_eq!(request.len(), 4);
    assert_eq!(house.outbox(), ["leftwards"]);
    assert_eq!(house.rows(InboxState::Done).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn with_a_backlog_it_is_steered_and_answered_afterwards() {
    let calls = Script::Call(vec![("a", "count")]);
    let plan = with_tool(
        plan(json!({"byChannel": {"telegram": "steer+backlog"}})),
        Duration::from_secs(5),
    );
    let house = plan.build([calls, say("leftwards"), say("as I did")]).await;
    let one = house.hear("go").await;
    tool_begins(&house).await;
    let two = house.hear("to the left").await;
    assert_eq!(house.answer_to(&one).await, "leftwards");
    assert_eq!(house.answer_to(&two).await, "as I did");
    assert_eq!(house.outbox(), ["leftwards", "as I did"]);
    let shown = house.transcript();
    assert_eq!(
        shown
            .iter()
            .filter(|line| line.ends_with("to the left"))
            .count(),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_ends_the_running_turn_first() {
    let house = plan(json!({"mode": "interrupt"}))
        .build([Script::Hang("half an"), say("the new")])
        .await;
    let one = house.hear("tell me").await;
    house
        .until(|event| matches!(&event.what, What::Assistant { .. }).then_some(()))
        .await;
    let two = house.hear("no, this").await;
    assert!(matches!(
        house.end_of(&one).await,
        What::Aborted {
            reason: "interrupt",
            ..
        }
    ));
    assert_eq!(house.answer_to(&two).await, "the new");
    assert_eq!(house.outbox(), ["the new"]);
    let request = last_request();
    assert!(
        request[1].contains("half an") && request[2].ends_with("no, this"),
        "{request:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_chooses_its_own_queue() {
    let house = House::new([slow("one"), say("rest"), slow("a"), say("b"), say("c")]).await;
    let set = house.hear("/queue collect debounce:0").await;
    assert!(house.answer_to(&set).await.contains("one turn"));
    let one = house.hear("one").await;
    house
        .until(|event| (event.run_id.as_str() == one).then_some(()))
        .await;
    house.hear("two").await;
    let three = house.hear("three").await;
    house.end_of(&three).await;
    assert_eq!(house.outbox()[1..], ["one", "rest"]);
    let entry = house.deps.ledger.session_entry(&key()).unwrap();
    assert_eq!(entry["queueMode"], "collect");
    let back = house.hear("/queue default").await;
    house.end_of(&back).await;
    let entry = house.deps.ledger.session_entry(&key()).unwrap();
    assert!(entry.get("queueMode").is_none());
    for text in ["x", "y", "z"] {
        house.hear(text).await;
    }
    house
        .until(|event| {
            matches!(&event.what, What::Final { message: Some(m), .. } if m.text() == "c")
                .then_some(())
        })
        .await;
    assert_eq!(house.outbox()[4..], ["a", "b", "c"]);
}
