//! One poll at a time for each credential.
//!
//! Two polls with one token end each other. A successor therefore waits until its predecessor's request has
//! ended, and a second account with the same token is told whose it is.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use openclaw_protocol::AccountKey;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

/// A killed request ends in microseconds; a predecessor that holds its lease for longer is one whose thread never
/// came back.
const PREDECESSOR: Duration = Duration::from_millis(200);

/// The credentials being polled with. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Leases {
    held: Arc<Mutex<HashMap<u64, Held>>>,
}

#[derive(Debug)]
struct Held {
    by: AccountKey,
    one: Arc<Semaphore>,
}

/// The right to poll, until dropped.
#[derive(Debug)]
pub struct Lease {
    _permit: OwnedSemaphorePermit,
}

impl Leases {
    /// Waits for an earlier poll of this account to end; fails with the account that holds the credential.
    pub async fn take(&self, credential: u64, account: &AccountKey) -> Result<Lease, AccountKey> {
        let one = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = held.entry(credential).or_insert_with(|| Held {
                by: account.clone(),
                one: Arc::new(Semaphore::new(1)),
            });
            if entry.by != *account {
                if entry.one.available_permits() == 0 {
                    return Err(entry.by.clone());
                }
                // Its former holder is gone: a new one with a state of its own.
                *entry = Held {
                    by: account.clone(),
                    one: Arc::new(Semaphore::new(1)),
                };
            }
            Arc::clone(&entry.one)
        };
        if let Ok(Ok(permit)) = tokio::time::timeout(PREDECESSOR, one.acquire_owned()).await {
            return Ok(Lease { _permit: permit });
        }
        // The predecessor was abandoned with the lease in its hand; its requests ended with its tasks.
        let one = Arc::new(Semaphore::new(1));
        let held = Held {
            by: account.clone(),
            one: Arc::clone(&one),
        };
        self.put(credential, held);
        // The semaphore is new and never closed.
        let permit = one.acquire_owned().await;
        permit
            .map(|permit| Lease { _permit: permit })
            .map_err(|_| account.clone())
    }
}

impl Leases {
    fn put(&self, credential: u64, held: Held) {
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(credential, held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_account_is_told_whose_token_it_is() {
        let leases = Leases::default();
        let home = AccountKey::new("telegram", "home");
        let work = AccountKey::new("telegram", "work");
        let lease = leases.take(1, &home).await.unwrap();
        assert_eq!(leases.take(1, &work).await.unwrap_err(), home);
        leases.take(2, &work).await.unwrap();
        drop(lease);
        leases.take(1, &work).await.unwrap();
    }

    #[tokio::test]
    async fn a_successor_waits_for_its_predecessor() {
        let leases = Leases::default();
        let home = AccountKey::new("telegram", "home");
        let lease = leases.take(1, &home).await.unwrap();
        let second = leases.take(1, &home);
        tokio::pin!(second);
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(lease);
        second.await.unwrap();
    }

    #[tokio::test]
    async fn a_lease_that_an_abandoned_predecessor_keeps_is_replaced() {
        let leases = Leases::default();
        let home = AccountKey::new("telegram", "home");
        let lost = leases.take(1, &home).await.unwrap();
        let second = leases.take(1, &home).await.unwrap();
        let third = leases.take(1, &home);
        tokio::pin!(third);
        drop(lost); // belongs to nobody any more
        assert!(futures_util::poll!(third.as_mut()).is_pending());
        drop(second);
        third.await.unwrap();
    }
}
