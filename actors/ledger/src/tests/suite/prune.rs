use serde_json::json;

use super::on_both;
use crate::tests::fixture::*;
use crate::verb::now_ms;
use crate::verb::prune::{Keep, Limits};
use crate::{CrashRow, InboxFilter, Ledger, OutboxFilter, TurnCommit, TurnOutcome, UsageRow};

const DAY: i64 = 24 * 3600 * 1000;

on_both! {
    time_limits_are_kept,
    numbers_are_not_given_twice,
    dead_letters_wait_longer,
    a_long_table_is_pruned_in_parts,
    numbers_are_bounded_too,
    usage_and_crashes_are_forgotten_in_time,
}

async fn time_limits_are_kept(ledger: &Ledger) {
    let mut row = inbound("a", "1");
    row.received_at_ms = now_ms();
    ledger.append_inbound(vec![row], None).await.unwrap();
    ledger.remember("ws", "key", json!(1)).await.unwrap();
    assert_eq!(ledger.prune_at(now_ms() + DAY - 60_000).await.unwrap(), 0);
    assert_eq!(
        ledger.prune_at(now_ms() + DAY + 60_000).await.unwrap(),
        1,
        "the answer"
    );
    assert_eq!(ledger.recall("ws", "key"), None);
    assert!(
        !ledger
            .append_inbound(vec![inbound("a", "1")], None)
            .await
            .unwrap()[0]
            .fresh
    );
    assert_eq!(
        ledger.prune_at(now_ms() + 7 * DAY + 60_000).await.unwrap(),
        1,
        "the dedupe key"
    );
    assert!(
        ledger
            .append_inbound(vec![inbound("a", "1")], None)
            .await
            .unwrap()[0]
            .fresh
    );
    assert_eq!(
        ledger.pending(&session("a")),
        2,
        "open rows are never pruned"
    );
}

async fn numbers_are_not_given_twice(ledger: &Ledger) {
    for id in ["1", "2"] {
        let turn = begun(ledger, "a", id).await;
        ledger
            .commit_turn(commit("a", turn, TurnOutcome::Done))
            .await
            .unwrap();
        let rows = ledger.claim_outbox(&account(), 1, 1, &[]).await.unwrap();
        ledger.mark_sent(&rows[0].key, vec![]).await.unwrap();
    }
    ledger.prune_at(now_ms() + 8 * DAY).await.unwrap();
    let kept: Vec<_> = ledger
        .inbox(&InboxFilter::default())
        .iter()
        .map(|row| row.seq)
        .collect();
    assert_eq!(kept, [2], "the last row holds the place");
    assert_eq!(ledger.outbox(&OutboxFilter::default()).len(), 1);
    assert_eq!(begun(ledger, "a", "3").await.0, 3);
}

async fn dead_letters_wait_longer(ledger: &Ledger) {
    let rows = vec![outbound("1", "a"), outbound("2", "b"), outbound("3", "c")];
    ledger.enqueue(rows).await.unwrap();
    for row in ledger.claim_outbox(&account(), 1, 2, &[]).await.unwrap() {
        ledger.mark_unknown(&row.key, "?").await.unwrap();
    }
    assert_eq!(ledger.prune_at(now_ms() + 29 * DAY).await.unwrap(), 0);
    assert_eq!(ledger.prune_at(now_ms() + 31 * DAY).await.unwrap(), 2);
    assert_eq!(ledger.stats().outbox_unknown, 0);
    assert!(ledger.dead_letters().1.is_empty());
    assert_eq!(ledger.stats().outbox_prepared, 1);
}

async fn a_long_table_is_pruned_in_parts(ledger: &Ledger) {
    let rows = |from: u32, until: u32| {
        (from..until)
            .map(|n| inbound(&format!("s{}", n % 10), &n.to_string()))
            .collect()
    };
    ledger.append_inbound(rows(0, 2500), None).await.unwrap();
    ledger.append_inbound(rows(2500, 5000), None).await.unwrap();
    assert_eq!(ledger.prune_at(1_000 + 7 * DAY + 1).await.unwrap(), 5000);
    assert_eq!(ledger.prune_at(1_000 + 7 * DAY + 1).await.unwrap(), 0);
    assert_eq!(ledger.stats().inbox_pending, 5000);
}

async fn numbers_are_bounded_too(ledger: &Ledger) {
    for n in 0..20 {
        let mut row = inbound("a", &n.to_string());
        row.received_at_ms = n;
        ledger.append_inbound(vec![row], None).await.unwrap();
    }
    let limits = Limits {
        seen: Keep {
            for_ms: DAY,
            most: 3,
        },
        ..Limits::DEFAULT
    };
    assert_eq!(ledger.prune_to(30, &limits).await.unwrap(), 17);
    let again = |id: &str| ledger.append_inbound(vec![inbound("a", id)], None);
    assert!(
        again("16").await.unwrap()[0].fresh,
        "an old key was forgotten"
    );
    assert!(!again("17").await.unwrap()[0].fresh, "the newest are kept");
    assert_eq!(ledger.pending(&session("a")), 21, "open rows stay");
}

async fn usage_and_crashes_are_forgotten_in_time(ledger: &Ledger) {
    let now = now_ms();
    for (n, days) in [500, 399, 1].into_iter().enumerate() {
        let turn = begun(ledger, "a", &n.to_string()).await;
        let usage = UsageRow {
            provider: "p".into(),
            model: "m".into(),
            input: 1,
            output: 1,
            ..UsageRow::new(session("a"), now - days * DAY)
        };
        let end = TurnCommit {
            usage: vec![usage],
            ..commit("a", turn, TurnOutcome::Done)
        };
        ledger.commit_turn(end).await.unwrap();
        let crash = CrashRow {
            id: format!("c-{days}"),
            path: "p".into(),
            at_ms: now - days * DAY,
            record: json!({}),
        };
        ledger.put_crash(crash).await.unwrap();
    }
    // And the dedupe keys of the three messages, which are dated 1970.
    assert_eq!(ledger.prune_at(now).await.unwrap(), 3 + 3);
    assert_eq!(ledger.usage(0, now).total.calls, 2);
    let kept: Vec<_> = ledger.crashes().into_iter().map(|row| row.id).collect();
    assert_eq!(kept, ["c-1"]);
    let few = Keep {
        for_ms: 400 * DAY,
        most: 1,
    };
    let limits = Limits {
        usage: few,
        ..Limits::DEFAULT
    };
    ledger.prune_to(now, &limits).await.unwrap();
    assert_eq!(ledger.usage(0, now).total.calls, 1);
}
