//! What the verbs need of a store. A second machine would be a third implementation of this trait.

use std::fmt;
use std::pin::Pin;

use crate::error::{LedgerError, Stop};
use crate::latch::Latch;
use crate::op::{Receipt, Write};
use crate::room::Room;
use crate::stats::Stats;
use crate::table::View;

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Called once with a consistent state of the tables.
pub(crate) type Look<'a> = &'a mut dyn FnMut(&mut dyn View) -> Result<(), Stop>;

pub(crate) trait Store: Send + Sync + fmt::Debug {
    /// Resolves when the write is durable, or refused.
    fn submit(&self, write: Write) -> BoxFuture<'_, Result<Receipt, LedgerError>>;

    /// Reads what has been committed; never waits for a writer.
    fn look(&self, look: Look<'_>) -> Result<(), LedgerError>;

    /// Finishes what is queued and closes; nothing is written afterwards.
    fn close(&self) -> BoxFuture<'_, ()>;

    fn queued(&self) -> usize;

    fn stats(&self) -> &Stats;

    fn latch(&self) -> &Latch;

    /// The room on its disk, if it has one.
    fn room(&self) -> Option<&Room>;
}
