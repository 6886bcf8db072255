//! The ledger in the tree: closed last, and the end of the process when it breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use openclaw_runtime::{Directory, Root};
use redb::backends::InMemoryBackend;

use super::failing::{Disk, open};
use super::fixture::*;
use crate::{Ended, JournalActor, Ledger};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_io_error_ends_the_process_with_74() {
    let broken = Arc::new(AtomicBool::new(false));
    let (ledger, thread) = open(Disk {
        storage: Arc::new(InMemoryBackend::new()),
        broken: Arc::clone(&broken),
    });
    let tree = vec![JournalActor::spec(ledger.clone())];
    let root = Root::start(Directory::new(), "gateway", tree).await;
    ledger
        .append_inbound(vec![inbound("a", "1")], None)
        .await
        .unwrap();
    broken.store(true, SeqCst);
    ledger
        .append_inbound(vec![inbound("a", "2")], None)
        .await
        .unwrap_err();
    let exit = root.ended().await;
    assert_eq!(exit.code, 74, "{}", exit.reason);
    assert!(exit.reason.contains("no space left"), "{}", exit.reason);
    thread.join();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_closes_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("openclaw.redb");
    let (ledger, thread) = Ledger::open(&path).unwrap();
    let tree = vec![JournalActor::spec(ledger.clone())];
    let root = Root::start(Directory::new(), "gateway", tree).await;
    ledger
        .append_inbound(vec![inbound("a", "1")], None)
        .await
        .unwrap();
    let report = root.shutdown(Duration::from_secs(10)).await;
    assert!(report.killed.is_empty(), "{report:?}");
    assert_eq!(ledger.ended().await, Ended::Closed);
    thread.join();
    let (ledger, _thread) = Ledger::open(&path).unwrap();
    assert_eq!(ledger.pending(&session("a")), 1);
}
