//! Messages that are typed quickly one after the other.

use std::time::Duration;

use openclaw_ledger::InboxState;
use openclaw_ledger::UnknownPolicy;
use openclaw_protocol::config::Section;
use serde_json::json;

use super::house::*;

fn plan() -> Plan {
    let mut plan = Plan::default();
    let inbound =
        json!({ "inbound": { "debounceMs": 60_000, "byChannel": { "telegram": 2_000 } } });
    plan.config.messages = Section::Valid(serde_json::from_value(inbound).unwrap());
    plan
}

#[tokio::test(start_paused = true)]
async fn what_is_typed_quickly_is_one_turn() {
    let house = plan().build([say("all three"), say("alone")]).await;
    let begun = tokio::time::Instant::now();
    let mut runs = Vec::new();
    for text in ["one", "two", "three"] {
        runs.push(house.hear(text).await);
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
    assert!(
        house.outline().is_empty(),
        "nothing is begun while somebody types"
    );
    assert_eq!(house.answer_to(&runs[0]).await, "all three");
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    for run in &runs[1..] {
        assert_eq!(house.answer_to(run).await, "");
    }
    let asked = last_request();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].ends_with("] one\ntwo\nthree"), "{asked:#?}");
    let late = house.hear("late").await;
    assert_eq!(house.answer_to(&late).await, "alone");
    assert_eq!(house.outbox(), ["all three", "alone"]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_more_is_not_lost_with_its_session() {
    let before = plan();
    let (ledger, dir) = (before.ledger.clone(), before.dir.clone());
    let dead = before.build([]).await;
    let runs = [dead.hear("one").await, dead.hear("two").await];
    dead.root.shutdown(Duration::from_secs(5)).await;
    assert_eq!(dead.rows(InboxState::Pending).len(), 2);
    ledger.recover(UnknownPolicy::hold()).await.unwrap();
    let mut after = plan();
    (after.ledger, after.dir) = (ledger, dir);
    let house = after.build([say("both")]).await;
    assert_eq!(house.answer_to(&runs[0]).await, "both");
    house.end_of(&runs[1]).await;
    assert_eq!(house.outbox(), ["both"]);
    assert!(last_request()[0].ends_with("] one\ntwo"));
}

#[tokio::test(start_paused = true)]
async fn a_command_ends_the_wait_and_keeps_its_place() {
    let house = plan().build([say("yes")]).await;
    let begun = tokio::time::Instant::now();
    let one = house.hear("one").await;
    let who = house.hear("/whoami").await;
    assert_eq!(house.answer_to(&one).await, "yes");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    house.end_of(&who).await;
    assert_eq!(house.outbox().len(), 2);
}
