//! Several rows, one turn.

use serde_json::json;

use super::on_both;
use crate::tests::fixture::*;
use crate::{
    InboxFilter, InboxState, Ledger, StepIntent, TurnCommit, TurnNo, TurnOutcome, UnknownPolicy,
};

on_both! {
    a_turn_takes_rows_with_it_and_ends_them_as_itself,
    after_a_crash_a_turn_has_the_rows_it_had,
    rows_join_a_running_turn_with_the_step_that_shows_them,
    a_poison_turn_lets_its_company_go,
}

async fn three(ledger: &Ledger) {
    let rows = (1..=3).map(|id| inbound("a", &id.to_string())).collect();
    ledger.append_inbound(rows, None).await.unwrap();
}

fn states(ledger: &Ledger) -> Vec<(InboxState, u32)> {
    let rows = ledger.inbox(&InboxFilter::default());
    rows.iter().map(|row| (row.state, row.attempts)).collect()
}

fn company(start: &crate::TurnStart) -> Vec<u64> {
    start.with.iter().map(|row| row.seq).collect()
}

fn ending(with: &[u64], outcome: TurnOutcome) -> TurnCommit {
    TurnCommit {
        with: with.to_vec(),
        ..commit("a", TurnNo(1), outcome)
    }
}

fn shown() -> StepIntent {
    StepIntent {
        kind: "joined".into(),
        name: String::new(),
        arguments: json!({ "rows": [2] }),
        idempotent: true,
    }
}

async fn a_turn_takes_rows_with_it_and_ends_them_as_itself(ledger: &Ledger) {
    three(ledger).await;
    let before = ledger.stats().ops;
    let start = ledger
        .begin_turn_with(&session("a"), &[3, 3, 1, 9], 5)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((start.turn.0, company(&start)), (1, vec![3]));
    assert_eq!(ledger.stats().ops, before + 1, "one write claims them all");
    ledger
        .commit_turn(ending(&[2, 3], TurnOutcome::Done))
        .await
        .unwrap();
    // A row that was not claimed is not ended by naming it.
    assert_eq!(
        states(ledger),
        [
            (InboxState::Done, 1),
            (InboxState::Pending, 0),
            (InboxState::Done, 1)
        ]
    );
    let row = ledger.inbox_row(&session("a"), 3).unwrap();
    assert_eq!(row.state, InboxState::Done);
}

async fn after_a_crash_a_turn_has_the_rows_it_had(ledger: &Ledger) {
    three(ledger).await;
    ledger
        .begin_turn_with(&session("a"), &[2], 5)
        .await
        .unwrap()
        .unwrap();
    ledger.recover(UnknownPolicy::hold()).await.unwrap();
    ledger
        .append_inbound(vec![inbound("a", "4")], None)
        .await
        .unwrap();
    // Whatever the next attempt would like to take: it is the same turn.
    let again = ledger
        .begin_turn_with(&session("a"), &[3, 4], 6)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((again.attempt, company(&again)), (2, vec![2]));
    ledger
        .commit_turn(ending(&[2], TurnOutcome::Aborted))
        .await
        .unwrap();
    let next = ledger.begin_turn(&session("a"), 7).await.unwrap().unwrap();
    assert_eq!((next.turn.0, next.attempt, company(&next)), (3, 1, vec![]));
}

async fn rows_join_a_running_turn_with_the_step_that_shows_them(ledger: &Ledger) {
    three(ledger).await;
    let key = session("a");
    let turn = ledger.begin_turn(&key, 5).await.unwrap().unwrap().turn;
    ledger
        .join_turn(&key, turn, 0, &[2], shown())
        .await
        .unwrap();
    ledger
        .join_turn(&key, turn, 1, &[2], shown())
        .await
        .expect_err("claimed already");
    ledger
        .join_turn(&key, turn, 0, &[3], shown())
        .await
        .expect_err("the step is taken");
    ledger
        .join_turn(&key, TurnNo(3), 0, &[3], shown())
        .await
        .expect_err("not running");
    assert_eq!(
        ledger.inbox_row(&key, 3).unwrap().state,
        InboxState::Pending
    );

    let again = ledger.begin_turn(&key, 6).await.unwrap().unwrap();
    assert_eq!(company(&again), [2]);
    let [step] = again.steps.as_slice() else {
        panic!("{:?}", again.steps)
    };
    assert_eq!((step.k, &step.intent), (0, &shown()));
    assert!(step.result.is_some());
}

async fn a_poison_turn_lets_its_company_go(ledger: &Ledger) {
    three(ledger).await;
    ledger
        .begin_turn_with(&session("a"), &[2, 3], 5)
        .await
        .unwrap()
        .unwrap();
    let dead = TurnOutcome::Dead {
        reason: "stumbled three times".into(),
        crash: None,
    };
    ledger.commit_turn(ending(&[2, 3], dead)).await.unwrap();
    assert_eq!(
        states(ledger),
        [
            (InboxState::Dead, 1),
            (InboxState::Pending, 1),
            (InboxState::Pending, 1)
        ]
    );
    // From here on each goes alone.
    let next = ledger
        .begin_turn_with(&session("a"), &[3], 6)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((next.turn.0, next.attempt, company(&next)), (2, 2, vec![]));
}
