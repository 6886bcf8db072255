use serde_json::json;

use super::on_both;
use crate::tests::fixture::*;
use crate::{Accepted, InboxFilter, InboxState, Ledger, OutboxFilter, TurnOutcome};

on_both! {
    a_session_has_a_bound,
    rows_and_cursor_come_together,
    a_repeated_update_is_dropped,
    a_source_id_counts_within_its_source,
    an_empty_poll_moves_the_cursor,
    a_notice_goes_out_once,
    a_client_retry_gets_the_first_answer,
    an_answer_older_than_a_day_does_not_count,
    names_with_odd_characters_stay_apart,
    a_dead_row_can_be_tried_again,
    open_rows_are_listed_by_session,
}

async fn rows_and_cursor_come_together(ledger: &Ledger) {
    let rows = vec![inbound("a", "1"), inbound("b", "2"), inbound("a", "3")];
    let appended = ledger.append_inbound(rows, cursor("4")).await.unwrap();
    let seqs: Vec<_> = appended
        .iter()
        .map(|row| (row.session.rest(), row.seq, row.fresh))
        .collect();
    assert_eq!(seqs, [("a", 1, true), ("b", 1, true), ("a", 2, true)]);
    assert_eq!(ledger.cursor("telegram/home").as_deref(), Some("4"));
    assert_eq!(ledger.cursor("telegram/other"), None);
    assert_eq!(
        (ledger.pending(&session("a")), ledger.pending(&session("c"))),
        (2, 0)
    );

    let row = ledger.inbox_row(&session("a"), 2).unwrap();
    let sent = inbound("a", "3");
    assert_eq!(
        (row.body, row.reply, row.run_id),
        (sent.body, sent.reply, sent.run_id)
    );
    assert_eq!((row.source, row.source_id), (sent.source, sent.source_id));
    assert_eq!(
        (row.traceparent, row.received_at_ms),
        (sent.traceparent, 1_000)
    );
    assert_eq!((row.state, row.attempts), (InboxState::Pending, 0));
}

async fn a_repeated_update_is_dropped(ledger: &Ledger) {
    ledger
        .append_inbound(vec![inbound("a", "1")], cursor("2"))
        .await
        .unwrap();
    // The platform repeats it, now together with a new one; twins within one batch count as well.
    let rows = vec![inbound("a", "1"), inbound("a", "2"), inbound("a", "2")];
    let appended = ledger.append_inbound(rows, cursor("3")).await.unwrap();
    let seen: Vec<_> = appended.iter().map(|row| (row.seq, row.fresh)).collect();
    assert_eq!(seen, [(1, false), (2, true), (2, false)]);
    assert_eq!(ledger.pending(&session("a")), 2);
}

async fn a_source_id_counts_within_its_source(ledger: &Ledger) {
    let mut other = inbound("a", "1");
    other.source = "telegram/work".into();
    let appended = ledger
        .append_inbound(vec![inbound("a", "1"), other], None)
        .await
        .unwrap();
    assert!(appended.iter().all(|row| row.fresh));
}

async fn an_empty_poll_moves_the_cursor(ledger: &Ledger) {
    assert_eq!(
        ledger.append_inbound(vec![], cursor("9")).await.unwrap(),
        []
    );
    assert_eq!(ledger.cursor("telegram/home").as_deref(), Some("9"));
}

async fn a_notice_goes_out_once(ledger: &Ledger) {
    for _ in 0..2 {
        ledger
            .append_batch(notice("7", "99", "your code is ABCD"))
            .await
            .unwrap();
    }
    let rows = ledger.outbox(&OutboxFilter::default());
    assert_eq!(rows.len(), 1);
    assert!(rows[0].notice);
    assert_eq!(rows[0].payload.text, "your code is ABCD");
    // The same event as a message afterwards is a repeat, too.
    let appended = ledger
        .append_inbound(vec![inbound("a", "7")], None)
        .await
        .unwrap();
    assert!(!appended[0].fresh);
}

async fn a_client_retry_gets_the_first_answer(ledger: &Ledger) {
    let first = json!({ "runId": "run-1" });
    let accepted = ledger
        .accept(inbound("a", "1"), "ws", "key", first.clone())
        .await
        .unwrap();
    assert_eq!(accepted, Accepted::Fresh(1));
    let again = ledger
        .accept(inbound("a", "1"), "ws", "key", json!({ "runId": "run-2" }))
        .await;
    assert_eq!(again.unwrap(), Accepted::Repeat(first));
    let other = ledger
        .accept(inbound("a", "2"), "ws", "key 2", json!(null))
        .await
        .unwrap();
    assert_eq!(other, Accepted::Fresh(2));
    assert_eq!(ledger.pending(&session("a")), 2);

    assert_eq!(ledger.recall("ws", "unheard"), None);
    ledger.remember("ws", "unheard", json!([1])).await.unwrap();
    assert_eq!(ledger.recall("ws", "unheard"), Some(json!([1])));
}

async fn an_answer_older_than_a_day_does_not_count(ledger: &Ledger) {
    ledger
        .accept(inbound("a", "1"), "ws", "key", json!(1))
        .await
        .unwrap();
    assert_eq!(ledger.recall("ws", "key"), None, "it was given in 1970");
    let mut later = inbound("a", "2");
    later.received_at_ms += 24 * 3600 * 1000;
    assert_eq!(
        ledger.accept(later, "ws", "key", json!(2)).await.unwrap(),
        Accepted::Fresh(2)
    );
}

async fn names_with_odd_characters_stay_apart(ledger: &Ledger) {
    for (scope, key) in [
        ("a", "b\0c"),
        ("a\0b", "c"),
        ("a\0", "b\0c"),
        ("a", "\0b\0c"),
        ("a", "ÿ"),
    ] {
        assert_eq!(ledger.recall(scope, key), None, "{scope:?} {key:?}");
        ledger
            .remember(scope, key, json!([scope, key]))
            .await
            .unwrap();
        assert_eq!(ledger.recall(scope, key), Some(json!([scope, key])));
    }
}

async fn a_dead_row_can_be_tried_again(ledger: &Ledger) {
    let turn = begun(ledger, "a", "1").await;
    let dead = TurnOutcome::Dead {
        reason: "panicked thrice".into(),
        crash: Some("c-1".into()),
    };
    ledger.commit_turn(commit("a", turn, dead)).await.unwrap();
    let (inbox, _) = ledger.dead_letters();
    assert_eq!(inbox.len(), 1);
    assert_eq!(inbox[0].reason.as_deref(), Some("panicked thrice"));
    assert_eq!(inbox[0].crash.as_deref(), Some("c-1"));
    assert_eq!(ledger.stats().inbox_dead, 1);

    assert_eq!(
        ledger
            .retry_inbound(&session("a"), turn.0, "ann")
            .await
            .unwrap(),
        2
    );
    let start = ledger
        .begin_turn(&session("a"), 3_000)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((start.turn.0, start.attempt), (2, 1));
    assert_eq!(start.row.body.text, "text of 1");
    assert!(ledger.dead_letters().0.is_empty());
    assert_eq!(ledger.stats().inbox_dead, 0);
    ledger
        .retry_inbound(&session("a"), 2, "ann")
        .await
        .expect_err("it is running");
}

async fn open_rows_are_listed_by_session(ledger: &Ledger) {
    let rows = vec![
        inbound("b", "1"),
        inbound("a", "2"),
        inbound("b", "3"),
        inbound("b:x", "4"),
    ];
    ledger.append_inbound(rows, None).await.unwrap();
    assert_eq!(
        ledger.open_sessions(),
        [session("a"), session("b"), session("b:x")]
    );
    let turn = ledger
        .begin_turn(&session("a"), 1)
        .await
        .unwrap()
        .unwrap()
        .turn;
    assert_eq!(ledger.open_sessions().len(), 3, "a running row is open");
    ledger
        .commit_turn(commit("a", turn, TurnOutcome::Done))
        .await
        .unwrap();
    assert_eq!(ledger.open_sessions(), [session("b"), session("b:x")]);

    let list = |filter: InboxFilter| -> Vec<_> {
        let rows = ledger.inbox(&filter);
        rows.into_iter().map(|row| row.source_id).collect()
    };
    let all = InboxFilter::default;
    assert_eq!(list(all()), ["2", "1", "3", "4"]);
    assert_eq!(
        list(InboxFilter {
            open_only: true,
            ..all()
        }),
        ["1", "3", "4"]
    );
    assert_eq!(
        list(InboxFilter {
            state: Some(InboxState::Done),
            ..all()
        }),
        ["2"]
    );
    assert_eq!(
        list(InboxFilter {
            session: Some(session("b")),
            ..all()
        }),
        ["1", "3"]
    );
    assert_eq!(list(InboxFilter { limit: 2, ..all() }), ["2", "1"]);
}

async fn a_session_has_a_bound(ledger: &Ledger) {
    let rows = |from: u32, until: u32| {
        (from..until)
            .map(|n| inbound("a", &n.to_string()))
            .collect()
    };
    ledger
        .append_inbound(rows(0, 1001), cursor("9"))
        .await
        .unwrap();
    let stats = ledger.stats();
    assert_eq!((stats.inbox_pending, stats.inbox_dead), (1000, 1));
    let letter = &ledger.dead_letters().0[0];
    assert_eq!(letter.seq, 1001);
    assert_eq!(
        letter.reason.as_deref(),
        Some("1000 messages already wait in this session")
    );
    assert_eq!(
        ledger.cursor("telegram/home").as_deref(),
        Some("9"),
        "nothing is blocked"
    );
    let error = ledger
        .accept(inbound("a", "x"), "ws", "key", serde_json::json!({}))
        .await
        .unwrap_err();
    assert!(
        matches!(error.reject(), Some(crate::Reject::SessionFull { .. })),
        "{error}"
    );
    assert_eq!(ledger.recall("ws", "key"), None, "it may be sent again");
    let turn = ledger
        .begin_turn(&session("a"), 1)
        .await
        .unwrap()
        .unwrap()
        .turn;
    ledger
        .commit_turn(commit("a", turn, crate::TurnOutcome::Done))
        .await
        .unwrap();
    ledger
        .accept(inbound("a", "x"), "ws", "key", serde_json::json!({}))
        .await
        .expect("there is room again");
}
