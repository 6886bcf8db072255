//! A new tree over a running one: only what differs is touched.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing
)]

mod support;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use openclaw_runtime::ChildSpec;
use openclaw_runtime::Diff;
use openclaw_runtime::Directory;
use openclaw_runtime::Root;
use openclaw_runtime::State;
use openclaw_runtime::Strategy;
use support::*;

fn paths(paths: &[&str]) -> Vec<openclaw_runtime::ActorPath> {
    paths.iter().map(|at| path(at)).collect()
}

fn group(children: Vec<ChildSpec>) -> ChildSpec {
    ChildSpec::supervisor("group", Strategy::OneForOne, children)
}

#[tokio::test(start_paused = true)]
async fn touches_only_what_differs_also_in_nested_supervisors() {
    let directory = Directory::new();
    let [kept, gone, changed, new] = [(); 4].map(|()| PuppetArgs::default());
    let before = group(vec![
        puppet("kept", &kept).fingerprint(1),
        puppet("gone", &gone).fingerprint(1),
        puppet("changed", &changed).fingerprint(1),
    ]);
    let root = Root::start(directory.clone(), "gateway", vec![before]).await;
    let dynamic = PuppetArgs::default();
    let handle = directory.supervisor(&path("group"));
    handle
        .start(puppet("dynamic", &dynamic))
        .await
        .expect("started");
    until(&directory, "group/kept", State::Running).await;
    let after = group(vec![
        puppet("kept", &kept).fingerprint(1),
        puppet("changed", &changed).fingerprint(2),
        puppet("new", &new).fingerprint(1),
    ]);
    let diff = root
        .handle()
        .reconcile(vec![after.clone()])
        .await
        .expect("done");
    let expected = Diff {
        added: paths(&["group/new"]),
        removed: paths(&["group/gone"]),
        changed: paths(&["group/changed"]),
        live: vec![],
        untouched: paths(&["group", "group/kept"]),
    };
    assert_eq!(diff, expected);
    until(&directory, "group/gone", State::Absent).await;
    until(&directory, "group/new", State::Running).await;
    until(&directory, "group/dynamic", State::Running).await;
    assert!(
        directory
            .wait_for(
                &path("group/changed"),
                |n| n.is_some_and(|n| n.restarts == 1 && n.state == State::Running),
                SOON
            )
            .await
    );
    let inits = [&kept, &gone, &changed, &new, &dynamic].map(|args| args.inits.load(SeqCst));
    assert_eq!(inits, [1, 1, 2, 1, 1]);
    // The same again is nothing.
    let again = root.handle().reconcile(vec![after]).await.expect("done");
    assert_eq!(again.untouched.len(), 4);
    assert_eq!(
        again.added.len() + again.removed.len() + again.changed.len(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn a_live_child_takes_its_new_arguments_while_running() {
    let directory = Directory::new();
    let (sender, mut log) = log();
    let args = PuppetArgs {
        log: Some(sender),
        name: "a",
        ..PuppetArgs::default()
    };
    let live = |fingerprint| {
        ChildSpec::live_actor::<Puppet>("a", args.clone(), |_args| Strings::Reconfigured)
            .fingerprint(fingerprint)
    };
    let root = Root::start(directory.clone(), "gateway", vec![live(1)]).await;
    let diff = root.handle().reconcile(vec![live(2)]).await.expect("done");
    assert_eq!(diff.live, paths(&["a"]));
    assert_eq!(
        read_until(&mut log, "a:reconfigured").await,
        ["a:init", "a:reconfigured"]
    );
}

#[tokio::test(start_paused = true)]
async fn stopped_on_purpose_stays_stopped_until_its_configuration_changes() {
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let spec = |fingerprint| vec![puppet("a", &args).fingerprint(fingerprint)];
    let root = Root::start(directory.clone(), "gateway", spec(1)).await;
    root.handle().stop(&"a".into()).await.expect("known");
    until(&directory, "a", State::Stopped).await;
    root.handle().reconcile(spec(1)).await.expect("done");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    until(&directory, "a", State::Stopped).await;
    root.handle().reconcile(spec(2)).await.expect("done");
    until(&directory, "a", State::Running).await;
}

#[tokio::test(start_paused = true)]
async fn a_parked_child_is_tried_when_its_configuration_changes() {
    let directory = Directory::new();
    let args = PuppetArgs::default();
    args.fail_init.store(true, SeqCst);
    let spec = |fingerprint| {
        vec![
            puppet("a", &args)
                .fingerprint(fingerprint)
                .intensity(0, SOON)
                .park(Duration::from_secs(1_000_000)),
        ]
    };
    let root = Root::start(directory.clone(), "gateway", spec(1)).await;
    until(&directory, "a", State::Parked).await;
    args.fail_init.store(false, SeqCst);
    root.handle().reconcile(spec(1)).await.expect("done");
    until(&directory, "a", State::Parked).await;
    root.handle().reconcile(spec(2)).await.expect("done");
    until(&directory, "a", State::Running).await;
}

#[tokio::test(start_paused = true)]
async fn a_restarted_supervisor_has_its_latest_children() {
    let directory = Directory::new();
    let args = PuppetArgs::default();
    let root = Root::start(
        directory.clone(),
        "gateway",
        vec![group(vec![puppet("a", &args)])],
    )
    .await;
    root.handle()
        .reconcile(vec![group(vec![puppet("b", &args)])])
        .await
        .expect("done");
    until(&directory, "group/b", State::Running).await;
    root.handle().restart(&"group".into()).await.expect("known");
    let restarted = |node: Option<&openclaw_runtime::TreeNode>| {
        node.is_some_and(|node| node.restarts == 1 && node.state == State::Running)
    };
    assert!(directory.wait_for(&path("group"), restarted, SOON).await);
    until(&directory, "group/b", State::Running).await;
    until(&directory, "group/a", State::Absent).await;
}
