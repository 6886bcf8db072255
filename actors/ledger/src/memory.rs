//! The ledger without a disk, for tests: the same `apply` over maps.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::apply::apply;
use crate::error::{LedgerError, Stop};
use crate::latch::{Ended, Latch};
use crate::op::{Receipt, Write};
use crate::room::Room;
use crate::stats::{Stats, Tally};
use crate::store::{BoxFuture, Look, Store};
use crate::table::{TableId, Tables, View, Visit};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// Tables as maps. Nothing is undone on a refusal: `apply` refuses before it writes, and this proves it.
#[derive(Debug, Default)]
pub(crate) struct MemoryTables {
    maps: [Map; TableId::COUNT],
    tally: Tally,
    writes: u64,
}

impl MemoryTables {
    #[expect(clippy::indexing_slicing, reason = "one map for each TableId")]
    fn map(&mut self, table: TableId) -> &mut Map {
        &mut self.maps[table.index()]
    }
}

impl View for MemoryTables {
    fn get(&mut self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        Ok(self.map(table).get(key).cloned())
    }

    fn scan(
        &mut self,
        table: TableId,
        from: &[u8],
        until: &[u8],
        visit: Visit<'_>,
    ) -> Result<(), Stop> {
        for (key, value) in self.map(table).range(from.to_vec()..until.to_vec()) {
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn last_key(
        &mut self,
        table: TableId,
        from: &[u8],
        until: &[u8],
    ) -> Result<Option<Vec<u8>>, Stop> {
        let mut range = self.map(table).range(from.to_vec()..until.to_vec());
        Ok(range.next_back().map(|(key, _)| key.clone()))
    }
}

impl Tables for MemoryTables {
    fn put(&mut self, table: TableId, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        self.writes += 1;
        self.tally.wrote(table, key);
        self.map(table).insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn remove(&mut self, table: TableId, key: &[u8]) -> Result<(), Stop> {
        self.writes += 1;
        self.tally.wrote(table, key);
        self.map(table).remove(key);
        Ok(())
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }
}

#[derive(Debug)]
pub(crate) struct MemoryStore {
    tables: Mutex<MemoryTables>,
    stats: Stats,
    latch: Latch,
}

impl MemoryStore {
    pub(crate) fn new() -> Self {
        Self {
            tables: Mutex::default(),
            stats: Stats::new(),
            latch: Latch::new(),
        }
    }

    fn write(&self, write: Write) -> Result<Receipt, LedgerError> {
        self.latch.check()?;
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let before = tables.writes;
        let began = std::time::Instant::now();
        self.stats.begin();
        let result = apply(&mut *tables, write);
        self.stats.end(1);
        let writes = tables.writes - before;
        match result {
            Ok(receipt) => {
                self.stats.apply(&std::mem::take(&mut tables.tally));
                if writes > 0 {
                    self.stats.committed(writes, 0, began.elapsed());
                }
                Ok(receipt)
            }
            Err(Stop::Reject(reject)) => {
                assert_eq!(writes, 0, "a refused write changed rows: {reject}");
                self.stats.rejected();
                Err(reject.into())
            }
            Err(Stop::Fault(reason)) => {
                self.latch.fail(reason);
                Err(self.latch.error())
            }
        }
    }
}

impl Store for MemoryStore {
    fn submit(&self, write: Write) -> BoxFuture<'_, Result<Receipt, LedgerError>> {
        Box::pin(async move { self.write(write) })
    }

    fn look(&self, look: Look<'_>) -> Result<(), LedgerError> {
        self.latch.check()?;
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        match look(&mut *tables) {
            Ok(()) => Ok(()),
            Err(Stop::Reject(reject)) => Err(reject.into()),
            Err(Stop::Fault(reason)) => Err(LedgerError::Failed { reason }),
        }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.latch.set(Ended::Closed);
        Box::pin(std::future::ready(()))
    }

    fn queued(&self) -> usize {
        0
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }

    fn latch(&self) -> &Latch {
        &self.latch
    }

    fn room(&self) -> Option<&Room> {
        None
    }
}
