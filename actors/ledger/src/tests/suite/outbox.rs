use super::on_both;
use crate::tests::fixture::*;
use crate::{Lane, Ledger, NewOutbound, OutboxFilter, OutboxKey, OutboxRow, OutboxState, Reject};

on_both! {
    each_destination_keeps_its_order,
    a_busy_lane_is_left_alone,
    a_retry_holds_its_lane_until_it_is_due,
    the_next_due_time_is_known,
    a_message_past_its_time_dies,
    every_end_is_recorded,
    states_only_move_forward,
    a_late_success_is_believed,
    a_released_row_costs_no_attempt,
    a_person_can_send_a_dead_letter_again,
    accounts_do_not_mix,
    an_outbox_has_a_bound,
}

async fn queued(ledger: &Ledger, rows: &[(&str, &str)]) {
    let rows = rows.iter().map(|(to, text)| outbound(to, text)).collect();
    ledger.enqueue(rows).await.unwrap();
}

async fn claim(ledger: &Ledger, now_ms: i64, busy: &[Lane]) -> Vec<OutboxRow> {
    ledger
        .claim_outbox(&account(), now_ms, 10, busy)
        .await
        .unwrap()
}

fn texts(rows: &[OutboxRow]) -> Vec<&str> {
    rows.iter().map(|row| row.payload.text.as_str()).collect()
}

fn row(ledger: &Ledger, seq: u64) -> OutboxRow {
    let rows = ledger.outbox(&OutboxFilter::default());
    rows.into_iter().find(|row| row.key.seq == seq).unwrap()
}

async fn each_destination_keeps_its_order(ledger: &Ledger) {
    let rows = [
        ("1", "a1"),
        ("1", "a2"),
        ("2", "b1"),
        ("2", "b2"),
        ("1", "a3"),
    ];
    queued(ledger, &rows).await;
    let heads = claim(ledger, 1, &[]).await;
    assert_eq!(texts(&heads), ["a1", "b1"]);
    assert!(
        heads
            .iter()
            .all(|row| (row.state, row.attempts) == (OutboxState::Attempting, 1))
    );
    assert!(
        claim(ledger, 1, &[]).await.is_empty(),
        "claimed rows hold their lanes"
    );
    ledger
        .mark_sent(&heads[1].key, vec!["7".into()])
        .await
        .unwrap();
    assert_eq!(texts(&claim(ledger, 1, &[]).await), ["b2"]);
    ledger
        .mark_sent(&heads[0].key, vec!["8".into()])
        .await
        .unwrap();
    let next = claim(ledger, 1, &[]).await;
    assert_eq!(texts(&next), ["a2"]);
    ledger.mark_sent(&next[0].key, vec![]).await.unwrap();
    assert_eq!(texts(&claim(ledger, 1, &[]).await), ["a3"]);
    assert_eq!(
        (ledger.outbox_open(&account()), ledger.stats().sent),
        (2, 3)
    );
}

async fn a_busy_lane_is_left_alone(ledger: &Ledger) {
    queued(ledger, &[("1", "a1"), ("2", "b1")]).await;
    let rows = claim(ledger, 1, &[Lane::of(&route("1"))]).await;
    assert_eq!(texts(&rows), ["b1"]);
    assert!(
        ledger
            .claim_outbox(&account(), 1, 0, &[])
            .await
            .unwrap()
            .is_empty()
    );
}

async fn a_retry_holds_its_lane_until_it_is_due(ledger: &Ledger) {
    queued(ledger, &[("1", "a1"), ("1", "a2")]).await;
    let first = claim(ledger, 1, &[]).await;
    ledger.mark_retry(&first[0].key, 100, "429").await.unwrap();
    assert!(
        claim(ledger, 99, &[]).await.is_empty(),
        "the second must not overtake the first"
    );
    let again = claim(ledger, 100, &[]).await;
    assert_eq!(texts(&again), ["a1"]);
    assert_eq!(
        (again[0].attempts, again[0].error.as_deref()),
        (2, Some("429"))
    );
}

async fn the_next_due_time_is_known(ledger: &Ledger) {
    assert_eq!(ledger.outbox_next_due(&account()), None);
    queued(ledger, &[("1", "a1"), ("1", "a2"), ("2", "b1")]).await;
    assert_eq!(ledger.outbox_next_due(&account()), Some(0));
    let rows = claim(ledger, 1, &[]).await;
    assert_eq!(
        ledger.outbox_next_due(&account()),
        None,
        "what is in hand is not due"
    );
    ledger.mark_retry(&rows[0].key, 500, "later").await.unwrap();
    assert_eq!(ledger.outbox_next_due(&account()), Some(500));
    ledger.mark_retry(&rows[1].key, 300, "later").await.unwrap();
    assert_eq!(ledger.outbox_next_due(&account()), Some(300));
    assert_eq!(ledger.open_accounts(), [account()]);
}

async fn a_message_past_its_time_dies(ledger: &Ledger) {
    let fleeting = NewOutbound {
        expires_at_ms: Some(50),
        ..outbound("1", "old")
    };
    ledger
        .enqueue(vec![fleeting, outbound("1", "new")])
        .await
        .unwrap();
    assert_eq!(
        texts(&claim(ledger, 50, &[]).await),
        ["new"],
        "it does not hold its lane"
    );
    let dead = row(ledger, 1);
    assert_eq!((dead.state, dead.attempts), (OutboxState::Dead, 0));
    assert_eq!(
        dead.error.as_deref(),
        Some("expired before it could be sent")
    );
    assert_eq!(ledger.stats().outbox_dead, 1);
}

async fn every_end_is_recorded(ledger: &Ledger) {
    queued(ledger, &[("1", "a"), ("2", "b"), ("3", "c")]).await;
    let rows = claim(ledger, 1, &[]).await;
    ledger
        .mark_sent(&rows[0].key, vec!["71".into(), "72".into()])
        .await
        .unwrap();
    ledger
        .mark_dead(&rows[1].key, "403: blocked by the user")
        .await
        .unwrap();
    ledger
        .mark_unknown(&rows[2].key, "the connection broke")
        .await
        .unwrap();
    assert_eq!(row(ledger, 1).platform_ids, ["71", "72"]);
    let (_, letters) = ledger.dead_letters();
    let letters: Vec<_> = letters
        .iter()
        .map(|row| (row.state, row.error.as_deref()))
        .collect();
    let dead = (OutboxState::Dead, Some("403: blocked by the user"));
    let unknown = (OutboxState::Unknown, Some("the connection broke"));
    assert_eq!(letters, [dead, unknown]);
    let stats = ledger.stats();
    assert_eq!((stats.outbox_prepared, stats.outbox_attempting), (0, 0));
    assert_eq!(
        (stats.sent, stats.outbox_dead, stats.outbox_unknown),
        (1, 1, 1)
    );
}

async fn states_only_move_forward(ledger: &Ledger) {
    queued(ledger, &[("1", "a")]).await;
    let key = OutboxKey {
        account: account(),
        seq: 1,
    };
    for error in [
        ledger.mark_retry(&key, 1, "x").await.unwrap_err(),
        ledger.mark_unknown(&key, "x").await.unwrap_err(),
        ledger.release(&key).await.unwrap_err(),
        ledger.requeue(&key, "ann").await.unwrap_err(),
    ] {
        assert!(
            matches!(error.reject(), Some(Reject::WrongOutboundState { .. })),
            "{error}"
        );
    }
    let none = OutboxKey {
        seq: 9,
        ..key.clone()
    };
    let error = ledger.mark_sent(&none, vec![]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "outbox row telegram/home#9 does not exist"
    );
    ledger.mark_dead(&key, "cancelled").await.unwrap();
    ledger
        .mark_sent(&key, vec![])
        .await
        .expect_err("it died before it was handed over");
}

async fn a_late_success_is_believed(ledger: &Ledger) {
    queued(ledger, &[("1", "a")]).await;
    let rows = claim(ledger, 1, &[]).await;
    ledger.mark_unknown(&rows[0].key, "time-out").await.unwrap();
    ledger
        .mark_sent(&rows[0].key, vec!["7".into()])
        .await
        .unwrap();
    ledger
        .mark_sent(&rows[0].key, vec!["8".into()])
        .await
        .expect("saying it twice is fine");
    assert_eq!(row(ledger, 1).platform_ids, ["7"]);
    assert!(ledger.dead_letters().1.is_empty());
    assert_eq!((ledger.stats().outbox_unknown, ledger.stats().sent), (0, 1));
}

async fn a_released_row_costs_no_attempt(ledger: &Ledger) {
    queued(ledger, &[("1", "a")]).await;
    let rows = claim(ledger, 1, &[]).await;
    ledger.release(&rows[0].key).await.unwrap();
    assert_eq!(claim(ledger, 1, &[]).await[0].attempts, 1);
}

async fn a_person_can_send_a_dead_letter_again(ledger: &Ledger) {
    queued(ledger, &[("1", "a")]).await;
    let rows = claim(ledger, 1, &[]).await;
    ledger.mark_dead(&rows[0].key, "no rights").await.unwrap();
    ledger.requeue(&rows[0].key, "ann").await.unwrap();
    assert!(ledger.dead_letters().1.is_empty());
    let again = claim(ledger, 1, &[]).await;
    assert_eq!((again[0].attempts, again[0].error.as_deref()), (1, None));
}

async fn accounts_do_not_mix(ledger: &Ledger) {
    let other = openclaw_protocol::key::AccountKey::new("telegram", "home2");
    let row = NewOutbound {
        account: other.clone(),
        ..outbound("1", "theirs")
    };
    let committed = ledger
        .enqueue(vec![outbound("1", "ours"), row])
        .await
        .unwrap();
    assert_eq!(committed.outbox_accounts, [account(), other.clone()]);
    assert_eq!(texts(&claim(ledger, 1, &[]).await), ["ours"]);
    assert_eq!(ledger.open_accounts(), [account(), other.clone()]);
    let filter = OutboxFilter {
        account: Some(other),
        ..OutboxFilter::default()
    };
    assert_eq!(texts(&ledger.outbox(&filter)), ["theirs"]);
}

async fn an_outbox_has_a_bound(ledger: &Ledger) {
    let rows = |from: u32, until: u32| (from..until).map(|n| outbound("1", &n.to_string()));
    ledger.enqueue(rows(0, 10_001).collect()).await.unwrap();
    let stats = ledger.stats();
    assert_eq!((stats.outbox_prepared, stats.outbox_dead), (10_000, 1));
    let last = &ledger.dead_letters().1[0];
    assert_eq!(
        last.error.as_deref(),
        Some("10000 messages already wait for this account")
    );
    let first = claim(ledger, 1, &[]).await;
    ledger.mark_sent(&first[0].key, vec![]).await.unwrap();
    queued(ledger, &[("2", "there is room again")]).await;
    assert_eq!(ledger.stats().outbox_prepared, 10_000);
}
