//! Work for the processor, beside those who must stay awake.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing
)]

mod support;

use std::time::Duration;
use std::time::Instant;

use openclaw_runtime::Directory;
use openclaw_runtime::Root;
use openclaw_runtime::cpu;
use openclaw_runtime::watchdog::build_runtime;
use support::*;
use tokio::sync::mpsc;

/// The promise: a heartbeat comes within this while everything burns.
const HEARTBEAT: Duration = Duration::from_millis(250);

#[test]
fn eight_jobs_that_burn_leave_the_heartbeats_alone() {
    build_runtime().expect("runtime").block_on(async {
        let directory = Directory::new();
        let args = PuppetArgs::default();
        let root = Root::start(directory.clone(), "gateway", vec![puppet("a", &args)]).await;
        let address = directory.address::<Strings>(&path("a"));
        let (started, mut starts) = mpsc::channel(8);
        let burn = |started: mpsc::Sender<()>| {
            cpu::run(move |wanted| {
                let _full = started.try_send(());
                let mut sum = 0u64;
                while wanted.is_wanted() {
                    sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
                }
                sum
            })
        };
        let mut jobs: Vec<_> = (0..8).map(|_| Box::pin(burn(started.clone()))).collect();
        let burning = futures_join(&mut jobs);
        let beats = async {
            starts.recv().await.expect("one burns");
            let mut slowest = Duration::ZERO;
            for _ in 0..50 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                let began = Instant::now();
                address.ask(SOON, Strings::Ping).await.expect("answers");
                slowest = slowest.max(began.elapsed());
            }
            slowest
        };
        let slowest = tokio::select! {
            slowest = beats => slowest,
            () = burning => panic!("nobody told them to stop"),
        };
        assert!(slowest < HEARTBEAT, "a heartbeat took {slowest:?}");
        drop(jobs);
        root.shutdown(SOON).await;
    });
}

#[tokio::test]
async fn a_panic_in_a_job_is_its_callers_with_its_place() {
    let directory = Directory::new();
    let (sender, mut log) = log();
    let args = PuppetArgs {
        log: Some(sender),
        name: "a",
        ..PuppetArgs::default()
    };
    let root = Root::start(directory.clone(), "gateway", vec![puppet("a", &args)]).await;
    let address = directory.address::<Strings>(&path("a"));
    address.try_send(Strings::TaskBurn(true)).expect("taken");
    read_until(&mut log, "a:child t panicked").await;
    let crash = directory.crashes().pop().expect("a record");
    assert_eq!(crash.path, path("a/t"));
    assert_eq!(&*crash.message, "on a core");
    assert!(
        crash.location.contains("support/mod.rs"),
        "{}",
        crash.location
    );
    address.try_send(Strings::TaskBurn(false)).expect("taken");
    read_until(&mut log, "a:done burnt").await;
    root.shutdown(SOON).await;
}

/// Polls all until all are done.
async fn futures_join<F: Future + Unpin>(all: &mut [F]) {
    let mut left: Vec<_> = all.iter_mut().map(Some).collect();
    std::future::poll_fn(|cx| {
        for slot in &mut left {
            if let Some(future) = slot
                && std::pin::Pin::new(future).poll(cx).is_ready()
            {
                *slot = None;
            }
        }
        if left.iter().all(Option::is_none) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}
