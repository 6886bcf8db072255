use std::sync::Arc;
use std::time::Duration;

use openclaw_ledger::InboxState;
use openclaw_ledger::Ledger;
use openclaw_protocol::SessionKey;
use openclaw_provider::ModelError;
use openclaw_provider::ModelErrorKind;
use openclaw_tool::Toolbox;

use super::house::*;
use crate::What;

#[tokio::test(start_paused = true)]
async fn a_message_is_answered_streamed_and_committed() {
    let house = House::new([say("hello there friend")]).await;
    let run = house.hear("hi").await;
    assert_eq!(house.answer_to(&run).await, "hello there friend");
    let outline = house.outline();
    assert_eq!(outline.first().unwrap(), "run-1 1 start");
    assert_eq!(
        outline.last().unwrap(),
        "run-1 4 final"
            .replace('4', &outline.len().to_string())
            .as_str()
    );
    assert!(
        outline
            .iter()
            .any(|line| line.contains("text hello there friend")),
        "{outline:?}"
    );
    assert_eq!(house.outbox(), ["hello there friend"]);
    assert_eq!(
        house.transcript(),
        [
            "user: [Telegram id: Sun 2026-02-15 09:30 UTC] hi",
            "assistant: hello there friend"
        ]
    );
    assert_eq!(house.rows(InboxState::Done).len(), 1);
    assert_eq!(Arc::strong_count(&house.models.permits), 1);
    // Append, claim, commit: a plain turn costs no other write.
    assert_eq!(house.deps.ledger.stats().ops, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_sessions_on_a_disk_answer_each_message_once() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let (ledger, _thread) = Ledger::open(dir.path().join("ledger/openclaw.redb")).unwrap();
    let plan = Plan {
        ledger,
        dir,
        ..Plan::default()
    };
    let house = plan.build([]).await;
    let keys: Vec<SessionKey> = (0..20)
        .map(|n| SessionKey::parse(&format!("agent:main:telegram:direct:{n}")).unwrap())
        .collect();
    for round in 0..5 {
        for (n, key) in keys.iter().enumerate() {
            house.hear_as(key, &format!("{n}/{round}"), "hi").await;
        }
    }
    for round in 0..5 {
        for n in 0..20 {
            house.answer_to(&format!("{n}/{round}")).await;
        }
    }
    assert_eq!(house.outbox().len(), 100);
    assert_eq!(house.rows(InboxState::Done).len(), 100);
    assert!(house.deps.ledger.open_sessions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_messages_are_answered_in_order_and_the_second_knows_the_first() {
    let slow = Script::Say("first answer", Duration::from_secs(5));
    let house = House::new([slow, say("second answer")]).await;
    let one = house.hear("one").await;
    let two = house.hear("two").await;
    house.end_of(&two).await;
    assert_eq!(house.answer_to(&one).await, "first answer");
    assert_eq!(house.outbox(), ["first answer", "second answer"]);
    let roles: Vec<String> = ASKED.with(|asked| {
        let asked = asked.borrow();
        asked[1]
            .messages
            .iter()
            .map(|m| m.role().to_owned())
            .collect()
    });
    assert_eq!(roles, ["user", "assistant", "user"]);
}

#[tokio::test(start_paused = true)]
async fn an_abort_mid_stream_keeps_what_was_said_and_ends_once() {
    let slow = Script::Say("a long answer indeed", Duration::from_secs(1));
    let house = House::new([slow, say("next")]).await;
    let run = house.hear("tell me").await;
    house
        .until(|event| matches!(&event.what, What::Assistant { .. }).then_some(()))
        .await;
    let waiting = house.hear("and this").await;
    let ended = house.intake.abort(&key(), Some(run.as_str().into())).await;
    assert_eq!(ended, [run.as_str().into()]);
    let What::Aborted { reason, partial } = house.end_of(&run).await else {
        panic!("not aborted: {:?}", house.outline())
    };
    assert_eq!(reason, "rpc");
    assert_eq!(partial.unwrap().text().trim(), "a");
    // The permit came back with the killed call, and the next message proceeds.
    assert_eq!(house.answer_to(&waiting).await, "next");
    assert_eq!(Arc::strong_count(&house.models.permits), 1);
    let terminal = house.outline();
    let ends = terminal
        .iter()
        .filter(|line| line.starts_with("run-1") && line.contains("aborted rpc"));
    assert_eq!(ends.count(), 1);
    assert!(house.transcript()[1].starts_with("assistant: a"));
}

#[tokio::test(start_paused = true)]
async fn a_stop_word_ends_the_run_and_empties_the_queue() {
    let house = House::new([Script::Hang("so")]).await;
    let one = house.hear("tell me").await;
    house
        .until(|event| matches!(&event.what, What::Assistant { .. }).then_some(()))
        .await;
    let two = house.hear("and more").await;
    let stop = house.hear("Stop!").await;
    assert_eq!(house.answer_to(&stop).await, "Stopped.");
    for run in [&one, &two] {
        assert!(matches!(
            house.end_of(run).await,
            What::Aborted { reason: "stop", .. }
        ));
    }
    assert_eq!(house.outbox(), ["Stopped."]);
    assert_eq!(house.rows(InboxState::Aborted).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hung_call_ends_at_its_deadline_with_a_notice_and_the_next_proceeds() {
    let house = House::new([Script::Hang(""), say("here again")]).await;
    let one = house.hear("hello?").await;
    let two = house.hear("anyone?").await;
    let begun = tokio::time::Instant::now();
    let What::Failed { message } = house.end_of(&one).await else {
        panic!("not failed: {:?}", house.outline())
    };
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_secs(599) && took < Duration::from_secs(602),
        "{took:?}"
    );
    assert!(
        message.contains("fake/one did not finish within 600 s"),
        "{message}"
    );
    assert_eq!(house.answer_to(&two).await, "here again");
    assert_eq!(house.outbox(), [message.as_str(), "here again"]);
    assert_eq!(Arc::strong_count(&house.models.permits), 1);
}

#[tokio::test(start_paused = true)]
async fn a_model_error_is_told_with_its_cause_and_recorded() {
    let refused = ModelError::new(ModelErrorKind::Auth, "the key was refused (401)");
    let house = House::new([Script::Fail(refused), say("fine now")]).await;
    let one = house.hear("hi").await;
    let What::Failed { message } = house.end_of(&one).await else {
        panic!("not failed: {:?}", house.outline())
    };
    assert!(message.contains("fake/one could not answer: the key was refused (401)"));
    assert!(
        message.contains("openclaw "),
        "no command that mends it: {message}"
    );
    assert_eq!(house.outbox(), [message.as_str()]);
    let two = house.hear("again").await;
    house.answer_to(&two).await;
    // The error is on record, but no model sees it.
    assert_eq!(house.transcript().len(), 4);
    ASKED.with(|asked| assert_eq!(asked.borrow()[1].messages.len(), 2));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_passes_is_not_told() {
    let busy = || Script::Fail(ModelError::new(ModelErrorKind::Overload, "busy"));
    let house = House::new([busy(), busy(), say("there you go")]).await;
    let run = house.hear("hi").await;
    assert_eq!(house.answer_to(&run).await, "there you go");
}

#[tokio::test(start_paused = true)]
async fn tools_run_between_two_calls() {
    let counting = Arc::new(Counting::new("count", false, Duration::ZERO));
    let runs = counting.runs.clone();
    let plan = Plan {
        toolbox: Toolbox::empty().with(counting),
        ..Plan::default()
    };
    let calls = Script::Call(vec![("a", "count"), ("b", "nowhere")]);
    let house = plan.build([calls, say("counted")]).await;
    let run = house.hear("count").await;
    assert_eq!(house.answer_to(&run).await, "counted");
    assert_eq!(*runs.lock().unwrap(), [format!("{}/1/0", key())]);
    let transcript = house.transcript();
    assert_eq!(transcript.len(), 5);
    assert_eq!(transcript[2], "toolResult: counted");
    assert!(
        transcript[3].contains("no tool \"nowhere\""),
        "{transcript:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn commands_are_answered_without_a_model_and_hidden_from_it() {
    let house = House::new([say("one"), say("two")]).await;
    let first = house.hear("hi").await;
    house.answer_to(&first).await;
    let status = house.hear("/status").await;
    let text = house.answer_to(&status).await;
    assert!(text.contains("Model: fake/one"), "{text}");
    let again = house.hear("and now?").await;
    house.answer_to(&again).await;
    ASKED.with(|asked| {
        let asked = asked.borrow();
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[1].messages.len(), 3);
    });
    assert_eq!(house.transcript().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_reset_begins_a_new_session_and_passes_the_rest_on() {
    let house = House::new([say("one"), say("two")]).await;
    let first = house.hear("hi").await;
    house.answer_to(&first).await;
    let before = house.deps.ledger.session_entry(&key()).unwrap();
    let anew = house.hear("/new tell me a joke").await;
    assert_eq!(house.answer_to(&anew).await, "two");
    let after = house.deps.ledger.session_entry(&key()).unwrap();
    assert_ne!(before["sessionId"], after["sessionId"]);
    ASKED.with(|asked| assert_eq!(asked.borrow()[1].messages.len(), 1));
    let old = before["sessionId"].as_str().unwrap();
    assert_eq!(house.deps.ledger.transcript(old, 0).len(), 6);
    assert!(house.transcript()[0].ends_with("tell me a joke"));
}

#[tokio::test(start_paused = true)]
async fn silence_is_kept() {
    let house = House::new([say("NO_REPLY")]).await;
    let run = house.hear("never mind").await;
    assert_eq!(house.answer_to(&run).await, "");
    assert!(house.outbox().is_empty());
    assert!(!house.outline().iter().any(|line| line.contains("text")));
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_is_told_whole_with_few_copies() {
    let long: &'static str = Box::leak("word ".repeat(3_000).into_boxed_str());
    let house = House::new([say(long)]).await;
    let run = house.hear("write").await;
    assert_eq!(house.answer_to(&run).await.len(), long.trim().len());
    let deltas = house
        .outline()
        .iter()
        .filter(|l| l.contains(" text "))
        .count();
    assert!(deltas < 100, "{deltas} copies of a growing text");
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_gives_its_memory_back_and_comes_again() {
    let house = House::new([say("one"), say("two")]).await;
    let first = house.hear("hi").await;
    house.answer_to(&first).await;
    let path = crate::router::path(&key());
    let gone = house
        .deps
        .directory
        .wait_for(
            &path,
            |node| node.is_none_or(|node| node.state != openclaw_runtime::State::Running),
            Duration::from_secs(700),
        )
        .await;
    assert!(gone, "still there");
    let second = house.hear("again").await;
    assert_eq!(house.answer_to(&second).await, "two");
    ASKED.with(|asked| assert_eq!(asked.borrow()[1].messages.len(), 3));
}

#[tokio::test(start_paused = true)]
async fn the_next_of_the_chain_answers_and_the_answer_names_whom_it_stands_in_for() {
    let slow = ModelError::new(ModelErrorKind::Overload, "one is busy");
    let house = House::new([Script::Fail(slow), say("from two")]).await;
    *house.models.fallbacks.lock().unwrap() = vec!["fake/two"];
    let run = house.hear("hi").await;
    assert_eq!(house.answer_to(&run).await, "from two");
    let answer = house.last_answer();
    assert_eq!((&*answer.provider, &*answer.model), ("fake", "two"));
    let failover = &answer.extra["failover"];
    assert_eq!(failover["instead"], "fake/one");
    assert_eq!(failover["passed"][0]["model"], "fake/one");
    assert_eq!(failover["passed"][0]["reason"], "overload");
    assert_eq!(failover["passed"][0]["message"], "one is busy");
}

#[tokio::test(start_paused = true)]
async fn when_all_of_the_chain_fails_the_person_reads_which_and_why() {
    let no = |kind, text: &str| Script::Fail(ModelError::new(kind, text));
    let house = House::new([
        no(ModelErrorKind::Auth, "one has no key"),
        no(ModelErrorKind::ModelNotFound, "two is not there"),
    ])
    .await;
    *house.models.fallbacks.lock().unwrap() = vec!["fake/two"];
    let run = house.hear("hi").await;
    let What::Failed { message: notice } = house.end_of(&run).await else {
        panic!("not failed: {:?}", house.outline())
    };
    assert!(
        notice.contains("- fake/one (auth): one has no key"),
        "{notice}"
    );
    assert!(
        notice.contains("- fake/two (model_not_found): two is not there"),
        "{notice}"
    );
}
