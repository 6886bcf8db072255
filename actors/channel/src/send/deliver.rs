//! One message's way out: the row is `attempting` on disk before the platform is called, and what is known
//! afterwards is on disk before anything else happens.

use std::sync::Arc;

use openclaw_ledger::Ledger;
use openclaw_ledger::LedgerError;
use openclaw_ledger::OutboxRow;
use openclaw_ledger::UnknownAction;
use openclaw_runtime::fault;

use crate::account::Account;
use crate::platform::Receipt;
use crate::platform::SendFailure;
use crate::retry::Backoff;
use crate::retry::chance;

/// A message that could not be sent for a day is no answer any more.
const GIVE_UP_AFTER_MS: i64 = 24 * 3600 * 1000;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delivered {
    Sent,
    Later(String),
    Dead(String),
    Unknown(String),
}

/// Sends a claimed row and records what happened.
pub(super) async fn deliver(
    account: Arc<Account>,
    ledger: Ledger,
    row: OutboxRow,
) -> Result<Delivered, LedgerError> {
    let outcome = attempt(&account, &row).await;
    record(&account, &ledger, &row, outcome).await
}

/// Records that a send was cut off with its end unknown.
pub(super) async fn cut_off(
    account: Arc<Account>,
    ledger: Ledger,
    row: OutboxRow,
    reason: String,
) -> Result<Delivered, LedgerError> {
    record(&account, &ledger, &row, Err(SendFailure::Unknown(reason))).await
}

async fn attempt(account: &Account, row: &OutboxRow) -> Result<Receipt, SendFailure> {
    fault::point_async!("channel.before_send")
        .await
        .map_err(|fault| SendFailure::Retry {
            after: None,
            error: fault.to_string(),
        })?;
    let receipt = account.platform.send(&row.payload, &row.route).await?;
    fault::point_async!("channel.after_send")
        .await
        .map_err(|fault| SendFailure::Unknown(fault.to_string()))?;
    Ok(receipt)
}

async fn record(
    account: &Account,
    ledger: &Ledger,
    row: &OutboxRow,
    outcome: Result<Receipt, SendFailure>,
) -> Result<Delivered, LedgerError> {
    match outcome {
        Ok(receipt) => {
            ledger.mark_sent(&row.key, receipt.ids).await?;
            Ok(Delivered::Sent)
        }
        Err(SendFailure::Permanent(error)) => {
            ledger.mark_dead(&row.key, &error).await?;
            Ok(Delivered::Dead(error))
        }
        Err(SendFailure::Retry { after, error }) => retry(ledger, row, after, error).await,
        Err(SendFailure::Unknown(error)) => match account.unknown_action() {
            UnknownAction::Hold => {
                ledger.mark_unknown(&row.key, &error).await?;
                Ok(Delivered::Unknown(error))
            }
            UnknownAction::Resend => retry(ledger, row, None, error).await,
        },
    }
}

async fn retry(
    ledger: &Ledger,
    row: &OutboxRow,
    after: Option<std::time::Duration>,
    error: String,
) -> Result<Delivered, LedgerError> {
    let now_ms = crate::now_ms();
    let delay = Backoff::SEND.delay_after(row.attempts, after, chance());
    let not_before_ms = now_ms.saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX));
    if not_before_ms - row.created_at_ms > GIVE_UP_AFTER_MS {
        let reason = format!("not sent for a day: {error}");
        ledger.mark_dead(&row.key, &reason).await?;
        return Ok(Delivered::Dead(reason));
    }
    ledger.mark_retry(&row.key, not_before_ms, &error).await?;
    Ok(Delivered::Later(error))
}
