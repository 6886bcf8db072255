//! What a supervisor does, on real actors.

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
use openclaw_runtime::Change;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Directory;
use openclaw_runtime::Exit;
use openclaw_runtime::KillReason;
use openclaw_runtime::OrderError;
use openclaw_runtime::Restart;
use openclaw_runtime::Root;
use openclaw_runtime::Shutdown;
use openclaw_runtime::Started;
use openclaw_runtime::State;
use openclaw_runtime::Strategy;
use support::*;

async fn ping(directory: &Directory, at: &str) -> Result<u64, AskError> {
    directory
        .address::<Strings>(&path(at))
        .ask(SOON, Strings::Ping)
        .await
}

fn tell(directory: &Directory, at: &str, mail: Strings) {
    directory
        .address::<Strings>(&path(at))
        .try_send(mail)
        .expect("mail is taken");
}

#[tokio::test(start_paused = true)]
async fn panic_restarts_and_leaves_a_crash_record() {
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let root = Root::start(directory.clone(), "gateway", vec![puppet("a", &args)]).await;
    let first = ping(&directory, "a").await.expect("answers");
    tell(&directory, "a", Strings::Panic);
    let second = until_after(&directory, "a", first).await;
    assert!(second > first);
    let crashes = directory.crashes();
    assert_eq!(crashes.len(), 1);
    let crash = &crashes[0];
    assert_eq!(&*crash.message, "told to panic 42");
    assert_eq!(
        (crash.mail, crash.path.as_str(), crash.generation),
        ("panic", "a", first)
    );
    assert!(
        crash.location.contains("support/mod.rs"),
        "{}",
        crash.location
    );
    assert!(
        crash.backtrace().contains("Puppet"),
        "the stack names the actor"
    );
    assert_eq!(
        directory.vitals(&path("a")).and_then(|v| v.crash()),
        Some(crash.id.clone())
    );
    assert_eq!(directory.counters().panics, 1);
    assert_eq!(root.shutdown(SOON).await.killed, vec![]);
    assert_eq!(root.ended().await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn every_bad_end_restarts_a_permanent_child_and_address_survives() {
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let address = directory.address::<Strings>(&path("a"));
    assert!(!address.is_up());
    let _root = Root::start(
        directory.clone(),
        "gateway",
        vec![puppet("a", &args).intensity(50, SOON).backoff(
            Duration::ZERO,
            Duration::from_millis(50),
            SOON,
        )],
    )
    .await;
    let mut generation = ping(&directory, "a").await.expect("answers");
    for round in 0..12 {
        match round % 4 {
            0 => tell(&directory, "a", Strings::Panic),
            1 => tell(&directory, "a", Strings::Fail),
            2 => tell(&directory, "a", Strings::Stop),
            _ => assert!(directory.kill(&path("a"), KillReason::Chaos)),
        }
        generation = until_after(&directory, "a", generation).await;
        assert_eq!(address.ask(SOON, Strings::Ping).await, Ok(generation));
    }
    let counters = directory.counters();
    assert_eq!(
        (counters.panics, counters.errors, counters.kills),
        (3, 3, 3)
    );
    assert_eq!(directory.vitals(&path("a")).map(|v| v.restarts()), Some(12));
}

#[tokio::test(start_paused = true)]
async fn transient_child_stays_down_after_a_normal_end_only() {
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let spec = puppet("a", &args).restart(Restart::Transient);
    let _root = Root::start(directory.clone(), "gateway", vec![spec]).await;
    let first = ping(&directory, "a").await.expect("answers");
    assert!(
        directory.kill(&path("a"), KillReason::Hung),
        "a killed child did not end normally"
    );
    until_after(&directory, "a", first).await;
    tell(&directory, "a", Strings::Stop);
    until(&directory, "a", State::Stopped).await;
    assert_eq!(ping(&directory, "a").await, Err(AskError::Down));
}

#[tokio::test(start_paused = true)]
async fn too_many_failures_park_alone_and_are_retried() {
    let directory = Directory::new();
    let (args, edge) = (PuppetArgs::default(), PuppetArgs::default());
    let retry = Duration::from_secs(3600);
    let spec = puppet("edge", &edge)
        .intensity(3, Duration::from_secs(120))
        .park(retry);
    let root = Root::start(directory.clone(), "gateway", vec![puppet("a", &args), spec]).await;
    let mut events = directory.watch();
    let sibling = ping(&directory, "a").await.expect("answers");
    edge.panic_init.store(true, SeqCst);
    tell(&directory, "edge", Strings::Panic);
    until(&directory, "edge", State::Parked).await;
    assert_eq!(
        edge.inits.load(SeqCst),
        1 + 3,
        "three restarts, then no more"
    );
    assert_eq!(ping(&directory, "edge").await, Err(AskError::Down));
    assert!(
        directory
            .vitals(&path("edge"))
            .is_some_and(|v| v.until_ms().is_some())
    );
    // It is tried again after the retry time, once, and parked again.
    let parked =
        |event: &openclaw_runtime::SupervisionEvent| matches!(event.what, Change::Parked(_));
    let mut parks = 0;
    while parks < 2 {
        parks += u32::from(parked(&events.recv().await.expect("an event")));
    }
    assert_eq!(edge.inits.load(SeqCst), 1 + 3 + 1);
    // Mended, it comes back by hand.
    edge.panic_init.store(false, SeqCst);
    root.handle().unpark(&"edge".into()).await.expect("known");
    until(&directory, "edge", State::Running).await;
    assert_eq!(
        ping(&directory, "a").await,
        Ok(sibling),
        "its siblings saw nothing of it"
    );
}

#[tokio::test(start_paused = true)]
async fn too_many_failures_of_the_core_escalate_through_supervisors() {
    let directory = Directory::new();
    let args = PuppetArgs::default();
    args.fail_init.store(true, SeqCst);
    let inner = ChildSpec::supervisor(
        "inner",
        Strategy::OneForOne,
        vec![puppet("a", &args).intensity(2, Duration::from_secs(60))],
    )
    .intensity(1, Duration::from_secs(60));
    let outer = ChildSpec::supervisor("outer", Strategy::OneForOne, vec![inner])
        .intensity(0, Duration::from_secs(60));
    let root = Root::start(directory.clone(), "gateway", vec![outer]).await;
    let exit = root.ended().await;
    assert_eq!(exit.code, 70);
    assert!(exit.reason.contains("outer"), "{}", exit.reason);
    // (1 start + 2 restarts) for each of the two lives of `inner`.
    assert_eq!(args.inits.load(SeqCst), 6);
}

#[tokio::test(start_paused = true)]
async fn a_fatal_end_is_the_exit_code_whatever_the_rules_say() {
    let directory = Directory::new();
    let (sender, mut log) = log();
    let args = PuppetArgs {
        log: Some(sender),
        name: "sibling",
        ..PuppetArgs::default()
    };
    let core = PuppetArgs::default();
    let nested = ChildSpec::supervisor(
        "nested",
        Strategy::OneForOne,
        vec![puppet("core", &core).park(SOON)],
    );
    let root = Root::start(
        directory.clone(),
        "gateway",
        vec![puppet("a", &args), nested],
    )
    .await;
    tell(&directory, "nested/core", Strings::Fatal(74));
    let exit = root.ended().await;
    assert_eq!(exit.code, 74, "{}", exit.reason);
    assert!(
        exit.reason.contains("told to end it all"),
        "{}",
        exit.reason
    );
    // The others were asked to stop first.
    assert_eq!(
        read_until(&mut log, "sibling:dropped").await,
        ["sibling:init", "sibling:stopping", "sibling:dropped"]
    );
}

#[tokio::test(start_paused = true)]
async fn second_start_of_an_id_touches_nothing() {
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let root = Root::start(directory.clone(), "gateway", vec![]).await;
    let spec = puppet("a", &args).fingerprint(1);
    assert_eq!(root.handle().start(spec.clone()).await, Ok(Started::New));
    let generation = ping(&directory, "a").await.expect("answers");
    assert_eq!(
        root.handle().start(spec.clone()).await,
        Ok(Started::Already)
    );
    let other = root.handle().start(spec.fingerprint(2)).await;
    assert_eq!(other, Err(OrderError::Duplicate { path: path("a") }));
    assert_eq!(ping(&directory, "a").await, Ok(generation));
    assert_eq!(args.inits.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn stop_during_backoff_stays_stopped() {
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let day = Duration::from_secs(86_400);
    let spec = puppet("a", &args).backoff(day, day, day);
    let root = Root::start(directory.clone(), "gateway", vec![spec]).await;
    tell(&directory, "a", Strings::Fail);
    until(&directory, "a", State::Backoff).await;
    root.handle().stop(&"a".into()).await.expect("known");
    until(&directory, "a", State::Stopped).await;
    tokio::time::sleep(day * 3).await;
    assert_eq!(
        directory.vitals(&path("a")).map(|v| v.state()),
        Some(State::Stopped)
    );
    assert_eq!(args.inits.load(SeqCst), 1);
    root.handle().restart(&"a".into()).await.expect("known");
    until(&directory, "a", State::Running).await;
}

#[tokio::test(start_paused = true)]
async fn rest_for_one_takes_later_children_down_and_up_in_order() {
    let directory = Directory::new();
    let (sender, mut log) = log();
    let args = |name| PuppetArgs {
        log: Some(sender.clone()),
        name,
        ..PuppetArgs::default()
    };
    let specs = ["a", "b", "c", "d"].map(|name| puppet(name, &args(name)));
    let _root = Root::start(directory.clone(), "gateway", specs.to_vec()).await;
    read_until(&mut log, "d:init").await;
    tell(&directory, "b", Strings::Fail);
    let lines = read_until(&mut log, "d:init").await;
    let expected = [
        "b:dropped",
        "d:stopping",
        "d:dropped",
        "c:stopping",
        "c:dropped",
        "b:init",
        "c:init",
        "d:init",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test(start_paused = true)]
async fn shutdown_stops_in_reverse_and_kills_what_overstays() {
    let directory = Directory::new();
    let (sender, mut log) = log();
    let args = |name, slow_stop| PuppetArgs {
        log: Some(sender.clone()),
        name,
        slow_stop,
        ..PuppetArgs::default()
    };
    let quick = args("a", None);
    let slow = args("b", Some(Duration::from_secs(3)));
    let stuck = args("c", Some(Duration::from_secs(1_000_000)));
    let nested = ChildSpec::supervisor(
        "nested",
        Strategy::OneForOne,
        vec![
            puppet("b", &slow).shutdown(Shutdown::Within(Duration::from_secs(5))),
            puppet("c", &stuck).shutdown(Shutdown::Within(Duration::from_secs(5))),
        ],
    );
    let root = Root::start(
        directory.clone(),
        "gateway",
        vec![puppet("a", &quick), nested],
    )
    .await;
    let report = root.shutdown(Duration::from_secs(45)).await;
    assert_eq!(report.killed, [path("nested/c")]);
    assert!(report.took >= Duration::from_secs(5) && report.took < Duration::from_secs(6));
    let lines = read_until(&mut log, "a:dropped").await;
    let at = |line: &str| {
        lines
            .iter()
            .position(|l| l == line)
            .unwrap_or_else(|| panic!("{line} in {lines:?}"))
    };
    assert!(at("c:stopping") < at("b:stopping"), "last first");
    assert!(at("b:dropped") < at("c:dropped") && at("c:dropped") < at("a:stopping"));
    assert_eq!(root.ended().await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_over_its_budget_kills_the_rest() {
    let directory = Directory::new();
    let forever = PuppetArgs {
        slow_stop: Some(Duration::from_secs(1_000_000)),
        ..PuppetArgs::default()
    };
    let spec = puppet("a", &forever).shutdown(Shutdown::Infinity);
    let root = Root::start(directory.clone(), "gateway", vec![spec]).await;
    let report = root.shutdown(Duration::from_secs(45)).await;
    assert_eq!(report.killed, [path("a")]);
    assert_eq!(root.ended().await.code, 0);
    assert_eq!(
        directory.counters().started,
        4,
        "root, actor and their stopping tasks: nothing came back"
    );
}

#[tokio::test(start_paused = true)]
async fn an_ordered_stop_is_no_failure_and_hears_earlier_mail() {
    let directory = Directory::new();
    let (sender, mut log) = log();
    let args = PuppetArgs {
        log: Some(sender),
        name: "a",
        ..PuppetArgs::default()
    };
    let root = Root::start(directory.clone(), "gateway", vec![puppet("a", &args)]).await;
    let mut events = directory.watch();
    for _ in 0..3 {
        tell(&directory, "a", Strings::Work);
    }
    root.handle().stop(&"a".into()).await.expect("known");
    until(&directory, "a", State::Stopped).await;
    let lines = read_until(&mut log, "a:dropped").await;
    assert_eq!(
        lines,
        [
            "a:init",
            "a:work",
            "a:work",
            "a:work",
            "a:stopping",
            "a:dropped"
        ]
    );
    let ordered = loop {
        if let Change::Exited(exit) = events.recv().await.expect("event").what {
            break matches!(exit, Exit::Ordered);
        }
    };
    assert!(ordered);
}
