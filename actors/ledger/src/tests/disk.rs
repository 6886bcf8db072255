//! What only a file can show: reopening, whose it is, who else has it, how private it is.

use std::fs;
use std::path::{Path, PathBuf};

use redb::{Database, TableDefinition};

use super::fixture::*;
use crate::{InboxState, Ledger, LedgerError, TurnOutcome, UnknownPolicy};

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/ledger/openclaw.redb");
    (folder, path)
}

fn refused(path: &Path) -> LedgerError {
    Ledger::open(path)
        .map(drop)
        .expect_err("it should not open")
}

#[tokio::test]
async fn everything_acknowledged_is_there_after_a_drop() {
    let (_folder, path) = place();
    let (ledger, thread) = Ledger::open(&path).unwrap();
    let turn = begun(&ledger, "a", "1").await;
    ledger
        .commit_turn(commit("a", turn, TurnOutcome::Done))
        .await
        .unwrap();
    begun(&ledger, "a", "2").await;
    ledger.append_inbound(vec![], cursor("3")).await.unwrap();
    ledger.claim_outbox(&account(), 1, 1, &[]).await.unwrap();
    let before = ledger.stats();
    drop(ledger);
    thread.join();

    let (ledger, thread) = Ledger::open(&path).unwrap();
    assert_eq!(ledger.cursor("telegram/home").as_deref(), Some("3"));
    assert_eq!(ledger.transcript_len("id-a"), 2);
    let stats = ledger.stats();
    assert_eq!((stats.inbox_running, stats.outbox_attempting), (1, 1));
    assert_eq!((before.inbox_running, before.outbox_attempting), (1, 1));
    let found = ledger.recover(UnknownPolicy::hold()).await.unwrap();
    assert_eq!((found.interrupted, found.held.len()), (1, 1));
    assert_eq!(
        ledger.inbox_row(&session("a"), 2).unwrap().state,
        InboxState::Interrupted
    );
    assert!(
        !ledger
            .append_inbound(vec![inbound("a", "2")], None)
            .await
            .unwrap()[0]
            .fresh
    );
    drop(ledger);
    thread.join();
}

#[tokio::test]
async fn closing_lets_go_of_the_file_and_refuses_writes() {
    let (_folder, path) = place();
    let (ledger, thread) = Ledger::open(&path).unwrap();
    ledger
        .append_inbound(vec![inbound("a", "1")], None)
        .await
        .unwrap();
    ledger.close().await;
    ledger.close().await;
    assert_eq!(ledger.ended().await, crate::Ended::Closed);
    let error = ledger
        .append_inbound(vec![inbound("a", "2")], None)
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::Closed), "{error}");
    assert_eq!(
        ledger.pending(&session("a")),
        0,
        "nothing is read from a closed ledger"
    );
    assert_eq!(ledger.failed(), None);
    thread.join();
    let (ledger, _thread) = Ledger::open(&path).expect("the file is free although a handle lives");
    assert_eq!(ledger.pending(&session("a")), 1);
}

#[tokio::test]
async fn closing_finishes_what_is_queued() {
    let (_folder, path) = place();
    let (ledger, thread) = Ledger::open(&path).unwrap();
    let mut writes: Vec<_> = (0..50)
        .map(|n| {
            let ledger = ledger.clone();
            let rows = vec![inbound("a", &n.to_string())];
            Box::pin(async move { ledger.append_inbound(rows, None).await.is_ok() }) as Write
        })
        .collect();
    let closer = ledger.clone();
    writes.push(Box::pin(async move {
        closer.close().await;
        true
    }));
    assert!(join_all(writes).await.into_iter().all(|written| written));
    thread.join();
}

type Write = std::pin::Pin<Box<dyn Future<Output = bool>>>;

#[test]
fn a_second_gateway_is_told_who_is_there() {
    let (_folder, path) = place();
    let (ledger, thread) = Ledger::open(&path).unwrap();
    let error = refused(&path);
    let LedgerError::AlreadyOpen { pid, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(*pid, Some(std::process::id()));
    assert!(
        error.to_string().contains("openclaw gateway stop"),
        "{error}"
    );
    drop(ledger);
    thread.join();
    Ledger::open(&path).expect("the lock goes with its holder");
}

#[test]
fn a_foreign_file_is_left_untouched() {
    let (_folder, path) = place();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let late = [&[0; 400][..], b"something of theirs"].concat();
    for content in [&b"SQLite format 3\0 and more"[..], b"x", &late] {
        fs::write(&path, content).unwrap();
        let error = refused(&path);
        assert!(matches!(error, LedgerError::Foreign { .. }), "{error}");
        assert!(error.to_string().contains("mv "), "{error}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn another_programs_redb_file_is_left_untouched() {
    let (_folder, path) = place();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let theirs: TableDefinition<'_, &str, u64> = TableDefinition::new("theirs");
    let db = Database::create(&path).unwrap();
    let transaction = db.begin_write().unwrap();
    transaction
        .open_table(theirs)
        .unwrap()
        .insert("key", 1)
        .unwrap();
    transaction.commit().unwrap();
    drop(db);
    let before = fs::read(&path).unwrap();
    let error = refused(&path);
    assert!(matches!(error, LedgerError::Foreign { .. }), "{error}");
    assert!(fs::read(&path).unwrap() == before, "it was changed");
}

#[test]
fn a_newer_layout_is_left_untouched() {
    let (_folder, path) = place();
    let (ledger, thread) = Ledger::open(&path).unwrap();
    drop(ledger);
    thread.join();
    let meta: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("meta");
    let db = Database::create(&path).unwrap();
    let transaction = db.begin_write().unwrap();
    let value = [&[1][..], &9_u32.to_be_bytes()].concat();
    transaction
        .open_table(meta)
        .unwrap()
        .insert(&b"layout"[..], &value[..])
        .unwrap();
    transaction.commit().unwrap();
    drop(db);
    let before = fs::read(&path).unwrap();
    let error = refused(&path);
    assert!(
        matches!(
            error,
            LedgerError::Newer {
                found: 9,
                known: 5,
                ..
            }
        ),
        "{error}"
    );
    assert!(fs::read(&path).unwrap() == before, "it was changed");
}

#[test]
fn a_creation_killed_midway_starts_afresh() {
    let (_folder, path) = place();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, vec![0; 8192]).unwrap();
    Ledger::open(&path).expect("it held nothing yet");
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = place();
    let folder = path.parent().unwrap();
    fs::create_dir_all(folder).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let (_ledger, _thread) = Ledger::open(&path).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder), 0o700);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&path.with_extension("lock")), 0o600);
}

#[tokio::test]
async fn what_queues_during_a_commit_shares_the_next() {
    let (_folder, path) = place();
    let (ledger, _thread) = Ledger::open(&path).unwrap();
    let writers = (0..200).map(|n| {
        let rows = vec![inbound(&format!("s{}", n % 20), &n.to_string())];
        ledger.append_inbound(rows, None)
    });
    for written in join_all(writers.collect()).await {
        written.unwrap();
    }
    let stats = ledger.stats();
    assert_eq!((stats.ops, stats.inbox_pending), (200, 200));
    assert!(stats.commits < 200, "{} commits", stats.commits);
    assert!(stats.batch_max > 1 && stats.commit_p50_us > 0, "{stats:?}");
    assert_eq!(ledger.open_sessions().len(), 20);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_blocks_nobody() {
    let (_folder, path) = place();
    let (ledger, thread) = Ledger::open(&path).unwrap();
    ledger
        .append_inbound(vec![inbound("a", "1"), inbound("a", "2")], None)
        .await
        .unwrap();
    ledger
        .enqueue(vec![outbound("1", "x"), outbound("1", "y")])
        .await
        .unwrap();
    drop(ledger);
    thread.join();
    let db = Database::create(&path).unwrap();
    let transaction = db.begin_write().unwrap();
    for (name, row) in [("inbox", "agent:main:a"), ("outbox", "telegram/home")] {
        let table: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(name);
        let key = crate::key::numbered(row, 1);
        transaction
            .open_table(table)
            .unwrap()
            .insert(&key[..], &[77_u8][..])
            .unwrap();
    }
    transaction.commit().unwrap();
    drop(db);

    let (ledger, _thread) = Ledger::open(&path).unwrap();
    ledger.recover(UnknownPolicy::hold()).await.unwrap();
    let start = ledger.begin_turn(&session("a"), 1).await.unwrap().unwrap();
    assert_eq!(start.row.source_id, "2");
    assert_eq!(
        (ledger.stats().inbox_pending, ledger.stats().inbox_running),
        (0, 1)
    );
    assert_eq!(
        ledger
            .claim_outbox(&account(), 1, 5, &[])
            .await
            .unwrap()
            .len(),
        0
    );
    assert_eq!(
        ledger.claim_outbox(&account(), 1, 5, &[]).await.unwrap()[0]
            .payload
            .text,
        "y"
    );
    assert_eq!(ledger.inbox(&crate::InboxFilter::default()).len(), 1);
}

#[tokio::test]
async fn a_file_that_is_mostly_free_gives_space_back() {
    let (_folder, path) = place();
    let (ledger, thread) = Ledger::open(&path).unwrap();
    let key = session("a");
    let long = "x".repeat(64 * 1024);
    let entries: Vec<_> = (0..100)
        .map(|_| serde_json::json!({ "text": long }))
        .collect();
    ledger
        .append_transcript(&key, "id", entries, None)
        .await
        .unwrap();
    let kept = vec![serde_json::json!({ "text": long })];
    ledger
        .append_transcript(&key, "kept", kept, None)
        .await
        .unwrap();
    let gone = crate::TranscriptEdit::Drop {
        session_id: "id".into(),
    };
    ledger.put_session_entry(&key, None, gone).await.unwrap();
    drop(ledger);
    thread.join();

    let length = || fs::metadata(&path).unwrap().len();
    let before = length();
    let mut file = crate::file::OpenFile::open(&path).unwrap();
    file.compact(&path, before + 1).unwrap();
    assert_eq!(length(), before, "a small file stays as it is");
    file.compact(&path, before).unwrap();
    assert!(length() * 4 < before, "{before} → {}", length());
    file.close().unwrap();
    let (ledger, _thread) = Ledger::open(&path).unwrap();
    assert_eq!(ledger.transcript_len("kept"), 1);
}

#[tokio::test]
async fn a_message_that_cannot_be_decoded_becomes_a_dead_letter() {
    let (_folder, path) = place();
    let (ledger, thread) = Ledger::open(&path).unwrap();
    ledger
        .append_inbound(vec![inbound("a", "1"), inbound("a", "2")], None)
        .await
        .unwrap();
    drop(ledger);
    thread.join();
    let file = crate::file::OpenFile::open(&path).unwrap();
    let transaction = file.db.begin_write().unwrap();
    let head = crate::codec::Head::new(0, 1);
    let record = crate::codec::Record::new(head, b"{\"not\": \"ours\"}");
    let row_key = crate::key::numbered(session("a").as_str(), 1);
    let table = crate::disk::definition(crate::table::TableId::Inbox);
    let mut table = transaction.open_table(table).unwrap();
    table.insert(&row_key[..], &record.encode()[..]).unwrap();
    drop(table);
    transaction.commit().unwrap();
    file.close().unwrap();

    let (ledger, _thread) = Ledger::open(&path).unwrap();
    let start = ledger.begin_turn(&session("a"), 1).await.unwrap().unwrap();
    assert_eq!(start.row.source_id, "2");
    let stats = ledger.stats();
    assert_eq!(
        (stats.inbox_pending, stats.inbox_running, stats.inbox_dead),
        (0, 1, 1)
    );
}

#[tokio::test]
async fn a_file_that_is_pruned_does_not_grow_for_ever() {
    let (_folder, path) = place();
    let (ledger, _thread) = Ledger::open(&path).unwrap();
    let mut lengths = Vec::new();
    for _round in 0..12 {
        // Written together, as each commit is a wait for the disk.
        let rows = (0..400).map(|n| outbound(&n.to_string(), "text")).collect();
        ledger.enqueue(rows).await.unwrap();
        let rows = ledger.claim_outbox(&account(), 1, 400, &[]).await.unwrap();
        let marks = rows.iter().map(|row| ledger.mark_sent(&row.key, vec![]));
        for marked in join_all(marks.collect()).await {
            marked.unwrap();
        }
        let next_month = crate::verb::now_ms() + 31 * 24 * 3600 * 1000;
        assert!(ledger.prune_at(next_month).await.unwrap() >= 399);
        lengths.push(fs::metadata(&path).unwrap().len());
    }
    // Kept whole, the rounds would take twelve times the first.
    let longest = lengths.iter().max().unwrap();
    assert!(*longest < lengths[0] * 3, "{lengths:?}");
}
