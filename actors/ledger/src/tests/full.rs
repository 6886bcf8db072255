//! A disk that fills up: refused visibly before anything fails, finished what is in hand, and on again by itself.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::fixture::*;
use crate::file::OpenFile;
use crate::room::{Room, Space};
use crate::{InboxState, JournalThread, Ledger, LedgerError, TurnOutcome, UnknownPolicy};

const TOTAL: u64 = 64 * 1024 * 1024;
/// What is reserved of it.
const RESERVE: u64 = TOTAL / 64;

/// A disk of a stated size: the ledger's pages, the reserve (a real file), and what others have written.
#[derive(Debug, Clone)]
struct Disk {
    storage: Arc<InMemoryBackend>,
    /// Bytes of the storage that have been written to, in pages; the rest is a hole.
    touched: Arc<std::sync::Mutex<std::collections::BTreeSet<u64>>>,
    theirs: Arc<AtomicU64>,
    path: PathBuf,
}

const PAGE: u64 = 4096;

impl Disk {
    fn new(folder: &Path) -> Self {
        Self {
            storage: Arc::new(InMemoryBackend::new()),
            touched: Arc::default(),
            theirs: Arc::default(),
            path: folder.join("openclaw.redb"),
        }
    }

    fn free(&self) -> u64 {
        let ours = self.touched.lock().unwrap().len() as u64 * PAGE;
        let reserve = std::fs::metadata(self.path.with_extension("reserve"));
        let reserve = reserve.map_or(0, |file| file.len());
        TOTAL.saturating_sub(ours + reserve + self.theirs.load(SeqCst))
    }

    /// Others take all but `left`.
    fn fill(&self, left: u64) {
        let free = self.free();
        self.theirs.fetch_add(free.saturating_sub(left), SeqCst);
    }

    fn clear(&self) {
        self.theirs.store(0, SeqCst);
    }

    fn open(&self) -> (Ledger, JournalThread) {
        let disk = self.clone();
        let gauge = move || {
            let free = disk.free();
            Some(Space { free, total: TOTAL })
        };
        let room = Arc::new(Room::with(&self.path, Box::new(gauge)));
        let file = OpenFile::with_room(self.clone(), &self.path, &room).unwrap();
        Ledger::start(file).unwrap()
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
        self.storage.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.storage.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let pages = offset / PAGE..(offset + data.len() as u64).div_ceil(PAGE);
        for page in pages {
            let is_new = !self.touched.lock().unwrap().contains(&page);
            if is_new && self.free() < PAGE {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.touched.lock().unwrap().insert(page);
        }
        self.storage.write(offset, data)
    }
}

async fn refused(ledger: &Ledger, id: &str) {
    let error = ledger
        .append_inbound(vec![inbound("z", id)], None)
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::DiskFull), "{error}");
    assert!(error.retryable() && error.is_disk_full());
}

/// Writes that need room inside the file.
async fn grow(ledger: &Ledger, name: &str, bytes: usize) -> Result<(), LedgerError> {
    let lines = vec![serde_json::json!({ "text": "x".repeat(bytes) })];
    let entry = crate::TranscriptEdit::Replace {
        session_id: name.to_owned(),
        entries: lines,
    };
    ledger.put_session_entry(&session(name), None, entry).await
}

#[tokio::test]
async fn a_full_disk_takes_nothing_new_in_and_finishes_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path());
    let (ledger, thread) = disk.open();
    ledger.look_for_room();
    assert!(!ledger.stats().disk_full);
    assert!(ledger.stats().disk_free.is_some());
    let turn = begun(&ledger, "a", "1").await;
    disk.fill(RESERVE / 2);
    ledger.look_for_room();
    assert!(ledger.stats().disk_full, "said in status");
    refused(&ledger, "2").await;

    // What is in hand is answered and sent.
    ledger
        .commit_turn(commit("a", turn, TurnOutcome::Done))
        .await
        .unwrap();
    let rows = ledger.claim_outbox(&account(), 1, 1, &[]).await.unwrap();
    ledger.mark_sent(&rows[0].key, vec![]).await.unwrap();

    disk.clear();
    ledger.look_for_room();
    assert!(!ledger.stats().disk_full);
    ledger
        .append_inbound(vec![inbound("z", "2")], None)
        .await
        .unwrap();
    drop(ledger);
    thread.join();
}

#[tokio::test]
async fn a_write_that_finds_the_disk_full_takes_what_was_reserved() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path());
    let (ledger, thread) = disk.open();
    ledger.look_for_room();
    begun(&ledger, "a", "1").await;
    disk.fill(0);
    for n in 0..4 {
        grow(&ledger, &n.to_string(), 40 * 1024).await.unwrap();
    }
    assert!(ledger.stats().disk_full, "known without a look");
    assert_eq!(ledger.failed(), None);
    refused(&ledger, "2").await;

    // Killed and started again while there is no room.
    drop(ledger);
    thread.join();
    let (ledger, thread) = disk.open();
    ledger.recover(UnknownPolicy::hold()).await.unwrap();
    assert_eq!(
        ledger.inbox_row(&session("a"), 1).unwrap().state,
        InboxState::Interrupted
    );
    assert!(ledger.stats().disk_full);
    refused(&ledger, "2").await;

    disk.clear();
    ledger.look_for_room();
    ledger
        .append_inbound(vec![inbound("z", "2")], None)
        .await
        .unwrap();
    assert!(
        disk.path.with_extension("reserve").exists(),
        "reserved anew"
    );
    drop(ledger);
    thread.join();
}

#[tokio::test]
async fn without_any_room_the_ledger_stops_and_says_why_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path());
    let (ledger, thread) = disk.open();
    begun(&ledger, "a", "1").await;
    ledger
        .append_inbound(vec![inbound("a", "2")], cursor("3"))
        .await
        .unwrap();
    disk.fill(0);
    let mut n = 0;
    let error = loop {
        if let Err(error) = grow(&ledger, &n.to_string(), 128 * 1024).await {
            break error;
        }
        n += 1;
        assert!(n < 1000, "it never filled up");
    };
    assert!(matches!(error, LedgerError::Failed { .. }), "{error}");
    assert!(
        error.is_disk_full() && error.to_string().contains("the disk is full"),
        "{error}"
    );
    drop(ledger);
    thread.join();

    let (ledger, thread) = disk.open();
    assert_eq!(ledger.pending(&session("a")), 2);
    assert_eq!(ledger.cursor("telegram/home").as_deref(), Some("3"));
    refused(&ledger, "3").await;
    disk.clear();
    ledger.look_for_room();
    ledger.recover(UnknownPolicy::hold()).await.unwrap();
    ledger
        .append_inbound(vec![inbound("z", "3")], None)
        .await
        .unwrap();
    drop(ledger);
    thread.join();
}
