//! A file of an older version opens, and nothing of it is lost.

use std::path::PathBuf;

use super::fixture::*;
use crate::{InboxState, Ledger, OutboxFilter, OutboxState, UnknownPolicy};

/// Written by the last binary of layout 1, closed in order: messages in every state, and one of each other row.
const LAYOUT_1: &[u8] = include_bytes!("layout-1.redb");

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("openclaw.redb");
    std::fs::write(&path, LAYOUT_1).unwrap();
    (folder, path)
}

#[tokio::test]
async fn a_ledger_of_layout_1_opens_with_everything_in_it() {
    let (_folder, path) = place();
    let (ledger, thread) = Ledger::open(&path).unwrap();
    let state = |name, seq| ledger.inbox_row(&session(name), seq).unwrap().state;
    assert_eq!(
        [state("a", 1), state("a", 2), state("b", 1), state("c", 1)],
        [
            InboxState::Done,
            InboxState::Running,
            InboxState::Dead,
            InboxState::Pending
        ]
    );
    let rows = ledger.outbox(&OutboxFilter::default());
    let states: Vec<_> = rows.iter().map(|row| row.state).collect();
    use OutboxState::{Attempting, Dead, Prepared, Sent, Unknown};
    assert_eq!(states, [Sent, Dead, Unknown, Attempting, Prepared]);
    assert_eq!(rows[0].platform_ids, ["71"]);
    assert_eq!(rows[1].error.as_deref(), Some("403: blocked by the user"));
    assert_eq!(ledger.cursor("telegram/home").as_deref(), Some("4"));
    assert_eq!(ledger.transcript_len("id-a"), 2);
    assert_eq!(
        ledger.session_entry(&session("a")).unwrap()["model"],
        "basic"
    );
    assert_eq!(ledger.usage(0, 9_000).total.cost_usd, 0.5);
    assert_eq!(ledger.crashes()[0].id, "c-1");
    assert_eq!(ledger.dead_letters().0[0].crash.as_deref(), Some("c-1"));
    let stats = ledger.stats();
    assert_eq!(
        (stats.inbox_pending, stats.inbox_running, stats.inbox_dead),
        (1, 1, 1)
    );
    assert!(
        ledger.trace("run-1").inbound[0].moves.is_empty(),
        "none were kept then"
    );
    drop(ledger);
    thread.join();
}

#[tokio::test]
async fn work_of_layout_1_goes_on_and_its_rows_keep_moves_from_then_on() {
    let (_folder, path) = place();
    let (ledger, thread) = Ledger::open(&path).unwrap();
    let found = ledger.recover(UnknownPolicy::hold()).await.unwrap();
    assert_eq!(
        (found.epoch, found.interrupted, found.held.len()),
        (2, 1, 1)
    );
    let start = ledger
        .begin_turn(&session("a"), 9_000)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((start.turn.0, start.attempt, start.steps.len()), (2, 2, 1));
    let end = crate::TurnCommit {
        outbox: vec![],
        ..commit("a", start.turn, crate::TurnOutcome::Done)
    };
    ledger.commit_turn(end).await.unwrap();
    drop(ledger);
    thread.join();
    let (ledger, _thread) = Ledger::open(&path).unwrap();
    let states: Vec<_> = ledger.trace("agent:main:a#2").inbound[0]
        .moves
        .iter()
        .map(|step| step.state.unwrap())
        .collect();
    assert_eq!(states, ["interrupted", "running", "done"]);
}
