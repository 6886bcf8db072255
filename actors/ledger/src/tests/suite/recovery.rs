use super::on_both;
use crate::tests::fixture::*;
use crate::{InboxState, Ledger, OutboxState, UnknownAction, UnknownPolicy};

on_both! {
    boot_finds_what_was_in_hand,
    the_policy_decides_about_open_sends,
    one_session_recovers_alone,
    one_account_recovers_alone,
    recovering_twice_changes_nothing,
}

/// A turn running, one queued; one message being sent, one waiting behind it.
async fn in_the_middle(ledger: &Ledger) {
    begun(ledger, "a", "1").await;
    ledger
        .append_inbound(vec![inbound("b", "2")], None)
        .await
        .unwrap();
    ledger
        .enqueue(vec![outbound("1", "first"), outbound("1", "second")])
        .await
        .unwrap();
    ledger.claim_outbox(&account(), 1, 5, &[]).await.unwrap();
}

fn states(ledger: &Ledger) -> Vec<(OutboxState, u32)> {
    let rows = ledger.outbox(&crate::OutboxFilter::default());
    rows.iter().map(|row| (row.state, row.attempts)).collect()
}

async fn boot_finds_what_was_in_hand(ledger: &Ledger) {
    in_the_middle(ledger).await;
    let found = ledger.recover(UnknownPolicy::hold()).await.unwrap();
    assert_eq!((found.epoch, found.interrupted), (1, 1));
    assert_eq!(found.sessions, [session("a"), session("b")]);
    assert_eq!(found.accounts, [account()]);
    assert_eq!(found.held.len(), 1);
    assert!(found.resent.is_empty());
    assert_eq!(
        ledger.inbox_row(&session("a"), 1).unwrap().state,
        InboxState::Interrupted
    );
    assert_eq!(
        states(ledger),
        [(OutboxState::Unknown, 1), (OutboxState::Prepared, 0)]
    );

    let start = ledger.begin_turn(&session("a"), 1).await.unwrap().unwrap();
    assert_eq!(start.attempt, 2);
    let next = ledger.claim_outbox(&account(), 1, 5, &[]).await.unwrap();
    assert_eq!(
        next[0].payload.text, "second",
        "a held row does not block its lane"
    );
    assert_eq!(
        ledger.recover(UnknownPolicy::hold()).await.unwrap().epoch,
        2
    );
}

async fn the_policy_decides_about_open_sends(ledger: &Ledger) {
    in_the_middle(ledger).await;
    let policy = UnknownPolicy::hold().with(account(), UnknownAction::Resend);
    let found = ledger.recover(policy).await.unwrap();
    assert_eq!((found.held.len(), found.resent.len()), (0, 1));
    assert_eq!(
        states(ledger),
        [(OutboxState::Prepared, 1), (OutboxState::Prepared, 0)]
    );
    let next = ledger.claim_outbox(&account(), 1, 5, &[]).await.unwrap();
    assert_eq!(
        (next[0].payload.text.as_str(), next[0].attempts),
        ("first", 2)
    );
}

async fn one_session_recovers_alone(ledger: &Ledger) {
    begun(ledger, "a", "1").await;
    begun(ledger, "b", "2").await;
    let found = ledger.recover_session(&session("a")).await.unwrap();
    assert_eq!((found.interrupted, found.sessions), (1, vec![session("a")]));
    assert_eq!(
        ledger.inbox_row(&session("b"), 1).unwrap().state,
        InboxState::Running
    );
    assert_eq!(
        (
            ledger.stats().inbox_running,
            ledger.stats().inbox_interrupted
        ),
        (1, 1)
    );
}

async fn one_account_recovers_alone(ledger: &Ledger) {
    in_the_middle(ledger).await;
    let found = ledger
        .recover_account(&account(), UnknownAction::Hold)
        .await
        .unwrap();
    assert_eq!(found.held.len(), 1);
    assert_eq!(
        ledger.inbox_row(&session("a"), 1).unwrap().state,
        InboxState::Running
    );
    assert_eq!(ledger.stats().outbox_unknown, 1);
}

async fn recovering_twice_changes_nothing(ledger: &Ledger) {
    in_the_middle(ledger).await;
    ledger.recover(UnknownPolicy::resend()).await.unwrap();
    let again = ledger.recover(UnknownPolicy::resend()).await.unwrap();
    assert_eq!(
        (again.interrupted, again.resent.len(), again.sessions.len()),
        (0, 0, 2)
    );
    assert_eq!(
        states(ledger),
        [(OutboxState::Prepared, 1), (OutboxState::Prepared, 0)]
    );
}
