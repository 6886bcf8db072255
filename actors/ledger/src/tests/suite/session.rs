use serde_json::json;

use super::on_both;
use crate::tests::fixture::*;
use crate::{CrashRow, Ledger, TranscriptEdit, TurnCommit, TurnOutcome};

on_both! {
    a_turn_changes_only_its_keys_of_the_entry,
    entries_are_listed_by_agent,
    a_reset_forgets_the_transcript,
    a_compaction_replaces_the_transcript,
    an_injected_line_follows_the_others,
    crashes_are_a_ring,
}

async fn a_turn_changes_only_its_keys_of_the_entry(ledger: &Ledger) {
    let key = session("a");
    let entry = json!({ "model": "old", "label": "mine", "draft": 1 });
    ledger
        .put_session_entry(&key, Some(entry), TranscriptEdit::Keep)
        .await
        .unwrap();
    let turn = begun(ledger, "a", "1").await;
    ledger
        .patch_session_entry(&key, json!({ "label": "renamed meanwhile" }))
        .await
        .unwrap();
    let change = Some(json!({ "model": "new", "draft": null }));
    let end = TurnCommit {
        entry: change,
        ..commit("a", turn, TurnOutcome::Done)
    };
    ledger.commit_turn(end).await.unwrap();
    let entry = json!({ "model": "new", "label": "renamed meanwhile" });
    assert_eq!(ledger.session_entry(&key), Some(entry));
    ledger
        .put_session_entry(&key, None, TranscriptEdit::Keep)
        .await
        .unwrap();
    assert_eq!(ledger.session_entry(&key), None);
}

async fn entries_are_listed_by_agent(ledger: &Ledger) {
    for key in [
        "agent:main:b",
        "agent:main:a",
        "agent:main2:a",
        "agent:other:main",
    ] {
        let key = key.parse().unwrap();
        ledger
            .put_session_entry(&key, Some(json!({})), TranscriptEdit::Keep)
            .await
            .unwrap();
    }
    let keys: Vec<_> = ledger
        .session_entries("main")
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(keys, [session("a"), session("b")]);
}

async fn a_reset_forgets_the_transcript(ledger: &Ledger) {
    let key = session("a");
    ledger
        .append_transcript(&key, "old", lines(&["1", "2"]), None)
        .await
        .unwrap();
    ledger
        .append_transcript(&key, "old2", lines(&["other"]), None)
        .await
        .unwrap();
    let edit = TranscriptEdit::Drop {
        session_id: "old".into(),
    };
    ledger
        .put_session_entry(&key, Some(json!({ "sessionId": "new" })), edit)
        .await
        .unwrap();
    assert_eq!(
        (ledger.transcript_len("old"), ledger.transcript_len("old2")),
        (0, 1)
    );
}

async fn a_compaction_replaces_the_transcript(ledger: &Ledger) {
    let key = session("a");
    ledger
        .append_transcript(&key, "id", lines(&["1", "2", "3"]), None)
        .await
        .unwrap();
    let edit = TranscriptEdit::Replace {
        session_id: "id".into(),
        entries: lines(&["sum"]),
    };
    ledger
        .put_session_entry(&key, Some(json!({})), edit)
        .await
        .unwrap();
    assert_eq!(
        ledger.transcript("id", 0),
        [(1, lines(&["sum"])[0].clone())]
    );
}

async fn an_injected_line_follows_the_others(ledger: &Ledger) {
    let key = session("a");
    let first = ledger
        .append_transcript(&key, "id", lines(&["1", "2"]), None)
        .await
        .unwrap();
    let entry = Some(json!({ "updatedAt": 1 }));
    let next = ledger
        .append_transcript(&key, "id", lines(&["3"]), entry)
        .await
        .unwrap();
    assert_eq!((first, next), (1, 3));
    assert_eq!(ledger.transcript("id", 3).len(), 1);
    assert_eq!(ledger.session_entry(&key), Some(json!({ "updatedAt": 1 })));
}

async fn crashes_are_a_ring(ledger: &Ledger) {
    let crash = |n: u64| CrashRow {
        id: format!("c-{n}"),
        path: "channels/telegram/home/poll".into(),
        at_ms: 1,
        record: json!({ "message": "index out of bounds" }),
    };
    // All at once, so that the disk commits them in a few batches.
    let last = crate::CRASHES + 2;
    let puts: Vec<_> = (1..=last).map(|n| ledger.put_crash(crash(n))).collect();
    for put in join_all(puts).await {
        put.unwrap();
    }
    let crashes = ledger.crashes();
    assert_eq!(crashes.len() as u64, crate::CRASHES);
    assert_eq!(crashes.first(), Some(&crash(3)));
    assert_eq!(crashes.last(), Some(&crash(last)));
}
