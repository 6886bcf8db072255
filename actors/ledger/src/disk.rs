//! redb's tables behind the ledger's traits.

use redb::{
    ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction,
};

use crate::error::Stop;
use crate::stats::Tally;
use crate::table::{TableId, Tables, View, Visit};

type Bytes = &'static [u8];

pub(crate) fn definition(table: TableId) -> TableDefinition<'static, Bytes, Bytes> {
    TableDefinition::new(table.name())
}

pub(crate) fn fault(error: impl std::fmt::Display) -> Stop {
    Stop::Fault(error.to_string())
}

fn get(table: &impl ReadableTable<Bytes, Bytes>, key: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
    Ok(table
        .get(key)
        .map_err(fault)?
        .map(|value| value.value().to_vec()))
}

fn scan(
    table: &impl ReadableTable<Bytes, Bytes>,
    from: &[u8],
    until: &[u8],
    visit: Visit<'_>,
) -> Result<(), Stop> {
    for row in table.range::<&[u8]>(from..until).map_err(fault)? {
        let (key, value) = row.map_err(fault)?;
        if !visit(key.value(), value.value()) {
            break;
        }
    }
    Ok(())
}

fn last_key(
    table: &impl ReadableTable<Bytes, Bytes>,
    from: &[u8],
    until: &[u8],
) -> Result<Option<Vec<u8>>, Stop> {
    match table
        .range::<&[u8]>(from..until)
        .map_err(fault)?
        .next_back()
    {
        Some(row) => Ok(Some(row.map_err(fault)?.0.value().to_vec())),
        None => Ok(None),
    }
}

/// A transaction of the journal thread; a table is opened when it is first touched.
pub(crate) struct DiskTables<'t> {
    transaction: &'t WriteTransaction,
    tables: [Option<Table<'t, Bytes, Bytes>>; TableId::COUNT],
    pub(crate) changes: Changes,
}

/// What a transaction has changed so far.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) tally: Tally,
    pub(crate) writes: u64,
    pub(crate) bytes: u64,
}

impl<'t> DiskTables<'t> {
    pub(crate) fn new(transaction: &'t WriteTransaction) -> Self {
        Self {
            transaction,
            tables: std::array::from_fn(|_| None),
            changes: Changes::default(),
        }
    }

    /// Closes the tables, so that the transaction can end.
    pub(crate) fn finish(self) -> Changes {
        self.changes
    }

    #[expect(clippy::indexing_slicing, reason = "one place for each TableId")]
    fn table(&mut self, table: TableId) -> Result<&mut Table<'t, Bytes, Bytes>, Stop> {
        let place = &mut self.tables[table.index()];
        match place {
            Some(open) => Ok(open),
            None => {
                let open = self
                    .transaction
                    .open_table(definition(table))
                    .map_err(fault)?;
                Ok(place.insert(open))
            }
        }
    }
}

impl View for DiskTables<'_> {
    fn get(&mut self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        get(self.table(table)?, key)
    }

    fn scan(
        &mut self,
        table: TableId,
        from: &[u8],
        until: &[u8],
        visit: Visit<'_>,
    ) -> Result<(), Stop> {
        scan(self.table(table)?, from, until, visit)
    }

    fn last_key(
        &mut self,
        table: TableId,
        from: &[u8],
        until: &[u8],
    ) -> Result<Option<Vec<u8>>, Stop> {
        last_key(self.table(table)?, from, until)
    }
}

impl Tables for DiskTables<'_> {
    fn put(&mut self, table: TableId, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        self.changes.writes += 1;
        self.changes.tally.wrote(table, key);
        self.changes.bytes += (key.len() + value.len()) as u64;
        let _old = self.table(table)?.insert(key, value).map_err(fault)?;
        Ok(())
    }

    fn remove(&mut self, table: TableId, key: &[u8]) -> Result<(), Stop> {
        self.changes.writes += 1;
        self.changes.tally.wrote(table, key);
        self.changes.bytes += key.len() as u64;
        let _old = self.table(table)?.remove(key).map_err(fault)?;
        Ok(())
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.changes.tally
    }
}

/// A snapshot for readers; a table is opened when it is first touched.
pub(crate) struct DiskView {
    transaction: ReadTransaction,
    tables: [Option<ReadOnlyTable<Bytes, Bytes>>; TableId::COUNT],
}

impl DiskView {
    pub(crate) fn new(transaction: ReadTransaction) -> Self {
        Self {
            transaction,
            tables: std::array::from_fn(|_| None),
        }
    }

    #[expect(clippy::indexing_slicing, reason = "one place for each TableId")]
    fn table(&mut self, table: TableId) -> Result<&ReadOnlyTable<Bytes, Bytes>, Stop> {
        let place = &mut self.tables[table.index()];
        match place {
            Some(open) => Ok(open),
            None => {
                let open = self
                    .transaction
                    .open_table(definition(table))
                    .map_err(fault)?;
                Ok(place.insert(open))
            }
        }
    }
}

impl View for DiskView {
    fn get(&mut self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        get(self.table(table)?, key)
    }

    fn scan(
        &mut self,
        table: TableId,
        from: &[u8],
        until: &[u8],
        visit: Visit<'_>,
    ) -> Result<(), Stop> {
        scan(self.table(table)?, from, until, visit)
    }

    fn last_key(
        &mut self,
        table: TableId,
        from: &[u8],
        until: &[u8],
    ) -> Result<Option<Vec<u8>>, Stop> {
        last_key(self.table(table)?, from, until)
    }
}
