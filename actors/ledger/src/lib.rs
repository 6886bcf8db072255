//! The ledger: what must not be lost, on disk before it is acknowledged.
//!
//! Mail between actors is only a nudge; the work itself is rows here. A message comes in
//! ([`Ledger::append_inbound`], [`Ledger::accept`]), a session claims it ([`Ledger::begin_turn`]), brackets
//! what it does ([`Ledger::step_intent`], [`Ledger::step_result`]), ends it in one transaction
//! ([`Ledger::commit_turn`]), and the account's sender takes it out ([`Ledger::claim_outbox`],
//! [`Ledger::mark_sent`]). After a crash the same verbs find the same rows: the restart of an actor and the
//! boot of the process ([`Ledger::recover`]) are one path.
//!
//! Writes are values of a closed set (`op`), applied by a pure function (`apply`) to tables (`table`). One
//! thread (`journal`) does so on redb (`disk`, `file`, `migrate`), committing together whatever queued during
//! the last fsync; the double for tests (`memory`) runs the same function over maps. Reads (`read`) see what
//! has been committed and wait for nobody.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod actor;
mod apply;
mod codec;
mod decode;
mod disk;
mod error;
mod fault;
mod file;
mod journal;
mod key;
mod latch;
mod memory;
mod migrate;
mod op;
mod read;
mod room;
mod row;
mod session_writes;
mod stats;
mod store;
mod table;
mod verb;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

pub use actor::{JournalActor, JournalArgs, JournalMail};
pub use error::{LedgerError, Reject};
pub use journal::JournalThread;
pub use latch::Ended;
pub use row::*;
pub use stats::LedgerStats;
pub use verb::audit_hash;

/// Crash records kept.
const CRASHES: u64 = 1000;

/// A handle to the ledger; cheap to clone.
#[derive(Debug, Clone)]
pub struct Ledger {
    store: Arc<dyn store::Store>,
}

impl Ledger {
    /// Opens or creates the ledger at `path` (`…/ledger/openclaw.redb`) and starts its journal thread.
    pub fn open(path: impl AsRef<Path>) -> Result<(Self, JournalThread), LedgerError> {
        Self::start(file::OpenFile::open(path.as_ref())?)
    }

    fn start(file: file::OpenFile) -> Result<(Self, JournalThread), LedgerError> {
        let (store, thread) = journal::DiskStore::start(file)?;
        let ledger = Self {
            store: Arc::new(store),
        };
        ledger.count_open()?;
        Ok((ledger, thread))
    }

    /// A ledger without a disk, for tests: the same logic, gone with its last handle.
    #[must_use]
    pub fn memory() -> Self {
        Self {
            store: Arc::new(memory::MemoryStore::new()),
        }
    }

    /// Finishes what is queued and closes; later writes are refused with [`LedgerError::Closed`].
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// Resolves when the ledger is closed or has failed.
    pub async fn ended(&self) -> Ended {
        self.store.latch().wait().await
    }

    /// Why nothing is written any more, if so.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        match self.store.latch().get() {
            Some(Ended::Failed(reason)) => Some(reason),
            _ => None,
        }
    }

    /// The ledger in numbers, without touching the disk.
    #[must_use]
    pub fn stats(&self) -> LedgerStats {
        let room = self.store.room();
        LedgerStats {
            queue: self.store.queued() as u64,
            failed: self.failed(),
            disk_full: room.is_some_and(|room| room.is_full()),
            disk_free: room.and_then(|room| room.free()),
            ..self.store.stats().snapshot()
        }
    }

    /// Looks how much room the disk has, and sees to what is reserved. Touches the disk: call it off the workers.
    pub fn look_for_room(&self) {
        if let Some(room) = self.store.room() {
            room.look();
        }
    }

    /// `(upper bound in µs, commits at or below it)`, growing.
    #[must_use]
    pub fn commit_histogram(&self) -> Vec<(u64, u64)> {
        self.store.stats().commit_histogram()
    }

    /// Counts the open rows and the dead letters once, at the start; commits keep the counts true.
    fn count_open(&self) -> Result<(), LedgerError> {
        let mut tally = stats::Tally::default();
        self.store
            .look(&mut |view| stats::count(view, &mut tally))?;
        self.store.stats().apply(&tally);
        Ok(())
    }
}
