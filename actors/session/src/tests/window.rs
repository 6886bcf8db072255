//! Conversations that grow too long for their model.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openclaw_ledger::Ledger;
use openclaw_ledger::Purpose;
use openclaw_ledger::UnknownPolicy;
use openclaw_protocol::config::Config;
use openclaw_protocol::config::Section;
use openclaw_provider::ModelError;
use openclaw_provider::ModelErrorKind;
use openclaw_provider::ModelRequest;
use openclaw_tool::Toolbox;
use serde_json::Value;

use super::house::*;
use crate::What;

/// The window of these tests. Half of it is kept for the answer; the system prompt takes some thousand.
const WINDOW: u64 = 40_000;

/// About so many tokens.
fn words(tokens: usize) -> String {
    "four ".repeat(tokens * 4 / 5)
}

fn asked() -> Vec<ModelRequest> {
    ASKED.with(|asked| asked.borrow().clone())
}

fn texts(request: &ModelRequest) -> Vec<String> {
    request
        .messages
        .iter()
        .map(|message| message.text())
        .collect()
}

fn is_summing_up(request: &ModelRequest) -> bool {
    request.system.starts_with("You sum up")
}

fn without_notes(config: &mut Config) {
    if let Section::Valid(defaults) = &mut config.agents.defaults {
        defaults.compaction.memory_flush.enabled = false;
    }
}

async fn house(scripts: impl IntoIterator<Item = Script>) -> House {
    let house = Plan::default().build(scripts).await;
    small(&house);
    house
}

/// Its model has a small window, and counts what it reads.
fn small(house: &House) {
    *house.models.window.lock().unwrap() = Some(WINDOW);
    house.models.counts.store(true, Ordering::SeqCst);
}

/// Says so much that the next long message doesn't fit any more.
async fn fill(house: &House) {
    for _ in 0..3 {
        let run = house.hear(&words(5_000)).await;
        house.answer_to(&run).await;
    }
}

fn lines(house: &House) -> Vec<Value> {
    let entry = house.deps.ledger.session_entry(&key()).unwrap();
    let id = entry["sessionId"].as_str().unwrap();
    let rows = house.deps.ledger.transcript(id, 0);
    rows.into_iter().map(|(_, line)| line).collect()
}

fn summaries(house: &House) -> Vec<Value> {
    let lines = lines(house).into_iter();
    lines.filter(|line| line["type"] == "compaction").collect()
}

fn too_long() -> Script {
    Script::Fail(ModelError::new(
        ModelErrorKind::ContextOverflow,
        "the conversation is too long",
    ))
}

#[tokio::test(start_paused = true)]
async fn a_long_conversation_is_summed_up_once_and_goes_on() {
    let house = house([
        say("one"),
        say("two"),
        say("three"),
        say("the summary"),
        say("four"),
    ])
    .await;
    fill(&house).await;
    let run = house.hear(&words(6_000)).await;
    assert_eq!(house.answer_to(&run).await, "four");
    let summaries = summaries(&house);
    assert_eq!(summaries.len(), 1);
    assert_eq!(summaries[0]["summary"], "the summary");
    assert!(summaries[0]["firstKeptEntryId"].is_string());
    assert!(summaries[0]["tokensBefore"].as_u64().unwrap() > 12_000);
    let asked = asked();
    assert_eq!(asked.iter().filter(|asked| is_summing_up(asked)).count(), 1);
    let last = asked.last().unwrap();
    assert!(
        texts(last)[0].ends_with("the summary"),
        "{:?}",
        texts(last)[0]
    );
    assert!(last.messages.len() < 7);
    // People still read everything.
    assert_eq!(house.transcript().len(), 8);
    let entry = house.deps.ledger.session_entry(&key()).unwrap();
    assert_eq!(entry["compactionCount"], 1);
    // The summary's call is on the bill.
    let sums = house.deps.ledger.usage(0, i64::MAX);
    assert_eq!(sums.total.calls, 5);
}

#[tokio::test(start_paused = true)]
async fn a_model_is_asked_to_sum_up_at_most_once_in_ten_calls() {
    let house = house([]).await;
    *house.models.always.lock().unwrap() = Some(say("ok"));
    for _ in 0..30 {
        let run = house.hear(&words(6_000)).await;
        house.answer_to(&run).await;
    }
    let mut since = usize::MAX;
    let mut count = 0;
    for asked in &asked() {
        if is_summing_up(asked) {
            // Those of one summary come piece by piece, right behind each other.
            assert!(since == 0 || since >= 10, "again after {since} calls");
            count += usize::from(since > 0);
            since = 0;
        } else {
            since = since.saturating_add(1);
            let tokens = crate::context::size::messages(asked.messages.iter().map(Arc::as_ref));
            assert!(tokens <= WINDOW, "{tokens}");
        }
    }
    assert!((2..=3).contains(&count), "{count}");
    assert_eq!(summaries(&house).len(), count);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_goes_on_when_no_model_can_sum_it_up() {
    let refused = || Script::Fail(ModelError::new(ModelErrorKind::Auth, "the key was refused"));
    let house = house([say("one"), say("two"), say("three"), refused(), say("four")]).await;
    fill(&house).await;
    let run = house.hear(&words(6_000)).await;
    assert_eq!(house.answer_to(&run).await, "four");
    let summaries = summaries(&house);
    assert_eq!(summaries.len(), 1);
    assert_eq!(summaries[0]["details"]["by"], "digest");
    let text = summaries[0]["summary"].as_str().unwrap();
    assert!(text.contains("without a summary"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_a_provider_finds_too_long_is_summed_up_then_cut_and_then_answered() {
    let house = house([
        say("one"),
        say("two"),
        too_long(),
        say("the summary"),
        too_long(),
        too_long(),
        say("at last"),
    ])
    .await;
    *house.models.window.lock().unwrap() = None;
    for _ in 0..2 {
        let run = house.hear(&words(2_500)).await;
        house.answer_to(&run).await;
    }
    let run = house.hear(&format!("{} short", words(400))).await;
    assert_eq!(house.answer_to(&run).await, "at last");
    assert_eq!(summaries(&house).len(), 1);
    let sizes: Vec<u64> = asked()
        .iter()
        .skip(4)
        .map(|asked| crate::context::size::messages(asked.messages.iter().map(Arc::as_ref)))
        .collect();
    assert_eq!(sizes.len(), 3);
    assert!(sizes[1] < sizes[0] && sizes[2] <= sizes[1], "{sizes:?}");
    assert!(
        texts(asked().last().unwrap())
            .last()
            .unwrap()
            .ends_with("short")
    );
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_finds_everything_too_long_is_given_up_on_and_the_next_message_proceeds() {
    let house = house([]).await;
    *house.models.always.lock().unwrap() = Some(too_long());
    let run = house.hear(&words(3_000)).await;
    let What::Failed { message } = house.end_of(&run).await else {
        panic!("{:?}", house.outline());
    };
    assert!(message.contains("too long"), "{message}");
    assert!(asked().len() <= 10, "{}", asked().len());
    *house.models.always.lock().unwrap() = Some(say("fine"));
    let run = house.hear("and now?").await;
    assert_eq!(house.answer_to(&run).await, "fine");
}

#[tokio::test(start_paused = true)]
async fn a_person_can_have_it_summed_up_and_say_what_matters() {
    let house = house([say("one"), say("two"), say("three"), say("all about fish")]).await;
    let nothing = house.hear("/compact").await;
    assert!(
        house
            .answer_to(&nothing)
            .await
            .contains("nothing to sum up")
    );
    fill(&house).await;
    let run = house.hear("/compact: keep the fish").await;
    let told = house.answer_to(&run).await;
    assert!(told.contains("were summed up"), "{told}");
    assert!(texts(asked().last().unwrap())[0].contains("keep the fish"));
    assert_eq!(summaries(&house)[0]["summary"], "all about fish");
    let done = house.sessions.compact(&key()).await.unwrap();
    assert_eq!(done, None, "it is short now");
}

#[tokio::test(start_paused = true)]
async fn a_summary_that_never_comes_costs_who_asked_for_it_and_the_session_goes_on() {
    let house = house([
        say("one"),
        say("two"),
        say("three"),
        Script::Hang(""),
        say("here again"),
    ])
    .await;
    fill(&house).await;
    let asked = house.sessions.compact(&key()).await;
    assert!(asked.is_err(), "{asked:?}");
    let run = house.hear("and now?").await;
    assert_eq!(house.answer_to(&run).await, "here again");
}

#[tokio::test(start_paused = true)]
async fn notes_are_taken_once_before_a_summary_and_nobody_hears_of_it() {
    let notes = Arc::new(Counting::new("memory_note", false, Duration::ZERO));
    let mut plan = Plan {
        toolbox: Toolbox::empty().with(notes.clone()),
        ..Plan::default()
    };
    if let Section::Valid(defaults) = &mut plan.config.agents.defaults {
        defaults.compaction.memory_flush.soft_threshold_tokens = 0;
    }
    let house = plan
        .build([
            say("one"),
            say("two"),
            say("three"),
            Script::Call(vec![("n", "memory_note")]),
            say("NO_REPLY"),
            say("the summary"),
            say("four"),
            say("five"),
        ])
        .await;
    small(&house);
    fill(&house).await;
    for (text, expected) in [(words(6_000), "four"), (words(10), "five")] {
        let run = house.hear(&text).await;
        assert_eq!(house.answer_to(&run).await, expected);
    }
    assert_eq!(notes.runs.lock().unwrap().len(), 1);
    assert_eq!(house.transcript().len(), 10);
    let entry = house.deps.ledger.session_entry(&key()).unwrap();
    assert_eq!(entry["memoryFlushCompactionCount"], 0);
    assert!(!house.outbox().iter().any(|text| text.contains("NO_REPLY")));
}

#[tokio::test]
async fn a_summary_that_a_death_cuts_off_is_written_once() {
    const FILE: &str = "ledger/openclaw.redb";
    async fn live(dir: &Arc<tempfile::TempDir>, scripts: Vec<Script>) -> House {
        let (ledger, _thread) = Ledger::open(dir.path().join(FILE)).unwrap();
        ledger.recover(UnknownPolicy::hold()).await.unwrap();
        let mut plan = Plan {
            ledger,
            dir: dir.clone(),
            ..Plan::default()
        };
        without_notes(&mut plan.config);
        let house = plan.build(scripts).await;
        small(&house);
        house
    }
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let scripts = vec![
        say("one"),
        say("two"),
        say("three"),
        Script::Hang("half a summ"),
    ];
    let house = live(&dir, scripts).await;
    fill(&house).await;
    house.hear_as(&key(), "fourth", &words(6_000)).await;
    let is_asked = || asked().last().is_some_and(is_summing_up);
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while !is_asked() {
        assert!(std::time::Instant::now() < end, "nobody sums it up");
        tokio::task::yield_now().await;
    }
    let next = Arc::new(tempfile::tempdir().unwrap());
    std::fs::create_dir_all(next.path().join("ledger")).unwrap();
    std::fs::copy(dir.path().join(FILE), next.path().join(FILE)).unwrap();
    let reborn = live(&next, vec![say("the summary"), say("four")]).await;
    drop(house);
    assert_eq!(reborn.answer_to("fourth").await, "four");
    assert_eq!(summaries(&reborn).len(), 1);
    assert_eq!(summaries(&reborn)[0]["summary"], "the summary");
}

#[tokio::test(start_paused = true)]
async fn what_a_model_sees_can_be_asked_for() {
    let house = house([say("one")]).await;
    let run = house.hear("hello").await;
    house.answer_to(&run).await;
    let run = house.hear("/context json").await;
    let told = house.answer_to(&run).await;
    let json = told.trim_start_matches("```json").trim_end_matches("```");
    let report: Value = serde_json::from_str(json).unwrap();
    assert_eq!(report["window"], WINDOW);
    assert_eq!(report["messages"]["count"], 2);
    let run = house.hear("/context detail").await;
    assert!(house.answer_to(&run).await.contains("Messages: 2"));
}

#[tokio::test(start_paused = true)]
async fn what_was_used_is_said_as_a_person_wants_it() {
    let house = House::new([say("one"), say("two")]).await;
    for text in ["/usage full", "hello", "/usage off", "hello"] {
        let run = house.hear(text).await;
        house.end_of(&run).await;
    }
    let sent = house.outbox();
    assert!(
        sent[1].starts_with("one\n\nUsage: 10 tokens in, 2 out; $"),
        "{sent:?}"
    );
    assert_eq!(sent[3], "two");
    let run = house.hear("/usage cost").await;
    let told = house.answer_to(&run).await;
    assert!(
        told.starts_with("This session: $0.0001 in 2 calls, 24 tokens"),
        "{told}"
    );
    // Each call is one row, with all that it is summed up by.
    let sums = house.deps.ledger.usage(0, i64::MAX);
    for part in [
        &sums.models,
        &sums.agents,
        &sums.sessions,
        &sums.channels,
        &sums.credentials,
    ] {
        assert_eq!(part.values().map(|sum| sum.calls).collect::<Vec<_>>(), [2]);
    }
    assert_eq!(Purpose::default(), Purpose::Answer);
}

#[tokio::test(start_paused = true)]
async fn a_person_chooses_model_and_thinking_for_a_session() {
    let house = house([]).await;
    for text in [
        "/model fake/two",
        "/think high",
        "hello",
        "/model default",
        "hello",
    ] {
        let run = house.hear(text).await;
        house.end_of(&run).await;
    }
    let asked = asked();
    assert_eq!(asked[0].model.to_string(), "fake/two");
    assert_eq!(asked[0].params["thinking"], "high");
    assert_eq!(asked[1].model.to_string(), "fake/one");
}
