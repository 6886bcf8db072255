use std::time::Duration;

use openclaw_protocol::Config;
use openclaw_protocol::ModelRef;
use openclaw_protocol::Usage;
use openclaw_runtime::ActorPath;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Directory;
use openclaw_runtime::Root;
use openclaw_runtime::Strategy;
use serde_json::json;

use super::CallOutcome;
use super::NoLease;
use super::Want;
use super::lease;
use super::path;
use super::specs;
use crate::catalogue::Catalogue;
use crate::catalogue::Inputs;
use crate::error::ModelError;
use crate::error::ModelErrorKind;
use crate::profile::Profiles;

const SOON: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(10);

fn catalogue(concurrency: usize) -> Catalogue {
    let config = json!({ "models": { "mode": "replace", "providers": { "home": {
        "baseUrl": "http://127.0.0.1:9", "maxConcurrent": concurrency, "models": [{ "id": "m" }],
    }}}});
    let loaded = Config::from_value(config);
    Catalogue::build(&Inputs {
        config: &loaded.config,
        env: &|_| None,
        profiles: &Profiles::default(),
        local: &[],
        now_ms: 0,
    })
}

fn tree(catalogue: &Catalogue) -> ChildSpec {
    ChildSpec::supervisor("providers", Strategy::OneForOne, specs(catalogue))
}

async fn start(catalogue: &Catalogue) -> (Root, Directory) {
    let directory = Directory::new();
    let root = Root::start(directory.clone(), "gateway", vec![tree(catalogue)]).await;
    (root, directory)
}

fn home() -> ModelRef {
    ModelRef::new("home", "m")
}

fn want(model: &ModelRef) -> Want {
    Want::new(model.clone(), "agent:main:main".parse().unwrap())
}

fn kind(no: NoLease) -> ModelErrorKind {
    match no {
        NoLease::Failed(error) | NoLease::Resting { error, .. } => error.kind,
        NoLease::Spent => panic!("no account is left"),
    }
}

/// What the tree says of the provider.
fn seen(directory: &Directory) -> String {
    let tree = directory.tree(Some(&path("home")), None);
    format!("{tree:?}")
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, wait).await.expect(what);
}

#[tokio::test]
async fn calls_are_bounded_and_a_dropped_lease_serves_the_next() {
    let catalogue = catalogue(2);
    let (root, directory) = start(&catalogue).await;
    let first = lease(&directory, &catalogue, want(&home()), LONG)
        .await
        .unwrap();
    let _second = lease(&directory, &catalogue, want(&home()), LONG)
        .await
        .unwrap();
    assert_eq!(first.model().reference(), &home());
    let error = lease(&directory, &catalogue, want(&home()), SOON)
        .await
        .unwrap_err();
    assert_eq!(kind(error), ModelErrorKind::RateLimit);
    let home = home();
    let waiting = lease(&directory, &catalogue, want(&home), LONG);
    tokio::pin!(waiting);
    assert!(tokio::time::timeout(SOON, &mut waiting).await.is_err());
    drop(first);
    waiting.await.unwrap();
    root.shutdown(LONG).await;
}

#[tokio::test]
async fn outcomes_are_told_in_the_tree() {
    let catalogue = catalogue(2);
    let (root, directory) = start(&catalogue).await;
    let lease = lease(&directory, &catalogue, want(&home()), LONG)
        .await
        .unwrap();
    let report = |kind: Option<ModelErrorKind>| {
        let error = kind.map(|kind| ModelError::new(kind, "no"));
        let took = Duration::from_millis(20);
        lease.report(CallOutcome::new(error, took, Usage::default()));
    };
    report(None);
    until("the good call", || {
        seen(&directory).contains("1 calls, 0 failed")
    })
    .await;
    report(Some(ModelErrorKind::Auth));
    until("the bad call", || {
        seen(&directory).contains("last failed: auth")
    })
    .await;
    root.shutdown(LONG).await;
}

#[tokio::test]
async fn a_new_configuration_takes_hold_without_a_restart() {
    let (before, after) = (catalogue(1), catalogue(3));
    let (root, directory) = start(&before).await;
    let _one = lease(&directory, &before, want(&home()), LONG)
        .await
        .unwrap();
    assert!(
        lease(&directory, &before, want(&home()), SOON)
            .await
            .is_err()
    );
    root.handle().reconcile(vec![tree(&after)]).await.unwrap();
    let _two = lease(&directory, &after, want(&home()), LONG)
        .await
        .unwrap();
    let _three = lease(&directory, &after, want(&home()), LONG)
        .await
        .unwrap();
    assert!(
        lease(&directory, &after, want(&home()), SOON)
            .await
            .is_err()
    );
    root.shutdown(LONG).await;
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_told_before_any_mail() {
    let catalogue = catalogue(1);
    let (root, directory) = start(&catalogue).await;
    let stranger = ModelRef::new("nowhere", "m");
    let error = lease(&directory, &catalogue, want(&stranger), LONG)
        .await
        .unwrap_err();
    assert_eq!(kind(error), ModelErrorKind::ModelNotFound);
    assert_eq!(path("home"), ActorPath::new("providers/home"));
    root.shutdown(LONG).await;
}

#[tokio::test]
async fn a_provider_that_keeps_failing_is_not_waited_for_and_the_tree_says_so() {
    let catalogue = catalogue(4);
    let (root, directory) = start(&catalogue).await;
    for _ in 0..5 {
        let mut want = want(&home());
        want.probe = true;
        let lease = lease(&directory, &catalogue, want, LONG).await.unwrap();
        let down = ModelError::new(ModelErrorKind::Network, "gone");
        lease.report(CallOutcome::failed(down));
    }
    until("the breaker", || seen(&directory).contains("breaker open")).await;
    let mut want = want(&home());
    want.probe = true;
    let NoLease::Resting { error, firm } =
        lease(&directory, &catalogue, want, LONG).await.unwrap_err()
    else {
        panic!("the breaker let a call through");
    };
    assert!(firm && error.retry_after.is_some(), "{error}");
    root.shutdown(LONG).await;
}

#[tokio::test]
async fn a_rest_is_told_and_a_new_configuration_ends_it() {
    let (before, after) = (catalogue(1), catalogue(2));
    let (root, directory) = start(&before).await;
    let slow = ModelError {
        retry_after: Some(LONG),
        ..ModelError::new(ModelErrorKind::RateLimit, "home asks for a pause")
    };
    let held = lease(&directory, &before, want(&home()), LONG)
        .await
        .unwrap();
    held.report(CallOutcome::failed(slow));
    drop(held);
    until("the rest", || seen(&directory).contains("rate_limit")).await;
    let no = lease(&directory, &before, want(&home()), LONG)
        .await
        .unwrap_err();
    let NoLease::Resting { error, .. } = no else {
        panic!("{no:?}");
    };
    assert!(
        error
            .message
            .contains("home asks for a pause; it is asked again in")
    );
    root.handle().reconcile(vec![tree(&after)]).await.unwrap();
    lease(&directory, &after, want(&home()), LONG)
        .await
        .unwrap();
    root.shutdown(LONG).await;
}

/// What a gateway knows of accounts when it starts.
fn remembered(file: &std::path::Path) -> Catalogue {
    let config = json!({ "models": { "mode": "replace", "providers": { "home": {
        "baseUrl": "http://127.0.0.1:9", "models": [{ "id": "m" }],
    }}}});
    let loaded = Config::from_value(config);
    Catalogue::build(&Inputs {
        config: &loaded.config,
        env: &|name| (name == "HOME_API_KEY").then(|| "k3".to_owned()),
        profiles: &Profiles::load(file).unwrap(),
        local: &[],
        now_ms: 0,
    })
}

#[tokio::test]
async fn a_restart_forgets_no_rest() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("auth-profiles.json");
    let key = |key| json!({ "type": "api_key", "provider": "home", "key": key });
    let stored = json!({ "version": 1, "profiles": { "home:a": key("k1"), "home:b": key("k2") } });
    std::fs::write(&file, stored.to_string()).unwrap();
    let catalogue = remembered(&file);
    let (root, directory) = start(&catalogue).await;
    let mut tried = want(&home());
    for (id, kind) in [
        ("home:a", ModelErrorKind::Billing),
        ("home:b", ModelErrorKind::RateLimit),
    ] {
        tried.account = Some(id.to_owned());
        let held = lease(&directory, &catalogue, tried.clone(), LONG)
            .await
            .unwrap();
        held.report(CallOutcome::failed(ModelError::new(kind, "no")));
    }
    let text = || std::fs::read_to_string(&file).unwrap();
    until("both rests in the file", || {
        text().contains("disabledUntil") && text().contains("cooldownUntil")
    })
    .await;
    // Killed: nothing more is written.
    drop(root);
    let catalogue = remembered(&file);
    let (root, directory) = start(&catalogue).await;
    let asked = |account: Option<&str>| Want {
        account: account.map(str::to_owned),
        ..want(&home())
    };
    for (id, kind) in [
        ("home:a", ModelErrorKind::Billing),
        ("home:b", ModelErrorKind::RateLimit),
    ] {
        let no = lease(&directory, &catalogue, asked(Some(id)), LONG).await;
        assert!(matches!(
            no.unwrap_err(),
            NoLease::Resting { error, .. } if error.kind == kind
        ));
    }
    // The key of the variable did nothing wrong, and leaves no trace.
    let held = lease(&directory, &catalogue, asked(None), LONG)
        .await
        .unwrap();
    assert_eq!(held.account(), "env:HOME_API_KEY");
    held.report(CallOutcome::new(None, SOON, Usage::default()));
    drop(held);
    root.shutdown(LONG).await;
    assert!(!text().contains("env:HOME_API_KEY"));
    // Another key begins anew.
    let other = text().replace("\"k1\"", "\"k4\"");
    std::fs::write(&file, other).unwrap();
    let catalogue = remembered(&file);
    let (root, directory) = start(&catalogue).await;
    lease(&directory, &catalogue, asked(Some("home:a")), LONG)
        .await
        .unwrap();
    root.shutdown(LONG).await;
}
