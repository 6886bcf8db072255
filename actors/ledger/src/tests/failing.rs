//! A disk that breaks: the first error is the last thing the ledger does.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::fixture::*;
use crate::file::OpenFile;
use crate::{Ended, Ledger, LedgerError};

#[derive(Debug)]
pub(super) struct Disk {
    pub(super) storage: Arc<InMemoryBackend>,
    pub(super) broken: Arc<AtomicBool>,
}

impl Disk {
    fn check(&self) -> io::Result<()> {
        if self.broken.load(SeqCst) {
            Err(io::Error::other("no space left"))
        } else {
            Ok(())
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.storage.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.storage.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check()?;
        self.storage.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.check()?;
        self.storage.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        self.storage.write(offset, data)
    }
}

pub(super) fn open(disk: Disk) -> (Ledger, crate::JournalThread) {
    Ledger::start(OpenFile::with_backend(disk, Path::new("disk")).unwrap()).unwrap()
}

#[tokio::test]
async fn the_first_error_latches() {
    let (storage, broken) = (
        Arc::new(InMemoryBackend::new()),
        Arc::new(AtomicBool::new(false)),
    );
    let disk = || Disk {
        storage: Arc::clone(&storage),
        broken: Arc::clone(&broken),
    };
    let (ledger, thread) = open(disk());
    ledger
        .append_inbound(vec![inbound("a", "1")], cursor("2"))
        .await
        .unwrap();

    broken.store(true, SeqCst);
    let error = ledger
        .append_inbound(vec![inbound("a", "2")], cursor("3"))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, LedgerError::Failed { reason } if reason.contains("no space left")),
        "{error}"
    );
    assert!(matches!(ledger.ended().await, Ended::Failed(_)));
    assert!(ledger.stats().failed.is_some());
    thread.join();

    // The disk is well again, but only a new process may say what is on it.
    broken.store(false, SeqCst);
    let error = ledger
        .append_inbound(vec![inbound("a", "2")], None)
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::Failed { .. }), "{error}");
    drop(ledger);

    let (ledger, _thread) = open(disk());
    assert_eq!(ledger.cursor("telegram/home").as_deref(), Some("2"));
    assert_eq!(
        ledger.pending(&session("a")),
        1,
        "what was acknowledged, and no more"
    );
}

#[tokio::test]
async fn every_waiting_writer_learns_of_it() {
    let broken = Arc::new(AtomicBool::new(false));
    let (ledger, thread) = open(Disk {
        storage: Arc::new(InMemoryBackend::new()),
        broken: Arc::clone(&broken),
    });
    broken.store(true, SeqCst);
    let writers = (0..50).map(|n| ledger.append_inbound(vec![inbound("a", &n.to_string())], None));
    for written in join_all(writers.collect()).await {
        written.unwrap_err();
    }
    thread.join();
}
