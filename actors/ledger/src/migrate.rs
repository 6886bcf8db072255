//! The layout of the file: whose it is, which version, and the way from one version to the next.

use std::path::Path;

use redb::{Database, ReadableDatabase, TableHandle, WriteTransaction};

use crate::codec;
use crate::disk::{DiskTables, definition};
use crate::error::{LedgerError, Stop};
use crate::table::{TableId, Tables, View};

/// Layout that this binary writes.
pub(crate) const LAYOUT: u32 = 5;

const MAGIC: &[u8] = b"magic";
const MAGIC_VALUE: &[u8] = b"openclaw ledger";
const LAYOUT_KEY: &[u8] = b"layout";
pub(crate) const EPOCH: &[u8] = b"epoch";

/// Brings the tables from layout `from` to the next, inside one transaction with all later steps.
struct Migration {
    from: u32,
    name: &'static str,
    run: fn(&mut DiskTables<'_>) -> Result<(), Stop>,
}

/// One entry for each layout before [`LAYOUT`]. A file that stops halfway is unchanged.
const MIGRATIONS: &[Migration] = &[
    Migration {
        from: 1,
        name: "rows keep their moves",
        run: nothing,
    },
    Migration {
        from: 2,
        name: "usage is counted call by call, and budgets bind",
        run: nothing,
    },
    Migration {
        from: 3,
        name: "what was done is written into a chain",
        run: nothing,
    },
    Migration {
        from: 4,
        name: "what is said in a group and not to the agent is kept for its next turn",
        run: nothing,
    },
];

/// Rows of the older layout are read as they are, and rewritten when they move; new tables begin empty. All that has
/// to be said is that an older binary cannot read this file any more.
fn nothing(_tables: &mut DiskTables<'_>) -> Result<(), Stop> {
    Ok(())
}

/// What a file turned out to be.
enum Found {
    Empty,
    Layout(u32),
}

/// Makes sure that the database is ours and not newer than this binary. Writes nothing.
pub(crate) fn check(db: &impl ReadableDatabase, path: &Path) -> Result<(), LedgerError> {
    match inspect(db, path)? {
        Found::Layout(found) if found > LAYOUT => Err(LedgerError::Newer {
            path: path.into(),
            found,
            known: LAYOUT,
        }),
        Found::Layout(_) | Found::Empty => Ok(()),
    }
}

/// Checks the database and brings it to this layout.
pub(crate) fn prepare(db: &Database, path: &Path) -> Result<(), LedgerError> {
    check(db, path)?;
    let from = match inspect(db, path)? {
        Found::Layout(LAYOUT) => return Ok(()),
        Found::Layout(found) => Some(found),
        Found::Empty => None,
    };
    let open = |detail: String| LedgerError::Open {
        path: path.into(),
        detail,
    };
    let transaction = db.begin_write().map_err(|error| open(error.to_string()))?;
    upgrade(&transaction, from).map_err(|stop| open(format!("{stop:?}")))?;
    transaction
        .commit()
        .map_err(|error| open(error.to_string()))
}

fn inspect(db: &impl ReadableDatabase, path: &Path) -> Result<Found, LedgerError> {
    let open = |error: &dyn std::fmt::Display| LedgerError::Open {
        path: path.into(),
        detail: error.to_string(),
    };
    let foreign = |detail: &str| LedgerError::Foreign {
        path: path.into(),
        detail: detail.into(),
    };
    let transaction = db.begin_read().map_err(|error| open(&error))?;
    let mut names = transaction
        .list_tables()
        .map_err(|error| open(&error))?
        .peekable();
    if names.peek().is_none() {
        return Ok(Found::Empty);
    }
    if !names.any(|table| table.name() == TableId::Meta.name()) {
        return Err(foreign("a database of another program"));
    }
    let Ok(meta) = transaction.open_table(definition(TableId::Meta)) else {
        return Err(foreign("a database of another program"));
    };
    let read = |key: &[u8]| match meta.get(key) {
        Ok(value) => Ok(value.map(|value| value.value().to_vec())),
        Err(error) => Err(open(&error)),
    };
    if read(MAGIC)?.as_deref() != Some(&codec::seal(MAGIC_VALUE)) {
        return Err(foreign("its magic row is missing"));
    }
    let layout = read(LAYOUT_KEY)?.and_then(|value| Some(u32::from_be_bytes(*value.last_chunk()?)));
    layout
        .map(Found::Layout)
        .ok_or_else(|| foreign("its layout row is missing"))
}

fn upgrade(transaction: &WriteTransaction, from: Option<u32>) -> Result<(), Stop> {
    let mut tables = DiskTables::new(transaction);
    if let Some(from) = from {
        for migration in MIGRATIONS.iter().filter(|migration| migration.from >= from) {
            tracing::info!(
                from = migration.from,
                name = migration.name,
                "migrating the ledger"
            );
            (migration.run)(&mut tables)?;
        }
    }
    // Readers find every table from the first read on.
    for table in TableId::ALL {
        let _none = tables.get(table, &[])?;
    }
    tables.put(TableId::Meta, MAGIC, &codec::seal(MAGIC_VALUE))?;
    tables.put(
        TableId::Meta,
        LAYOUT_KEY,
        &codec::seal(&LAYOUT.to_be_bytes()),
    )
}
