//! Addresses, permits, nudges and questions.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing
)]

mod support;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use openclaw_runtime::AskError;
use openclaw_runtime::Directory;
use openclaw_runtime::Restart;
use openclaw_runtime::Root;
use openclaw_runtime::SendError;
use openclaw_runtime::State;
use openclaw_runtime::TraceContext;
use support::*;

const BRIEF: Duration = Duration::from_millis(10);

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_refuses_and_frees_its_places() {
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let _root = Root::start(
        directory.clone(),
        "gateway",
        vec![puppet("a", &args).capacity(3)],
    )
    .await;
    let address = directory.address::<Strings>(&path("a"));
    // On one thread the actor cannot run between these.
    for _ in 0..3 {
        address.try_send(Strings::Work).expect("room");
    }
    assert!(matches!(
        address.try_send(Strings::Work),
        Err(SendError::Full(Strings::Work))
    ));
    assert_eq!(address.vitals().queued(), 3);
    // Waiting for room is enough: the actor makes some.
    address
        .send(Strings::Work, SOON)
        .await
        .expect("room in time");
    assert!(address.ask(SOON, Strings::Ping).await.is_ok());
    assert_eq!(address.vitals().queued(), 0);
    assert_eq!(address.vitals().handled(), 5);
}

#[tokio::test(start_paused = true)]
async fn places_come_back_when_a_killed_actor_takes_its_mail_along() {
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let _root = Root::start(
        directory.clone(),
        "gateway",
        vec![puppet("a", &args).capacity(2)],
    )
    .await;
    let address = directory.address::<Strings>(&path("a"));
    let first = address.ask(SOON, Strings::Ping).await.expect("answers");
    address.try_send(Strings::Panic).expect("room");
    address.try_send(Strings::Work).expect("room");
    // Waits over the restart, for a place with the successor.
    address
        .send(Strings::Work, SOON)
        .await
        .expect("delivered to the successor");
    let second = address.ask(SOON, Strings::Ping).await.expect("answers");
    assert!(second > first);
    assert_eq!(address.vitals().queued(), 0);
    address.try_send(Strings::Work).expect("room");
    address.try_send(Strings::Work).expect("room");
}

#[tokio::test(start_paused = true)]
async fn nudges_merge_by_kind_and_key_and_need_no_room() {
    let directory = Directory::new();
    let (sender, mut log) = log();
    let args = PuppetArgs {
        log: Some(sender),
        name: "a",
        ..PuppetArgs::default()
    };
    let _root = Root::start(
        directory.clone(),
        "gateway",
        vec![puppet("a", &args).capacity(1)],
    )
    .await;
    let address = directory.address::<Strings>(&path("a"));
    address.try_send(Strings::Tick).expect("room");
    for _ in 0..100 {
        assert!(address.nudge(Strings::Work));
        assert!(address.nudge(Strings::Key(1)));
        assert!(address.nudge(Strings::Key(2)));
    }
    assert_eq!(
        read_until(&mut log, "a:2").await,
        ["a:init", "a:tick", "a:work", "a:1", "a:2"]
    );
    // Handled, the kind queues again.
    assert!(address.nudge(Strings::Work));
    read_until(&mut log, "a:work").await;
}

#[tokio::test(start_paused = true)]
async fn a_nudge_after_a_restart_is_not_held_back_by_one_that_died() {
    let directory = Directory::new();
    let (sender, mut log) = log();
    let args = PuppetArgs {
        log: Some(sender),
        name: "a",
        ..PuppetArgs::default()
    };
    let _root = Root::start(directory.clone(), "gateway", vec![puppet("a", &args)]).await;
    let address = directory.address::<Strings>(&path("a"));
    let first = address.ask(SOON, Strings::Ping).await.expect("answers");
    address.try_send(Strings::Panic).expect("room");
    assert!(
        address.nudge(Strings::Work),
        "queued, and lost with its mailbox"
    );
    until_after(&directory, "a", first).await;
    assert!(address.nudge(Strings::Work));
    let lines = read_until(&mut log, "a:work").await;
    assert_eq!(lines, ["a:init", "a:dropped", "a:init", "a:work"]);
}

#[tokio::test(start_paused = true)]
async fn a_transient_actor_that_leaves_with_mail_waiting_comes_back() {
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let spec = puppet("a", &args).restart(Restart::Transient);
    let root = Root::start(directory.clone(), "gateway", vec![]).await;
    root.handle().start(spec.clone()).await.expect("started");
    let address = directory.address::<Strings>(&path("a"));
    let first = address.ask(SOON, Strings::Ping).await.expect("answers");
    address.try_send(Strings::Stop).expect("room");
    assert!(address.nudge(Strings::Work), "queued behind the stop");
    let second = until_after(&directory, "a", first).await;
    // With nothing waiting it stays away, and leaves the tree.
    address.try_send(Strings::Stop).expect("room");
    until(&directory, "a", State::Absent).await;
    assert!(!address.nudge(Strings::Work), "nobody hears it");
    // Nudge, then ensure: the way to wake it.
    assert!(root.handle().ensure(spec));
    let third = address.ask(SOON, Strings::Ping).await.expect("answers");
    assert!(third > second && second > first);
    assert_eq!(args.inits.load(SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn questions_end_in_an_answer_or_a_reason() {
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let address = directory.address::<Strings>(&path("a"));
    assert_eq!(address.ask(BRIEF, Strings::Ping).await, Err(AskError::Down));
    let root = Root::start(directory.clone(), "gateway", vec![puppet("a", &args)]).await;
    assert!(address.ask(BRIEF, Strings::Ping).await.is_ok());
    assert_eq!(
        address.ask(BRIEF, Strings::Hold).await,
        Err(AskError::Dropped)
    );
    address.try_send(Strings::Panic).expect("room");
    assert_eq!(
        address.ask(BRIEF, Strings::Ping).await,
        Err(AskError::Dropped),
        "died with its mailbox"
    );
    root.handle().stop(&"a".into()).await.expect("known");
    until(&directory, "a", State::Stopped).await;
    let began = tokio::time::Instant::now();
    assert_eq!(address.ask(SOON, Strings::Ping).await, Err(AskError::Down));
    assert!(began.elapsed() < BRIEF, "nobody will come: no need to wait");
}

#[tokio::test(start_paused = true)]
async fn mail_of_another_type_leads_nowhere() {
    enum Other {
        It,
    }
    impl openclaw_runtime::Mail for Other {
        fn kind(&self) -> &'static str {
            "it"
        }
    }
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let _root = Root::start(directory.clone(), "gateway", vec![puppet("a", &args)]).await;
    let wrong = directory.address::<Other>(&path("a"));
    assert!(matches!(
        wrong.try_send(Other::It),
        Err(SendError::Down(Other::It))
    ));
    assert!(
        directory
            .address::<Strings>(&path("a"))
            .ask(SOON, Strings::Ping)
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn mail_carries_the_trace_it_was_sent_in() {
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let _root = Root::start(directory.clone(), "gateway", vec![puppet("a", &args)]).await;
    let trace = TraceContext::new_root();
    let address = directory.address::<Strings>(&path("a"));
    let sent = openclaw_runtime::trace::scope(trace, async {
        assert_eq!(TraceContext::current(), Some(trace));
        address.try_send(Strings::Panic)
    });
    sent.await.expect("room");
    assert_eq!(TraceContext::current(), None);
    address.ask(SOON, Strings::Ping).await.ok();
    assert_eq!(directory.crashes()[0].trace, Some(trace));
}

#[tokio::test(start_paused = true)]
async fn timers_come_once_and_not_when_cancelled() {
    let directory = Directory::new();
    let (sender, mut log) = log();
    let args = PuppetArgs {
        log: Some(sender),
        name: "a",
        ..PuppetArgs::default()
    };
    let _root = Root::start(directory.clone(), "gateway", vec![puppet("a", &args)]).await;
    let address = directory.address::<Strings>(&path("a"));
    address.try_send(Strings::AfterCancelled).expect("room");
    address
        .try_send(Strings::After(Duration::from_secs(60)))
        .expect("room");
    address.try_send(Strings::Work).expect("room");
    assert_eq!(read_until(&mut log, "a:work").await, ["a:init", "a:work"]);
    let began = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(began.elapsed() >= Duration::from_secs(60));
    address.try_send(Strings::Work).expect("room");
    assert_eq!(read_until(&mut log, "a:work").await, ["a:tick", "a:work"]);
}
