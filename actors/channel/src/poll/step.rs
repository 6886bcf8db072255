//! The waits of a poll actor, each a child task: get to know the platform, wait for events, store them.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use openclaw_ledger::InboundBatch;
use openclaw_ledger::LedgerError;
use openclaw_runtime::Address;
use openclaw_runtime::fault;
use serde_json::Value;

use crate::account::Account;
use crate::account::ChannelDeps;
use crate::account::Lease;
use crate::gate;
use crate::pairing::PairingStore;
use crate::platform::Batch;
use crate::platform::Identity;
use crate::platform::PlatformError;
use crate::poll::crowd;
use crate::send::SendMail;

/// Who the account is, and its right to poll.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) identity: Identity,
    pub(super) cursor: Option<String>,
    cursor_key: String,
    _lease: Lease,
}

/// What was stored.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) cursor: Option<String>,
    pub(super) admitted: u64,
    pub(super) refused: u64,
    pub(super) last_refusal: Option<String>,
}

/// Why a batch was not stored.
#[derive(Debug)]
pub(super) enum StepError {
    /// The pairing files cannot be used: nobody can be told from a stranger.
    Files(String),
    Ledger(LedgerError),
}

/// Asks the platform who we are, takes the lease of the credential, and finds the cursor.
pub(super) async fn greet(
    account: Arc<Account>,
    deps: ChannelDeps,
    held: Option<Arc<Greeting>>,
) -> Result<Greeting, PlatformError> {
    let identity = account.platform.identify().await?;
    let credential = account.platform.credential();
    // An earlier lease of this actor's own would be waited for in vain.
    drop(held);
    let lease = deps
        .leases
        .take(credential.fingerprint, account.key())
        .await;
    let lease = lease.map_err(|holder| PlatformError::Conflict {
        reason: format!("{holder} of this gateway has the same one"),
    })?;
    // A cursor belongs to the bot, not to the name it has in the configuration.
    let cursor_key = format!("{}@{}", account.key(), credential.public);
    let stored = deps.ledger.cursor(&cursor_key);
    let cursor = match stored {
        Some(cursor) => Some(cursor),
        None => {
            let (account, state_dir) = (Arc::clone(&account), deps.state_dir.clone());
            // A disk that hangs holds this task, which has a deadline, and no worker of everybody's.
            let reading = tokio::task::spawn_blocking(move || imported(&account, &state_dir));
            reading.await.unwrap_or_default()
        }
    };
    Ok(Greeting {
        identity,
        cursor,
        cursor_key,
        _lease: lease,
    })
}

/// The offset that an existing installation left in its own file.
fn imported(account: &Account, state_dir: &Path) -> Option<String> {
    let key = account.key();
    let name = format!("update-offset-{}.json", key.account);
    let text = std::fs::read_to_string(state_dir.join(&*key.channel).join(name)).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    account.platform.import_cursor(&value)
}

/// Waits for events.
pub(super) async fn poll(
    account: Arc<Account>,
    cursor: Option<String>,
    greeting: Arc<Greeting>,
) -> Result<Batch, PlatformError> {
    let injected = |fault: fault::Injected| PlatformError::Transport {
        reason: fault.to_string(),
    };
    fault::point_async!("channel.before_poll")
        .await
        .map_err(injected)?;
    let batch = account.platform.poll(cursor).await?;
    fault::point_async!("channel.after_poll")
        .await
        .map_err(injected)?;
    // Held to here: a successor polls only after this request has ended.
    drop(greeting);
    Ok(batch)
}

/// Stores what was admitted together with the cursor, then tells who has work.
pub(super) async fn store(
    account: Arc<Account>,
    deps: ChannelDeps,
    batch: Batch,
    greeting: Arc<Greeting>,
    outbox: Address<SendMail>,
) -> Result<Stored, StepError> {
    let Batch { events, cursor } = batch;
    let store = PairingStore::new(&deps.credentials_dir, account.platform.channel());
    let (gatekeeper, routes) = (Arc::clone(&account), Arc::clone(&deps.routes));
    let passing = tokio::task::spawn_blocking(move || {
        gate::pass(&gatekeeper, &store, &*routes, events, Timestamp::now())
    });
    let passed = passing
        .await
        .map_err(|error| StepError::Files(format!("the gate broke: {error}")))?;
    let gated = passed.map_err(|error| StepError::Files(error.to_string()))?;
    let mut has_notices = !gated.notices.is_empty();
    let replies = gated.rows.iter().map(|row| row.reply.clone()).collect();
    let written = InboundBatch {
        rows: gated.rows,
        heard: gated.heard,
        notices: gated.notices,
        cursor: cursor
            .clone()
            .map(|cursor| (greeting.cursor_key.clone(), cursor)),
    };
    let appended = deps
        .ledger
        .append_batch(written)
        .await
        .map_err(StepError::Ledger)?;
    let mut stored = Stored {
        cursor,
        refused: gated.refused,
        last_refusal: gated.last_refusal,
        ..Stored::default()
    };
    for row in appended.iter().filter(|row| row.fresh) {
        stored.admitted += 1;
        (deps.wake)(&row.session);
    }
    let notices = crowd::notices(account.key(), &appended, replies, crate::now_ms());
    if !notices.is_empty() {
        has_notices = true;
        let told = InboundBatch {
            notices,
            ..InboundBatch::default()
        };
        // The messages are stored; whoever is not told now is told with the next one.
        if let Err(error) = deps.ledger.append_batch(told).await {
            tracing::warn!(account = %account.key(), %error, "nobody is told that too many messages wait");
        }
    }
    if has_notices {
        let _is_up: bool = outbox.nudge(SendMail::Work);
    }
    Ok(stored)
}
