use super::on_both;
use crate::tests::fixture::*;
use crate::verb::now_ms;
use crate::{InboundBatch, Ledger, Overheard, TurnCommit, TurnOutcome};

on_both! {
    what_was_heard_waits_for_the_next_turn_and_is_forgotten_with_it,
    the_newest_are_kept,
    what_was_heard_is_heard_once_and_forgotten_in_time,
}

fn overheard(name: &str, id: &str, after: usize, keep: u64) -> Overheard {
    let row = inbound(name, id);
    Overheard { row, after, keep }
}

async fn hear(ledger: &Ledger, heard: Vec<Overheard>, ids: &[&str]) {
    let batch = InboundBatch {
        rows: ids.iter().map(|id| inbound("a", id)).collect(),
        heard,
        ..InboundBatch::default()
    };
    ledger.append_batch(batch).await.unwrap();
}

fn heard(ledger: &Ledger, seq: u64) -> Vec<String> {
    let rows = ledger.heard(&session("a"), seq);
    rows.into_iter().map(|row| row.source_id).collect()
}

async fn what_was_heard_waits_for_the_next_turn_and_is_forgotten_with_it(ledger: &Ledger) {
    let others = vec![
        overheard("a", "1", 0, 9),
        overheard("b", "x", 0, 9),
        overheard("a", "3", 1, 9),
    ];
    hear(ledger, others, &["2"]).await;
    assert_eq!(ledger.pending(&session("a")), 1, "it is no work");
    let start = ledger.begin_turn(&session("a"), 1).await.unwrap().unwrap();
    assert_eq!(heard(ledger, 1), ["1"], "what came later is not its own");
    hear(ledger, vec![overheard("a", "4", 0, 9)], &[]).await;
    assert_eq!(heard(ledger, 1), ["1"], "begun again it sees the same");

    // An answer of the gateway itself takes nothing.
    let mut end = commit("a", start.turn, TurnOutcome::Done);
    ledger.commit_turn(end.clone()).await.unwrap();
    assert_eq!(heard(ledger, 2), ["1", "3", "4"]);
    end.turn = begun(ledger, "a", "5").await;
    end.outbox = vec![];
    end.heard = Some(1);
    ledger.commit_turn(end).await.unwrap();
    assert_eq!(heard(ledger, 9), ["3", "4"]);
    assert_eq!(ledger.heard(&session("b"), 9).len(), 1);
}

async fn the_newest_are_kept(ledger: &Ledger) {
    for id in ["1", "2", "3", "4", "5"] {
        hear(ledger, vec![overheard("a", id, 0, 3)], &[]).await;
    }
    assert_eq!(heard(ledger, 9), ["3", "4", "5"]);
    hear(ledger, vec![overheard("a", "6", 0, 1)], &[]).await;
    assert_eq!(heard(ledger, 9), ["6"]);
}

async fn what_was_heard_is_heard_once_and_forgotten_in_time(ledger: &Ledger) {
    let twice = vec![overheard("a", "1", 0, 9), overheard("a", "1", 0, 9)];
    hear(ledger, twice, &[]).await;
    hear(ledger, vec![overheard("a", "1", 0, 9)], &["1"]).await;
    assert_eq!(heard(ledger, 9), ["1"]);
    assert_eq!(ledger.pending(&session("a")), 0);
    ledger.prune_at(now_ms()).await.unwrap();
    assert!(
        heard(ledger, 9).is_empty(),
        "the fixture's messages are old"
    );
    let end = TurnCommit {
        heard: Some(9),
        ..commit("a", begun(ledger, "a", "2").await, TurnOutcome::Done)
    };
    ledger.commit_turn(end).await.unwrap();
}
