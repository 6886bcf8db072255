//! Where a message stands and how it came there, and what a person can do about one that ended badly.

use super::on_both;
use crate::tests::fixture::*;
use crate::{
    InboxState, Ledger, Move, NewOutbound, OutboxKey, OutboxState, Reject, RowId, Trace,
    TurnCommit, TurnOutcome, UnknownPolicy,
};

on_both! {
    every_move_of_a_message_is_written_down,
    a_message_is_found_by_each_of_its_ids,
    a_crash_shows_in_the_moves,
    a_row_s_moves_are_bounded,
    a_dead_letter_is_tried_again_with_fresh_attempts,
    a_dropped_letter_is_gone_for_good,
    what_is_no_dead_letter_is_neither_retried_nor_dropped,
}

fn moves(moves: &[Move]) -> Vec<(&str, u8, &str)> {
    let seen = |step: &'_ Move| (step.state.unwrap(), step.attempts);
    moves
        .iter()
        .map(|step| (seen(step).0, seen(step).1, step.why.as_str()))
        .collect()
}

/// Message "1" of session a, answered and sent as platform message 71.
async fn answered(ledger: &Ledger) {
    let turn = begun(ledger, "a", "1").await;
    let answer = NewOutbound {
        session: Some(session("a")),
        turn: Some(turn),
        ..outbound("42", "answer")
    };
    let end = TurnCommit {
        outbox: vec![answer],
        ..commit("a", turn, TurnOutcome::Done)
    };
    ledger.commit_turn(end).await.unwrap();
    let rows = ledger
        .claim_outbox(&account(), 3_000, 1, &[])
        .await
        .unwrap();
    ledger
        .mark_retry(&rows[0].key, 3_500, "429: slow down")
        .await
        .unwrap();
    let rows = ledger
        .claim_outbox(&account(), 4_000, 1, &[])
        .await
        .unwrap();
    ledger
        .mark_sent(&rows[0].key, vec!["71".into()])
        .await
        .unwrap();
}

async fn every_move_of_a_message_is_written_down(ledger: &Ledger) {
    answered(ledger).await;
    let trace = ledger.trace("agent:main:a#1");
    assert_eq!(
        moves(&trace.inbound[0].moves),
        [
            ("pending", 0, "received"),
            ("running", 1, "claimed"),
            ("done", 1, "answered")
        ]
    );
    assert_eq!(trace.inbound[0].moves[1].at_ms, 2_000);
    assert_eq!(trace.outbound[0].id, "telegram/home#1");
    assert_eq!(
        moves(&trace.outbound[0].moves),
        [
            ("prepared", 0, "queued"),
            ("attempting", 1, "claimed"),
            ("prepared", 1, "429: slow down"),
            ("attempting", 2, "claimed"),
            ("sent", 2, "the platform has it")
        ]
    );
}

fn ids(trace: &Trace) -> (Vec<&str>, Vec<&str>) {
    let inbound = trace.inbound.iter().map(|story| story.id.as_str());
    let outbound = trace.outbound.iter().map(|story| story.id.as_str());
    (inbound.collect(), outbound.collect())
}

async fn a_message_is_found_by_each_of_its_ids(ledger: &Ledger) {
    answered(ledger).await;
    begun(ledger, "b", "2").await;
    ledger.enqueue(vec![outbound("9", "notice")]).await.unwrap();
    let whole = (vec!["agent:main:a#1"], vec!["telegram/home#1"]);
    for id in [
        "agent:main:a#1",
        "telegram/home#1",
        "run-1",
        "1",
        "71",
        "key-answer",
    ] {
        assert_eq!(ids(&ledger.trace(id)), whole, "{id}");
    }
    assert_eq!(
        ids(&ledger.trace("run-2")),
        (vec!["agent:main:b#1"], vec![])
    );
    assert_eq!(
        ids(&ledger.trace("key-notice")),
        (vec![], vec!["telegram/home#2"])
    );
    let both = ledger.trace("aa");
    assert_eq!(both.inbound.len(), 2, "one trace may hold several messages");
    for id in [
        "",
        "7",
        "run",
        "nobody",
        "agent:main:a#9",
        "telegram/home#9",
    ] {
        assert!(ledger.trace(id).is_empty(), "{id}");
    }
}

async fn a_crash_shows_in_the_moves(ledger: &Ledger) {
    begun(ledger, "a", "1").await;
    ledger.enqueue(vec![outbound("1", "x")]).await.unwrap();
    ledger.claim_outbox(&account(), 1, 1, &[]).await.unwrap();
    ledger.recover(UnknownPolicy::hold()).await.unwrap();
    let last = |moves: &[Move]| moves.last().map(|step| (step.state, step.why.clone()));
    let inbound = ledger.trace("agent:main:a#1").inbound;
    let why = "whoever worked on it ended".to_owned();
    assert_eq!(last(&inbound[0].moves), Some((Some("interrupted"), why)));
    let outbound = ledger.trace("telegram/home#1").outbound;
    let (state, why) = last(&outbound[0].moves).unwrap();
    assert_eq!(state, Some("unknown"));
    assert!(why.contains("nobody knows whether it arrived"), "{why}");
}

async fn a_row_s_moves_are_bounded(ledger: &Ledger) {
    ledger.enqueue(vec![outbound("1", "x")]).await.unwrap();
    for n in 0..50 {
        let rows = ledger.claim_outbox(&account(), n, 1, &[]).await.unwrap();
        ledger.mark_retry(&rows[0].key, n, "429").await.unwrap();
    }
    let story = &ledger.trace("telegram/home#1").outbound[0];
    assert_eq!((story.moves.len(), story.moves_left_out), (24, 77));
    assert_eq!(story.moves[0].why, "queued");
    assert_eq!(story.row.attempts, 50);
}

async fn a_dead_letter_is_tried_again_with_fresh_attempts(ledger: &Ledger) {
    let turn = begun(ledger, "a", "1").await;
    let dead = TurnOutcome::Dead {
        reason: "it crashed three times".into(),
        crash: Some("c-1".into()),
    };
    ledger.commit_turn(commit("a", turn, dead)).await.unwrap();
    let again = ledger
        .retry_inbound(&session("a"), turn.0, "ann")
        .await
        .unwrap();
    let trace = ledger.trace("run-1");
    assert_eq!(ids(&trace).0, ["agent:main:a#1", "agent:main:a#2"]);
    assert_eq!(
        moves(&trace.inbound[0].moves)[2..],
        [
            ("dead", 1, "it crashed three times (crash c-1)"),
            ("failed", 1, "retried as #2 by ann")
        ]
    );
    assert_eq!(
        moves(&trace.inbound[1].moves),
        [("pending", 0, "retried from #1 by ann")]
    );
    let start = ledger.begin_turn(&session("a"), 9).await.unwrap().unwrap();
    assert_eq!((start.turn.0, start.attempt), (again, 1));

    let rows = ledger.claim_outbox(&account(), 1, 1, &[]).await.unwrap();
    ledger
        .mark_dead(&rows[0].key, "403: blocked")
        .await
        .unwrap();
    ledger.requeue(&rows[0].key, "ann").await.unwrap();
    let story = &ledger.trace("telegram/home#1").outbound[0];
    assert_eq!(
        (story.row.state, story.row.attempts),
        (OutboxState::Prepared, 0)
    );
    assert_eq!(
        moves(&story.moves)[2..],
        [
            ("dead", 1, "403: blocked"),
            ("prepared", 0, "retried by ann")
        ]
    );
    assert!(ledger.dead_letters().0.is_empty() && ledger.dead_letters().1.is_empty());
}

async fn a_dropped_letter_is_gone_for_good(ledger: &Ledger) {
    let turn = begun(ledger, "a", "1").await;
    let reason = "poison".into();
    let dead = TurnOutcome::Dead {
        reason,
        crash: None,
    };
    ledger.commit_turn(commit("a", turn, dead)).await.unwrap();
    let row = ledger.claim_outbox(&account(), 1, 1, &[]).await.unwrap()[0]
        .key
        .clone();
    ledger
        .mark_unknown(&row, "the connection broke")
        .await
        .unwrap();

    ledger
        .drop_inbound(&session("a"), turn.0, "ann")
        .await
        .unwrap();
    ledger.drop_outbound(&row, "ann").await.unwrap();
    assert!(ledger.dead_letters().0.is_empty() && ledger.dead_letters().1.is_empty());
    let stats = ledger.stats();
    assert_eq!(
        (stats.inbox_dead, stats.outbox_unknown, stats.outbox_dead),
        (0, 0, 0)
    );
    let trace = ledger.trace("agent:main:a#1");
    assert_eq!(trace.inbound[0].row.state, InboxState::Dropped);
    assert_eq!(
        moves(&trace.inbound[0].moves)[3],
        ("dropped", 1, "dropped by ann")
    );
    let story = &ledger.trace("telegram/home#1").outbound[0];
    assert_eq!(story.row.state, OutboxState::Dropped);
    assert_eq!(
        story.row.error.as_deref(),
        Some("the connection broke"),
        "the reason stays"
    );
    ledger
        .retry_inbound(&session("a"), turn.0, "ann")
        .await
        .unwrap_err();
    ledger.requeue(&row, "ann").await.unwrap_err();
    assert!(
        ledger
            .claim_outbox(&account(), 9, 9, &[])
            .await
            .unwrap()
            .is_empty()
    );
}

async fn what_is_no_dead_letter_is_neither_retried_nor_dropped(ledger: &Ledger) {
    answered(ledger).await;
    let row = OutboxKey {
        account: account(),
        seq: 1,
    };
    for error in [
        ledger
            .retry_inbound(&session("a"), 1, "ann")
            .await
            .unwrap_err(),
        ledger
            .drop_inbound(&session("a"), 1, "ann")
            .await
            .unwrap_err(),
        ledger.requeue(&row, "ann").await.unwrap_err(),
        ledger.drop_outbound(&row, "ann").await.unwrap_err(),
    ] {
        let refused = matches!(
            error.reject(),
            Some(Reject::WrongInboundState { .. } | Reject::WrongOutboundState { .. })
        );
        assert!(refused, "{error}");
    }
    let story = ledger.story(&"telegram/home#1".parse::<RowId>().unwrap());
    assert_eq!(story.outbound[0].moves.len(), 5, "a refusal is no move");
    assert!(story.inbound.is_empty());
}
