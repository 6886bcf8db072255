//! What goes wrong is counted and shown: stalls, poison, floods, parkings, lost threads.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use openclaw_runtime::AskError;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Directory;
use openclaw_runtime::Exit;
use openclaw_runtime::Parking;
use openclaw_runtime::Root;
use openclaw_runtime::SendError;
use openclaw_runtime::State;
use openclaw_runtime::Strategy;
use openclaw_runtime::watchdog::EXIT_THREADS_LOST;
use openclaw_runtime::watchdog::Watchdog;
use openclaw_runtime::watchdog::build_runtime;
use support::*;
use tokio::sync::mpsc;

/// One edge that parks on the first failure too many.
fn edge(args: &PuppetArgs, restarts: u32) -> ChildSpec {
    puppet("a", args)
        .intensity(restarts, Duration::from_secs(60))
        .park(Duration::from_secs(300))
}

#[test]
fn a_run_that_keeps_its_worker_is_reported_with_actor_and_mail() {
    build_runtime().expect("runtime").block_on(async {
        let directory = Directory::new();
        let (sender, mut stalls) = mpsc::channel(16);
        directory.on_stall(Arc::new(move |stall| {
            let _full = sender.try_send(stall.clone());
        }));
        directory.stall_limit(Duration::from_millis(50));
        directory.watch_closely(true);
        let args = PuppetArgs::default();
        let root = Root::start(directory.clone(), "gateway", vec![puppet("a", &args)]).await;
        let address = directory.address::<Strings>(&path("a"));
        let busy = Duration::from_millis(60);
        address.try_send(Strings::Burn(busy)).expect("taken");
        let stall = stalls.recv().await.expect("a handler");
        assert_eq!((&stall.path, stall.mail), (&path("a"), "burn"));
        assert!(stall.took >= Duration::from_millis(50), "{stall}");
        address.try_send(Strings::TaskPoll(busy)).expect("taken");
        let stall = stalls.recv().await.expect("a poll of a task");
        assert_eq!((&stall.path, stall.mail), (&path("a/t"), "task"));
        // What is quick is no stall, however much of it comes.
        for _ in 0..1000 {
            address.ask(SOON, Strings::Ping).await.expect("answers");
        }
        assert!(stalls.try_recv().is_err());
        assert_eq!(directory.counters().stalls, 2);
        assert_eq!(address.vitals().stalls(), 1, "the other was the task's");
        assert_eq!(directory.stalls().len(), 2);
        assert!(
            tree(&directory).contains("stalls 1"),
            "{}",
            tree(&directory)
        );
        root.shutdown(SOON).await;
    });
}

#[test]
fn an_actor_with_a_long_queue_lets_others_have_the_worker() {
    // One worker: whoever keeps it, keeps everyone waiting.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("runtime");
    runtime.block_on(async {
        let directory = Directory::new();
        let args = PuppetArgs::default();
        let specs = vec![
            puppet("a", &args).capacity(4096),
            puppet("b", &PuppetArgs::default()),
        ];
        let root = Root::start(directory.clone(), "gateway", specs).await;
        let (busy, other) = (
            directory.address::<Strings>(&path("a")),
            directory.address::<Strings>(&path("b")),
        );
        let vitals = busy.vitals();
        for _ in 0..100 {
            let burn = Strings::Burn(Duration::from_millis(2));
            busy.try_send(burn).expect("taken");
        }
        other.ask(SOON, Strings::Ping).await.expect("answers");
        assert!(vitals.handled() < 100, "it waited for the whole queue");
        root.shutdown(SOON).await;
    });
}

#[tokio::test(start_paused = true)]
async fn mail_that_crashes_its_reader_again_and_again_is_set_aside() {
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let root = Root::start(directory.clone(), "gateway", vec![edge(&args, 20)]).await;
    let address = directory.address::<Strings>(&path("a"));
    for _ in 0..3 {
        let generation = address.ask(SOON, Strings::Ping).await.expect("answers");
        address.send(Strings::Panic, SOON).await.expect("taken");
        until_after(&directory, "a", generation).await;
    }
    let in_a_row: Vec<_> = directory.crashes().iter().map(|c| c.in_a_row).collect();
    assert_eq!(in_a_row, [1, 2, 3]);
    // From here it is dropped, and everything else is handled.
    let generation = address.ask(SOON, Strings::Ping).await.expect("answers");
    for _ in 0..5 {
        address.send(Strings::Panic, SOON).await.expect("taken");
    }
    assert_eq!(address.ask(SOON, Strings::Ping).await, Ok(generation));
    let poison = address.vitals().poison();
    assert_eq!(poison.len(), 1);
    assert_eq!((poison[0].mail, poison[0].dropped), ("panic", 5));
    assert_eq!(directory.counters().quarantined, 5);
    let shown = tree(&directory);
    assert!(
        shown.contains("panic crashed it 3 times, 5 dropped"),
        "{shown}"
    );
    // A minute later one more is tried.
    tokio::time::advance(Duration::from_secs(61)).await;
    address.send(Strings::Panic, SOON).await.expect("taken");
    let generation = until_after(&directory, "a", generation).await;
    assert_eq!(directory.crashes().last().expect("one").in_a_row, 4);
    // Started anew by hand, it starts with nothing against anyone.
    let handle = directory.supervisor(&path(""));
    handle.restart(&"a".into()).await.expect("restarted");
    until_after(&directory, "a", generation).await;
    assert!(address.vitals().poison().is_empty());
    root.shutdown(SOON).await;
}

#[tokio::test]
async fn every_refusal_of_a_full_mailbox_is_counted_and_shown() {
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let root = Root::start(
        directory.clone(),
        "gateway",
        vec![puppet("a", &args).capacity(2)],
    )
    .await;
    let address = directory.address::<Strings>(&path("a"));
    // One thread: the actor does not run between these.
    let mut full = 0;
    for _ in 0..10 {
        if let Err(SendError::Full(_)) = address.try_send(Strings::Work) {
            full += 1;
        }
    }
    assert_eq!(full, 8);
    assert_eq!(directory.counters().refused, 8);
    assert!(tree(&directory).contains("refused 8"));
    assert!(address.ask(SOON, Strings::Ping).await.is_ok());
    root.shutdown(SOON).await;
}

#[tokio::test]
async fn a_flood_of_nudges_has_a_bound_and_costs_nobody_his_work() {
    // The bound is the runtime's own.
    const NUDGES: u64 = 16_384;
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let root = Root::start(directory.clone(), "gateway", vec![edge(&args, 5)]).await;
    let address = directory.address::<Strings>(&path("a"));
    let generation = address.ask(SOON, Strings::Ping).await.expect("answers");
    // One thread: it does not run meanwhile.
    for key in 0..NUDGES {
        assert!(address.nudge(Strings::Key(key)), "{key}");
    }
    assert!(!address.nudge(Strings::Key(NUDGES)), "one too many");
    assert!(address.nudge(Strings::Key(7)), "this one waits already");
    // Its successor reads all there is to do.
    until_after(&directory, "a", generation).await;
    assert_eq!(args.inits.load(SeqCst), 2);
    assert_eq!(directory.counters().refused, 1);
    root.shutdown(SOON).await;
}

#[tokio::test(start_paused = true)]
async fn each_parking_is_told_once_with_everything_there_is_to_say() {
    let directory = Directory::new();
    let (sender, mut told) = mpsc::channel::<Parking>(16);
    directory.on_park(Arc::new(move |parking| {
        let _full = sender.try_send(parking.clone());
    }));
    let args = PuppetArgs::default();
    let root = Root::start(directory.clone(), "gateway", vec![edge(&args, 0)]).await;
    let address = directory.address::<Strings>(&path("a"));
    let generation = address.ask(SOON, Strings::Ping).await.expect("answers");
    let before = wall_ms();
    address.send(Strings::Panic, SOON).await.expect("taken");
    let parking = told.recv().await.expect("told");
    assert_eq!(parking.path, path("a"));
    assert_eq!((parking.kind, parking.generation), ("puppet", generation));
    assert_eq!(parking.class(), "panicked");
    let location = parking.location.clone().expect("a place");
    assert!(location.contains("support/mod.rs"), "{location}");
    assert!(parking.retry_at_ms.expect("by itself") >= before + 299_000);
    assert!(!parking.by_hand && !parking.again);
    let crash = parking.crash().expect("a record");
    assert!(directory.crash(crash).is_some());
    assert_eq!(
        address
            .send(Strings::Work, SOON)
            .await
            .map_err(|e| e.to_string()),
        Err("the actor is down".to_owned())
    );
    assert!(matches!(
        address.ask(SOON, Strings::Ping).await,
        Err(AskError::Down)
    ));

    // Five minutes later it is tried by itself; failing at once it is parked again, which is the same trouble still.
    tokio::time::advance(Duration::from_secs(301)).await;
    until(&directory, "a", State::Running).await;
    address.send(Strings::Fail, SOON).await.expect("taken");
    let parking = told.recv().await.expect("told");
    assert_eq!((parking.class(), parking.again), ("failed", true));
    assert!(matches!(parking.exit, Some(Exit::Failed(_))));

    // By hand it comes back at once, and can be set aside by hand.
    let handle = directory.supervisor(&path(""));
    handle.unpark(&"a".into()).await.expect("unparked");
    until(&directory, "a", State::Running).await;
    handle.park(&"a".into()).await.expect("parked");
    let parking = told.recv().await.expect("told");
    assert!(parking.by_hand && parking.retry_at_ms.is_none());
    assert_eq!(directory.counters().parked, 3);
    assert!(told.try_recv().is_err(), "once each");
    root.shutdown(SOON).await;
}

#[test]
fn too_many_lost_threads_end_the_tree_with_their_own_code() {
    build_runtime().expect("runtime").block_on(async {
        let directory = Directory::new();
        let args = PuppetArgs::default();
        let watchdog = Watchdog::default().lost_threads(1);
        let limit = Duration::from_millis(100);
        let specs = (0..2).map(|n| puppet(&n.to_string(), &args).max_handle(limit));
        let group = ChildSpec::supervisor("edges", Strategy::OneForOne, specs.collect());
        let root = Root::start_with(directory.clone(), "gateway", vec![group], watchdog).await;
        let lose = async |id: &str| {
            let address = directory.address::<Strings>(&path(id));
            let first = address.ask(SOON, Strings::Ping).await.expect("answers");
            address.try_send(Strings::Loop).expect("taken");
            first
        };
        let first = lose("edges/0").await;
        until_after(&directory, "edges/0", first).await;
        assert_eq!(directory.lost_threads(), 1, "borne");
        lose("edges/1").await;
        let exit = tokio::time::timeout(SOON, root.ended())
            .await
            .expect("it ends");
        assert_eq!(exit.code, EXIT_THREADS_LOST, "{}", exit.reason);
        assert!(
            exit.reason.contains("2 handlers never returned"),
            "{}",
            exit.reason
        );
        args.release.store(true, SeqCst);
    });
}

#[tokio::test(start_paused = true)]
async fn what_is_quiet_for_days_is_not_restarted() {
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let root = Root::start(directory.clone(), "gateway", vec![edge(&args, 1)]).await;
    let address = directory.address::<Strings>(&path("a"));
    let generation = address.ask(SOON, Strings::Ping).await.expect("answers");
    // A child of it waits for an answer all the time, which is no standstill either.
    address.try_send(Strings::TaskHang(None)).expect("taken");
    tokio::time::sleep(Duration::from_secs(3 * 86_400)).await;
    assert_eq!(address.ask(SOON, Strings::Ping).await, Ok(generation));
    assert_eq!(args.inits.load(SeqCst), 1);
    assert_eq!(directory.counters().kills, 0);
    root.shutdown(SOON).await;
}

#[test]
fn what_is_slow_to_start_is_left_to_start() {
    build_runtime().expect("runtime").block_on(async {
        let directory = Directory::new();
        let args = PuppetArgs {
            slow_init: Duration::from_millis(300),
            ..PuppetArgs::default()
        };
        let root = Root::start(directory.clone(), "gateway", vec![puppet("a", &args)]).await;
        until(&directory, "a", State::Running).await;
        assert_eq!(args.inits.load(SeqCst), 1, "one start was enough");
        root.shutdown(SOON).await;
    });
}

#[tokio::test(start_paused = true)]
async fn many_that_fall_at_once_come_back_in_a_stream() {
    const MANY: usize = 400;
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let specs = (0..MANY).map(|n| puppet(&n.to_string(), &args).park(SOON));
    let group = ChildSpec::supervisor("edges", Strategy::OneForOne, specs.collect());
    let root = Root::start(directory.clone(), "gateway", vec![group]).await;
    let mut events = directory.watch();
    for n in 0..MANY {
        let address = directory.address::<Strings>(&path(&format!("edges/{n}")));
        address.try_send(Strings::Fail).expect("taken");
    }
    let mut pauses = Vec::new();
    while pauses.len() < MANY {
        match events.recv().await {
            Ok(event) => {
                if let openclaw_runtime::Change::Restarting { after } = event.what {
                    pauses.push(after);
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
    let at_once = pauses.iter().filter(|pause| pause.is_zero()).count();
    assert!(at_once < MANY / 2, "{at_once} at once");
    let last = pauses.iter().max().expect("some");
    assert!(*last > Duration::from_secs(1), "spread over {last:?}");
    for n in 0..MANY {
        until(&directory, &format!("edges/{n}"), State::Running).await;
    }
    root.shutdown(SOON).await;
}

fn wall_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_millis()).expect("fits")
}
