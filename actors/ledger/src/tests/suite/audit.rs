use serde_json::json;

use super::on_both;
use crate::tests::fixture::*;
use crate::{AuditEntry, AuditFilter, Ledger, StepIntent, audit_hash};

on_both! {
    a_step_and_its_entry_are_one_write,
    entries_are_listed_newest_first_and_prove_themselves,
}

async fn a_step_and_its_entry_are_one_write(ledger: &Ledger) {
    let turn = begun(ledger, "a", "1").await;
    let key = session("a");
    let arguments = json!({ "command": "cat /etc/shadow" });
    let intent = StepIntent {
        kind: "tool".into(),
        name: "exec".into(),
        arguments: json!({ "callId": "c", "arguments": arguments, "message": "hunter2" }),
        idempotent: false,
    };
    ledger
        .step_intent(&key, turn, 0, intent.clone())
        .await
        .unwrap();
    // The same step again is the same step.
    ledger.step_intent(&key, turn, 0, intent).await.unwrap();
    let result = json!({ "toolName": "exec", "isError": true, "content": "root:hunter2" });
    ledger.step_result(&key, turn, 0, result).await.unwrap();
    ledger
        .step_result(&key, turn, 7, json!({ "toolName": "exec" }))
        .await
        .unwrap_err();

    let rows = ledger.audit_list(&AuditFilter::default());
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.n,
                row.entry.what.as_str(),
                row.entry.outcome.as_deref().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [(2, "exec", "failed"), (1, "exec", "started")]);
    assert_eq!(rows[1].entry.arguments, Some(audit_hash(&arguments)));
    assert_eq!(rows[1].entry.actor, key.to_string());
    let of = |filter: AuditFilter| ledger.audit_list(&filter).len();
    let failed = AuditFilter {
        outcome: Some("failed".into()),
        agent: Some(key.agent()),
        session: Some(key.to_string()),
        after_ms: Some(rows[0].entry.at_ms),
        ..AuditFilter::default()
    };
    assert_eq!(of(failed.clone()), 1);
    let other = AuditFilter {
        agent: Some("other".parse().unwrap()),
        ..failed.clone()
    };
    assert_eq!(of(other), 0);
    let earlier = AuditFilter {
        before_ms: Some(rows[1].entry.at_ms - 1),
        after_ms: None,
        ..failed
    };
    assert_eq!(of(earlier), 0);
    let text = serde_json::to_string(&rows).unwrap();
    assert!(
        !text.contains("hunter2") && !text.contains("shadow"),
        "{text}"
    );
}

async fn entries_are_listed_newest_first_and_prove_themselves(ledger: &Ledger) {
    for n in 0..6 {
        let kind = if n % 2 == 0 { "config" } else { "pairing" };
        let entry = AuditEntry {
            kind: kind.into(),
            what: format!("change {n}"),
            actor: "cli".into(),
            ..AuditEntry::default()
        };
        assert_eq!(ledger.audit(entry).await.unwrap(), n + 1);
    }
    let numbers = |filter: AuditFilter| -> Vec<u64> {
        ledger.audit_list(&filter).iter().map(|row| row.n).collect()
    };
    let newest = AuditFilter {
        limit: 2,
        ..AuditFilter::default()
    };
    assert_eq!(numbers(newest.clone()), [6, 5]);
    let before = AuditFilter {
        cursor: Some(5),
        kind: Some("pairing".into()),
        limit: 9,
        ..AuditFilter::default()
    };
    assert_eq!(numbers(before), [4, 2]);
    let check = ledger.audit_verify().unwrap();
    assert_eq!((check.entries, check.last, check.problem), (6, 6, None));
    let last = ledger.audit_list(&newest).remove(0);
    assert_eq!(last.hash, check.head);
}
