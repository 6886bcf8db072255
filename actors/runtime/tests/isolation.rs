//! What blocks its thread is replaced, and disturbs nobody else. Real threads, real time.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing
)]

mod support;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use std::time::Instant;

use openclaw_runtime::AskError;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Directory;
use openclaw_runtime::KillReason;
use openclaw_runtime::Root;
use openclaw_runtime::State;
use openclaw_runtime::Strategy;
use openclaw_runtime::watchdog::build_runtime;
use support::*;

const MAX: Duration = Duration::from_millis(200);

/// Panics must unwind, or there is no isolation.
#[test]
#[allow(clippy::assertions_on_constants)]
fn panics_unwind() {
    assert!(
        cfg!(panic = "unwind"),
        "set panic = \"unwind\" in every profile"
    );
}

#[test]
fn an_endless_loop_is_abandoned_and_replaced_within_a_second() {
    build_runtime().expect("runtime").block_on(async {
        let directory = Directory::new();
        let (sender, mut log) = log();
        let args = PuppetArgs {
            log: Some(sender),
            name: "a",
            ..PuppetArgs::default()
        };
        let sibling = PuppetArgs::default();
        let specs = vec![
            puppet("a", &args).max_handle(MAX),
            puppet("b", &sibling).max_handle(MAX),
        ];
        let supervisor = ChildSpec::supervisor("edges", Strategy::OneForOne, specs);
        let root = Root::start(directory.clone(), "gateway", vec![supervisor]).await;
        let address = directory.address::<Strings>(&path("edges/a"));
        let other = directory.address::<Strings>(&path("edges/b"));
        let first = address.ask(SOON, Strings::Ping).await.expect("answers");
        let neighbour = other.ask(SOON, Strings::Ping).await.expect("answers");

        address.try_send(Strings::Loop).expect("taken");
        let began = Instant::now();
        // Mail in the stuck mailbox is answered with "dropped", not with silence.
        let stuck = tokio::join!(address.ask(SOON, Strings::Ping), async {
            until_after(&directory, "edges/a", first).await;
            began.elapsed()
        });
        assert!(matches!(stuck.0, Err(AskError::Dropped)) || stuck.0.is_ok_and(|g| g > first));
        assert!(stuck.1 < MAX + Duration::from_secs(1), "took {:?}", stuck.1);
        let second = address
            .ask(SOON, Strings::Ping)
            .await
            .expect("the replacement answers");
        assert!(second > first);
        assert_eq!(other.ask(SOON, Strings::Ping).await, Ok(neighbour));
        assert_eq!(directory.abandoned(), [path("edges/a")]);
        let vitals = address.vitals();
        assert_eq!(vitals.last_exit().as_deref(), Some("killed: hung"));
        assert_eq!(directory.counters().abandoned, 1);

        // Let go, it ends at once and leaves no trace: no task of its own, no exit event for its successor.
        args.release.store(true, SeqCst);
        let lines = read_until(&mut log, "a:dropped").await;
        assert!(lines.contains(&"a:released".to_owned()));
        assert_eq!(address.ask(SOON, Strings::Ping).await, Ok(second));
        assert!(
            directory
                .tree(Some(&path("edges/a")), None)
                .expect("there")
                .children
                .is_empty()
        );
        root.shutdown(SOON).await;
    });
}

#[test]
fn a_loop_that_nobody_waits_for_still_lets_timers_turn() {
    build_runtime().expect("runtime").block_on(async {
        let directory = Directory::new();
        let args = PuppetArgs::default();
        let root = Root::start(directory.clone(), "gateway", vec![puppet("a", &args)]).await;
        directory
            .address::<Strings>(&path("a"))
            .try_send(Strings::Loop)
            .expect("taken");
        // The default limit is seconds away; a timer of a tenth of a second must not wait for it.
        let began = Instant::now();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{:?}",
            began.elapsed()
        );
        args.release.store(true, SeqCst);
        root.shutdown(SOON).await;
    });
}

#[test]
fn a_child_of_an_abandoned_actor_ends_with_it() {
    build_runtime().expect("runtime").block_on(async {
        let directory = Directory::new();
        let (sender, mut log) = log();
        let args = PuppetArgs::default();
        let child = PuppetArgs {
            log: Some(sender),
            name: "child",
            ..PuppetArgs::default()
        };
        let root = Root::start(
            directory.clone(),
            "gateway",
            vec![puppet("a", &args).max_handle(MAX)],
        )
        .await;
        let address = directory.address::<Strings>(&path("a"));
        let first = address.ask(SOON, Strings::Ping).await.expect("answers");
        address
            .try_send(Strings::Child(puppet("child", &child)))
            .expect("taken");
        until(&directory, "a/child", State::Running).await;
        address.try_send(Strings::TaskHang(None)).expect("taken");
        until(&directory, "a/t", State::Running).await;
        address.try_send(Strings::Loop).expect("taken");
        until_after(&directory, "a", first).await;
        read_until(&mut log, "child:dropped").await;
        until(&directory, "a/child", State::Absent).await;
        until(&directory, "a/t", State::Absent).await;
        args.release.store(true, SeqCst);
        root.shutdown(SOON).await;
    });
}

#[test]
fn a_slow_handler_within_its_limit_is_left_alone() {
    build_runtime().expect("runtime").block_on(async {
        let directory = Directory::new();
        let (sender, mut log) = log();
        let args = PuppetArgs {
            log: Some(sender),
            name: "a",
            ..PuppetArgs::default()
        };
        let spec = puppet("a", &args).max_handle(Duration::from_secs(60));
        let root = Root::start(directory.clone(), "gateway", vec![spec]).await;
        let address = directory.address::<Strings>(&path("a"));
        address.try_send(Strings::Loop).expect("taken");
        let busy = |node: Option<&openclaw_runtime::TreeNode>| {
            node.is_some_and(|node| node.current == Some("loop"))
        };
        // The tree answers while the handler runs.
        while !busy(directory.tree(Some(&path("a")), None).as_ref()) {
            tokio::task::yield_now().await;
        }
        args.release.store(true, SeqCst);
        read_until(&mut log, "a:released").await;
        assert!(address.ask(SOON, Strings::Ping).await.is_ok());
        assert_eq!(directory.counters().kills, 0);
        root.shutdown(SOON).await;
    });
}

#[test]
fn shutdown_does_not_wait_for_what_blocks_its_thread() {
    build_runtime().expect("runtime").block_on(async {
        let directory = Directory::new();
        let args = PuppetArgs::default();
        let spec = puppet("a", &args)
            .max_handle(Duration::from_secs(60))
            .shutdown(openclaw_runtime::Shutdown::Within(Duration::from_millis(
                100,
            )));
        let root = Root::start(directory.clone(), "gateway", vec![spec]).await;
        directory
            .address::<Strings>(&path("a"))
            .try_send(Strings::Loop)
            .expect("taken");
        let report = root.shutdown(SOON).await;
        assert_eq!(report.killed, [path("a")]);
        assert!(report.took < Duration::from_secs(3), "{:?}", report.took);
        assert_eq!(root.ended().await.code, 0);
        args.release.store(true, SeqCst);
    });
}

#[test]
fn an_operator_kill_of_a_looping_actor_replaces_it() {
    build_runtime().expect("runtime").block_on(async {
        let directory = Directory::new();
        let args = PuppetArgs::default();
        let spec = puppet("a", &args).max_handle(Duration::from_secs(60));
        let root = Root::start(directory.clone(), "gateway", vec![spec]).await;
        let address = directory.address::<Strings>(&path("a"));
        let first = address.ask(SOON, Strings::Ping).await.expect("answers");
        address.try_send(Strings::Loop).expect("taken");
        assert!(directory.kill(&path("a"), KillReason::Operator));
        until_after(&directory, "a", first).await;
        assert_eq!(
            address.vitals().last_exit().as_deref(),
            Some("killed: operator")
        );
        args.release.store(true, SeqCst);
        root.shutdown(SOON).await;
    });
}

#[test]
fn mail_that_a_loop_holds_in_its_worker_is_not_lost_with_it() {
    build_runtime().expect("runtime").block_on(async {
        let directory = Directory::new();
        let (sender, mut log) = log();
        let looping = PuppetArgs::default();
        let args = PuppetArgs {
            log: Some(sender),
            name: "b",
            ..PuppetArgs::default()
        };
        let specs = vec![
            puppet("a", &looping).max_handle(Duration::from_secs(60)),
            puppet("b", &args),
        ];
        let supervisor = ChildSpec::supervisor("edges", Strategy::OneForOne, specs);
        let root = Root::start(directory.clone(), "gateway", vec![supervisor]).await;
        let other = directory.address::<Strings>(&path("edges/b"));
        let first = other.ask(SOON, Strings::Ping).await.expect("answers");
        // The nudge makes `b` the next task of the worker that never comes back. Its mail is lost with that incarnation, and a new one,
        // which looks for its work when it starts, takes its place.
        let mail = Strings::NudgeThenLoop(other.clone());
        directory
            .address::<Strings>(&path("edges/a"))
            .try_send(mail)
            .expect("taken");
        read_until(&mut log, "b:init").await;
        let told = tokio::time::timeout(SOON, async {
            while let Some(line) = log.recv().await {
                if line == "b:work" || line == "b:init" {
                    return line;
                }
            }
            String::new()
        });
        let line = told.await.expect("b is told, or started again");
        if line == "b:init" {
            assert!(until_after(&directory, "edges/b", first).await > first);
        }
        assert!(other.ask(SOON, Strings::Ping).await.is_ok());
        looping.release.store(true, SeqCst);
        root.shutdown(SOON).await;
    });
}

#[test]
fn the_service_manager_hears_of_a_runtime_that_answers() {
    build_runtime().expect("runtime").block_on(async {
        let (alive, mut heard) = tokio::sync::mpsc::channel(16);
        let watchdog = openclaw_runtime::watchdog::Watchdog::default().on_alive(move || {
            let _full = alive.try_send(());
        });
        let root = Root::start_with(Directory::new(), "gateway", vec![], watchdog).await;
        let sign = tokio::time::timeout(SOON, heard.recv()).await;
        assert_eq!(sign, Ok(Some(())));
        root.shutdown(SOON).await;
    });
}
