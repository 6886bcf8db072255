use serde_json::json;

use super::on_both;
use crate::tests::fixture::*;
use crate::{
    InboxState, Ledger, LedgerError, OutboxFilter, Reject, StepIntent, StepRow, TurnCommit, TurnNo,
    TurnOutcome, UsageRow,
};

on_both! {
    messages_are_answered_in_order,
    a_turn_that_never_ended_is_resumed,
    a_poison_message_runs_out_of_attempts,
    a_released_turn_costs_no_attempt,
    steps_survive_until_the_turn_ends,
    a_step_is_not_rewritten,
    the_end_of_a_turn_is_one_write,
    a_turn_ends_once,
    a_refused_commit_leaves_nothing_behind,
    a_queued_row_can_be_dropped_but_not_answered,
    usage_adds_up,
    what_another_session_is_told_comes_in_with_the_end_and_once,
}

async fn messages_are_answered_in_order(ledger: &Ledger) {
    let rows = (1..=3).map(|id| inbound("a", &id.to_string())).collect();
    ledger.append_inbound(rows, None).await.unwrap();
    for n in 1..=3 {
        let start = ledger.begin_turn(&session("a"), n).await.unwrap().unwrap();
        assert_eq!(
            (start.turn, start.attempt, start.exhausted),
            (TurnNo(n as u64), 1, false)
        );
        assert_eq!(start.row.source_id, n.to_string());
        assert_eq!(
            (start.row.state, start.row.changed_at_ms),
            (InboxState::Running, n)
        );
        ledger
            .commit_turn(commit("a", start.turn, TurnOutcome::Done))
            .await
            .unwrap();
    }
    assert!(ledger.begin_turn(&session("a"), 9).await.unwrap().is_none());
    assert_eq!(ledger.stats().turns_ended, 3);
}

async fn a_turn_that_never_ended_is_resumed(ledger: &Ledger) {
    let turn = begun(ledger, "a", "1").await;
    ledger
        .append_inbound(vec![inbound("a", "2")], None)
        .await
        .unwrap();
    let again = ledger.begin_turn(&session("a"), 1).await.unwrap().unwrap();
    assert_eq!(
        (again.turn, again.attempt),
        (turn, 2),
        "the newer message waits"
    );
}

async fn a_poison_message_runs_out_of_attempts(ledger: &Ledger) {
    ledger
        .append_inbound(vec![inbound("a", "1")], None)
        .await
        .unwrap();
    let mut seen = Vec::new();
    for now in 0..4 {
        let start = ledger
            .begin_turn(&session("a"), now)
            .await
            .unwrap()
            .unwrap();
        seen.push((start.attempt, start.exhausted));
    }
    assert_eq!(seen, [(1, false), (2, false), (3, false), (4, true)]);
}

async fn a_released_turn_costs_no_attempt(ledger: &Ledger) {
    let turn = begun(ledger, "a", "1").await;
    ledger.release_turn(&session("a"), turn).await.unwrap();
    assert_eq!(
        ledger.inbox_row(&session("a"), turn.0).unwrap().state,
        InboxState::Interrupted
    );
    assert_eq!(ledger.stats().inbox_interrupted, 1);
    let again = ledger.begin_turn(&session("a"), 1).await.unwrap().unwrap();
    assert_eq!((again.turn, again.attempt), (turn, 1));
    ledger
        .release_turn(&session("a"), TurnNo(9))
        .await
        .expect_err("no such turn");
}

fn intent(name: &str) -> StepIntent {
    StepIntent {
        kind: "tool".into(),
        name: name.into(),
        arguments: json!({ "text": "buy milk" }),
        idempotent: true,
    }
}

async fn steps_survive_until_the_turn_ends(ledger: &Ledger) {
    let turn = begun(ledger, "a", "1").await;
    let key = session("a");
    ledger
        .step_intent(&key, turn, 0, intent("memory_note"))
        .await
        .unwrap();
    ledger
        .step_result(&key, turn, 0, json!({ "ok": true }))
        .await
        .unwrap();
    ledger
        .step_intent(&key, turn, 1, intent("exec"))
        .await
        .unwrap();

    let again = ledger.begin_turn(&key, 1).await.unwrap().unwrap();
    let steps = [
        StepRow {
            k: 0,
            intent: intent("memory_note"),
            result: Some(json!({ "ok": true })),
        },
        StepRow {
            k: 1,
            intent: intent("exec"),
            result: None,
        },
    ];
    assert_eq!(again.steps, steps);

    ledger.release_turn(&key, turn).await.unwrap();
    let third = ledger.begin_turn(&key, 1).await.unwrap().unwrap();
    assert_eq!(third.steps, steps);
    ledger
        .commit_turn(commit("a", turn, TurnOutcome::Done))
        .await
        .unwrap();
    let next = begun(ledger, "a", "2").await;
    ledger.release_turn(&key, next).await.unwrap();
    assert_eq!(ledger.begin_turn(&key, 1).await.unwrap().unwrap().steps, []);
}

async fn a_step_is_not_rewritten(ledger: &Ledger) {
    let turn = begun(ledger, "a", "1").await;
    let key = session("a");
    ledger
        .step_intent(&key, turn, 0, intent("exec"))
        .await
        .unwrap();
    ledger
        .step_intent(&key, turn, 0, intent("exec"))
        .await
        .expect("the same intent again");
    let error = ledger
        .step_intent(&key, turn, 0, intent("rm"))
        .await
        .unwrap_err();
    assert!(
        matches!(error.reject(), Some(Reject::StepConflict { k: 0, .. })),
        "{error}"
    );
    let error = ledger
        .step_result(&key, turn, 5, json!(1))
        .await
        .unwrap_err();
    assert!(
        matches!(error.reject(), Some(Reject::NoSuchStep { k: 5, .. })),
        "{error}"
    );
}

async fn the_end_of_a_turn_is_one_write(ledger: &Ledger) {
    let turn = begun(ledger, "a", "1").await;
    let before = ledger.stats().commits;
    let done = ledger
        .commit_turn(commit("a", turn, TurnOutcome::Done))
        .await
        .unwrap();
    assert_eq!(ledger.stats().commits, before + 1);
    assert_eq!(
        (done.outbox_accounts, done.first_entry),
        (vec![account()], 1)
    );

    assert_eq!(
        ledger.inbox_row(&session("a"), 1).unwrap().state,
        InboxState::Done
    );
    assert_eq!(
        ledger.session_entry(&session("a")).unwrap()["model"],
        "basic"
    );
    let transcript = ledger.transcript("id-a", 0);
    assert_eq!(
        transcript.iter().map(|(n, _)| *n).collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(transcript[1].1["text"], "answer");
    let outbox = ledger.outbox(&OutboxFilter::default());
    assert_eq!(outbox.len(), 1);
    assert_eq!((outbox[0].key.seq, outbox[0].route.to.as_str()), (1, "42"));
}

async fn a_turn_ends_once(ledger: &Ledger) {
    let turn = begun(ledger, "a", "1").await;
    ledger
        .commit_turn(commit("a", turn, TurnOutcome::Done))
        .await
        .unwrap();
    let error = ledger
        .commit_turn(commit("a", turn, TurnOutcome::Done))
        .await
        .unwrap_err();
    let state = InboxState::Done;
    let session = session("a").to_string();
    assert_eq!(
        error.reject(),
        Some(&Reject::TurnNotRunning {
            session,
            turn: 1,
            state
        })
    );
    assert_eq!(ledger.transcript_len("id-a"), 2);
    assert_eq!(ledger.outbox(&OutboxFilter::default()).len(), 1);
}

async fn a_refused_commit_leaves_nothing_behind(ledger: &Ledger) {
    let before = ledger.stats();
    let error = ledger
        .commit_turn(commit("a", TurnNo(7), TurnOutcome::Done))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            LedgerError::Rejected(Reject::NoSuchTurn { turn: 7, .. })
        ),
        "{error}"
    );
    let after = ledger.stats();
    assert_eq!(
        (after.commits, after.rejects),
        (before.commits, before.rejects + 1)
    );
    assert_eq!(ledger.transcript_len("id-a"), 0);
    assert!(ledger.session_entry(&session("a")).is_none());
    ledger
        .append_inbound(vec![inbound("a", "1")], None)
        .await
        .expect("the ledger goes on");
}

async fn a_queued_row_can_be_dropped_but_not_answered(ledger: &Ledger) {
    ledger
        .append_inbound(vec![inbound("a", "1")], None)
        .await
        .unwrap();
    let quiet = |outcome| TurnCommit {
        entries: vec![],
        outbox: vec![],
        entry: None,
        ..commit("a", TurnNo(1), outcome)
    };
    ledger
        .commit_turn(quiet(TurnOutcome::Done))
        .await
        .expect_err("nobody claimed it");
    ledger
        .commit_turn(quiet(TurnOutcome::Aborted))
        .await
        .unwrap();
    assert_eq!(
        ledger.inbox_row(&session("a"), 1).unwrap().state,
        InboxState::Aborted
    );
    assert!(ledger.open_sessions().is_empty());
    assert_eq!(ledger.stats().inbox_pending, 0);
}

async fn usage_adds_up(ledger: &Ledger) {
    for (n, (model, at_ms)) in [("m", 10), ("m", 20), ("n", 30)].into_iter().enumerate() {
        let turn = begun(ledger, "a", &n.to_string()).await;
        let usage = UsageRow {
            provider: "p".into(),
            model: model.into(),
            input: 100,
            output: 10,
            cache_read: 1,
            cost_usd: 0.25,
            ..UsageRow::new(session("a"), at_ms)
        };
        let end = TurnCommit {
            usage: vec![usage],
            ..commit("a", turn, TurnOutcome::Done)
        };
        ledger.commit_turn(end).await.unwrap();
    }
    let sums = ledger.usage(0, 31);
    assert_eq!(
        (sums.total.calls, sums.total.input, sums.total.cost_usd),
        (3, 300, 0.75)
    );
    assert_eq!(
        (sums.models["p/m"].calls, sums.models["p/n"].output),
        (2, 10)
    );
    assert_eq!(sums.agents["main"], sums.total);
    assert_eq!(
        ledger.usage(10, 20).total.calls,
        1,
        "the end is not part of the period"
    );
}

/// The end of a turn and what another session is told of it are one write; the same end is told once.
async fn what_another_session_is_told_comes_in_with_the_end_and_once(ledger: &Ledger) {
    let told = || vec![inbound("b", "end of a")];
    let turn = begun(ledger, "a", "1").await;
    let end = TurnCommit {
        tell: told(),
        ..commit("a", turn, TurnOutcome::Done)
    };
    ledger.commit_turn(end.clone()).await.unwrap();
    assert_eq!(ledger.pending(&session("b")), 1);
    // A turn that is over ends no more, and tells nobody.
    ledger.commit_turn(end).await.unwrap_err();
    let turn = begun(ledger, "a", "2").await;
    let again = TurnCommit {
        tell: told(),
        ..commit("a", turn, TurnOutcome::Done)
    };
    ledger.commit_turn(again).await.unwrap();
    assert_eq!(ledger.pending(&session("b")), 1);
}
