//! Tasks and child actors of an actor.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing
)]

mod support;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use openclaw_runtime::Address;
use openclaw_runtime::Directory;
use openclaw_runtime::KillReason;
use openclaw_runtime::Root;
use openclaw_runtime::Shutdown;
use openclaw_runtime::State;
use support::*;
use tokio::sync::mpsc;

async fn one() -> (
    Directory,
    Root,
    Address<Strings>,
    PuppetArgs,
    mpsc::Receiver<String>,
) {
    let directory = Directory::new();
    let (sender, mut log) = log();
    let args = PuppetArgs {
        log: Some(sender),
        name: "a",
        ..PuppetArgs::default()
    };
    let root = Root::start(directory.clone(), "gateway", vec![puppet("a", &args)]).await;
    let address = directory.address::<Strings>(&path("a"));
    read_until(&mut log, "a:init").await;
    (directory, root, address, args, log)
}

#[tokio::test(start_paused = true)]
async fn output_comes_as_mail() {
    let (directory, _root, address, _args, mut log) = one().await;
    address.try_send(Strings::TaskOk).expect("room");
    assert_eq!(read_until(&mut log, "a:done ok").await, ["a:done ok"]);
    assert_eq!(
        directory
            .tree(Some(&path("a/t")), None)
            .map(|node| node.state),
        None
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_task_is_the_parents_to_judge() {
    let (directory, _root, address, args, mut log) = one().await;
    address.try_send(Strings::TaskPanic).expect("room");
    read_until(&mut log, "a:child t panicked").await;
    assert!(address.ask(SOON, Strings::Ping).await.is_ok());
    assert_eq!(args.inits.load(SeqCst), 1, "the parent lives");
    let crash = &directory.crashes()[0];
    assert_eq!((crash.path.as_str(), &*crash.message), ("a/t", "in a task"));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_and_a_kill_end_a_task_that_hangs() {
    let (directory, _root, address, _args, mut log) = one().await;
    let began = tokio::time::Instant::now();
    address
        .try_send(Strings::TaskHang(Some(Duration::from_secs(60))))
        .expect("room");
    until(&directory, "a/t", State::Running).await;
    read_until(&mut log, "a:child t killed: deadline").await;
    assert_eq!(began.elapsed().as_secs(), 60);
    // The id is free again; a deadline that was not reached does not come later.
    address
        .try_send(Strings::TaskHang(Some(Duration::from_secs(60))))
        .expect("room");
    address.try_send(Strings::KillTask).expect("room");
    assert_eq!(
        read_until(&mut log, "a:child t killed: abort").await,
        ["a:child t killed: abort"]
    );
    tokio::time::sleep(Duration::from_secs(120)).await;
    address.try_send(Strings::Work).expect("room");
    assert_eq!(read_until(&mut log, "a:work").await, ["a:work"]);
}

#[tokio::test(start_paused = true)]
async fn output_that_meets_a_kill_is_a_kill() {
    let (_directory, _root, address, _args, mut log) = one().await;
    // The task finishes before the kill is handled: its output waits in the mailbox behind it.
    address.try_send(Strings::TaskOk).expect("room");
    address.try_send(Strings::KillTask).expect("room");
    assert_eq!(
        read_until(&mut log, "a:child t killed: abort").await,
        ["a:child t killed: abort"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_taken_id_gets_a_number() {
    let (directory, _root, address, _args, _log) = one().await;
    for _ in 0..3 {
        address.try_send(Strings::TaskHang(None)).expect("room");
    }
    until(&directory, "a/t#3", State::Running).await;
    let node = directory.tree(Some(&path("a")), None).expect("there");
    let names: Vec<_> = node.children.iter().map(|child| &*child.name).collect();
    assert_eq!(names, ["t", "t#2", "t#3"]);
    assert!(
        node.children
            .iter()
            .all(|child| child.is_task && child.kind == "call")
    );
}

#[tokio::test(start_paused = true)]
async fn tasks_die_with_their_actor() {
    let (directory, _root, address, _args, _log) = one().await;
    let first = address.ask(SOON, Strings::Ping).await.expect("answers");
    address.try_send(Strings::TaskHang(None)).expect("room");
    until(&directory, "a/t", State::Running).await;
    address.try_send(Strings::Fail).expect("room");
    until_after(&directory, "a", first).await;
    until(&directory, "a/t", State::Absent).await;
    assert_eq!(directory.counters().kills, 1);
}

#[tokio::test(start_paused = true)]
async fn a_child_actor_is_linked_and_not_restarted() {
    let (directory, _root, address, args, mut log) = one().await;
    let child = PuppetArgs {
        name: "child",
        ..args.clone()
    };
    address
        .try_send(Strings::Child(puppet("c/1", &child)))
        .expect("room");
    until(&directory, "a/c/1", State::Running).await;
    // A second of the id changes nothing.
    address
        .try_send(Strings::Child(puppet("c/1", &child)))
        .expect("room");
    read_until(
        &mut log,
        "a:a/c/1 already exists: stop it first, or choose another id",
    )
    .await;
    directory
        .address::<Strings>(&path("a/c/1"))
        .try_send(Strings::Panic)
        .expect("room");
    read_until(&mut log, "a:child c/1 panicked").await;
    until(&directory, "a/c/1", State::Absent).await;
    // Killed from outside, it is its parent who learns of it.
    address
        .try_send(Strings::Child(puppet("c/1", &child)))
        .expect("room");
    until(&directory, "a/c/1", State::Running).await;
    assert!(directory.kill(&path("a/c/1"), KillReason::Operator));
    read_until(&mut log, "a:child c/1 killed: operator").await;
}

#[tokio::test(start_paused = true)]
async fn a_child_is_stopped_within_its_time_or_killed() {
    let (_directory, _root, address, args, mut log) = one().await;
    for (stop_takes, end) in [(5, "a:child c ordered"), (50, "a:child c killed: shutdown")] {
        let slow_stop = Some(Duration::from_secs(stop_takes));
        let child = PuppetArgs {
            name: "c",
            slow_stop,
            ..args.clone()
        };
        let spec = puppet("c", &child).shutdown(Shutdown::Within(Duration::from_secs(10)));
        address.try_send(Strings::Child(spec)).expect("room");
        address.try_send(Strings::StopChild("c")).expect("room");
        read_until(&mut log, end).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_init_is_an_exit_like_any_other() {
    let (_directory, _root, address, args, mut log) = one().await;
    let child = PuppetArgs {
        name: "c",
        panic_init: Default::default(),
        ..args.clone()
    };
    child.panic_init.store(true, SeqCst);
    address
        .try_send(Strings::Child(puppet("c", &child)))
        .expect("room");
    read_until(&mut log, "a:child c panicked").await;
}
