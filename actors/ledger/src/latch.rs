//! How a ledger ends: closed in order, or at its first error for good.
//!
//! redb refuses every write after an I/O error, and a row whose commit failed may or may not be on disk.
//! So the first error is the last: the process ends, and the next one reads what is really there.

use tokio::sync::watch;

use crate::error::LedgerError;

/// How a ledger ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Closed,
    Failed(String),
}

#[derive(Debug)]
pub(crate) struct Latch(watch::Sender<Option<Ended>>);

impl Latch {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Keeps the first end only.
    pub(crate) fn set(&self, ended: Ended) {
        self.0.send_if_modified(|slot| {
            let first = slot.is_none();
            if first {
                if let Ended::Failed(reason) = &ended {
                    tracing::error!(%reason, "the ledger stops");
                }
                *slot = Some(ended);
            }
            first
        });
    }

    pub(crate) fn fail(&self, reason: impl Into<String>) {
        self.set(Ended::Failed(reason.into()));
    }

    pub(crate) fn get(&self) -> Option<Ended> {
        self.0.borrow().clone()
    }

    pub(crate) fn check(&self) -> Result<(), LedgerError> {
        match &*self.0.borrow() {
            None => Ok(()),
            Some(ended) => Err(ended.into()),
        }
    }

    /// The error for whoever finds the ledger ended.
    pub(crate) fn error(&self) -> LedgerError {
        self.get()
            .map_or(LedgerError::Closed, |ended| (&ended).into())
    }

    pub(crate) async fn wait(&self) -> Ended {
        let mut seen = self.0.subscribe();
        match seen
            .wait_for(Option::is_some)
            .await
            .map(|ended| ended.clone())
        {
            Ok(Some(ended)) => ended,
            _ => Ended::Closed,
        }
    }
}

impl From<&Ended> for LedgerError {
    fn from(ended: &Ended) -> Self {
        match ended {
            Ended::Closed => Self::Closed,
            Ended::Failed(reason) => Self::Failed {
                reason: reason.clone(),
            },
        }
    }
}
