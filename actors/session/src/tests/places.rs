//! `agents.defaults.maxConcurrent`: who waits, who does not, and a change of it.

use std::time::Duration;

use openclaw_protocol::SessionKey;

use super::house::*;

fn session(name: &str) -> SessionKey {
    SessionKey::parse(&format!("agent:main:telegram:direct:{name}")).unwrap()
}

async fn one_at_a_time(scripts: impl IntoIterator<Item = Script>) -> House {
    let mut plan = Plan::default();
    limit(&mut plan.config, 1);
    plan.build(scripts).await
}

async fn asked(house: &House) {
    house
        .until(|event| matches!(&event.what, crate::What::Assistant { .. }).then_some(()))
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_still_answers_commands_and_changes() {
    let house = one_at_a_time([Script::Hang("so"), say("there")]).await;
    house.hear_as(&session("1"), "long", "tell me").await;
    asked(&house).await;
    house.hear_as(&session("2"), "waits", "hello?").await;
    // What the gateway answers by itself needs no place.
    house.hear_as(&session("3"), "status", "/status").await;
    assert!(house.answer_to("status").await.contains("Model: fake/one"));
    // A change of a session that stands in line is not held up by the line.
    let began = tokio::time::Instant::now();
    house.sessions.reset(&session("2")).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1));
    // Stop ends the wait, too.
    house.hear_as(&session("2"), "stop", "stop").await;
    assert_eq!(house.answer_to("stop").await, "Stopped.");
    assert!(matches!(
        house.end_of("waits").await,
        crate::What::Aborted { .. }
    ));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_higher_limit_lets_those_in_who_wait() {
    let house = one_at_a_time([Script::Hang("so"), say("two"), say("three")]).await;
    house.hear_as(&session("1"), "long", "tell me").await;
    asked(&house).await;
    house.hear_as(&session("2"), "second", "and me?").await;
    house.hear_as(&session("3"), "third", "and me?").await;
    let began = tokio::time::Instant::now();
    // One account has three quarters of the places.
    house.allow(4);
    // Who of both is first is not said.
    let mut answers = [
        house.answer_to("second").await,
        house.answer_to("third").await,
    ];
    answers.sort();
    assert_eq!(answers, ["three", "two"]);
    // Long before the hanging call reached its deadline.
    assert!(began.elapsed() < Duration::from_secs(60));
    assert!(house.deps.active_run(&session("1")).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_place_comes_back_from_a_turn_that_is_killed() {
    let house = one_at_a_time([Script::Hang("so"), Script::Hang("so"), say("two")]).await;
    house.hear_as(&session("1"), "long", "tell me").await;
    asked(&house).await;
    house.hear_as(&session("2"), "second", "and me?").await;
    let path = crate::router::path(&session("1"));
    let kill = openclaw_runtime::KillReason::Chaos;
    assert!(house.deps.directory.kill(&path, kill));
    // The killed one stands behind the one that waited, and hangs again.
    house.intake.abort(&session("1"), None).await;
    house.end_of("second").await;
}
