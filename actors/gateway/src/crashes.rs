//! Keeps crash records beyond the process.
//!
//! Owns: nothing. Started by: the root, after the ledger. Crashes when: never by itself. Survives: the records, as rows.

use std::time::Duration;

use openclaw_ledger::{CrashRow, Ledger, LedgerError};
use openclaw_runtime::{
    Actor, ActorPath, ChildSpec, Context, CrashRecord, Directory, ExitError, Mail, Task, cpu,
};
use serde_json::{Value, json};

/// How many records it takes up when it starts.
const MISSED: usize = 10;

/// What the keeper is told.
#[derive(Debug)]
pub(crate) enum CrashesMail {
    /// An actor crashed.
    Keep(Box<CrashRecord>),
    /// The record is stored, or not.
    Kept(Result<(), LedgerError>),
}

impl Mail for CrashesMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Keep(_) => "keep",
            Self::Kept(_) => "kept",
        }
    }
}

/// Writes crash records into the ledger.
#[derive(Debug)]
pub(crate) struct CrashKeeper {
    ledger: Ledger,
}

impl CrashKeeper {
    /// Its place under the root.
    pub(crate) fn spec(ledger: Ledger) -> ChildSpec {
        ChildSpec::actor::<Self>("crashes", ledger).park(Duration::from_secs(60))
    }

    /// Sends every crash of the tree to the keeper. One that can't take it leaves it in the directory's ring.
    pub(crate) fn listen(directory: &Directory) {
        let address = directory.address::<CrashesMail>(&ActorPath::from("crashes"));
        directory.on_crash(std::sync::Arc::new(move |record| {
            tracing::error!(
                crash = %record.id, actor.path = %record.path, msg.kind = record.mail,
                location = %record.location, "an actor crashed: {}", record.message
            );
            let id = record.id.clone();
            if address
                .try_send(CrashesMail::Keep(Box::new(record)))
                .is_err()
            {
                tracing::debug!(crash = %id, "the crash record is kept in memory only");
            }
        }));
    }
}

impl Actor for CrashKeeper {
    const KIND: &'static str = "crashes";
    type Mail = CrashesMail;
    type Args = Ledger;

    fn init(ledger: Ledger, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        Ok(Self { ledger })
    }

    /// What crashed while it was not there is in the directory's ring; a row that is written twice is the same row.
    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        for record in ctx.directory().crashes().into_iter().rev().take(MISSED) {
            let keep = keep(self.ledger.clone(), Box::new(record));
            let _id = ctx.task(Task::new("keep"), keep, CrashesMail::Kept);
        }
        Ok(())
    }

    fn handle(&mut self, mail: CrashesMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            CrashesMail::Keep(record) => {
                let keep = keep(self.ledger.clone(), record);
                let _id = ctx.task(Task::new("keep"), keep, CrashesMail::Kept);
            }
            CrashesMail::Kept(Err(error)) => {
                tracing::warn!(%error, "a crash record could not be stored");
            }
            CrashesMail::Kept(Ok(())) => {}
        }
        Ok(())
    }
}

/// Resolving a backtrace reads the binary's line tables, which takes milliseconds of work: not on a worker.
async fn keep(ledger: Ledger, record: Box<CrashRecord>) -> Result<(), LedgerError> {
    match cpu::run(move |_wanted| row(&record)).await {
        Ok(row) => ledger.put_crash(row).await,
        // So much goes wrong that the directory's ring has to do.
        Err(cpu::Busy) => Ok(()),
    }
}

fn row(record: &CrashRecord) -> CrashRow {
    CrashRow {
        id: record.id.to_string(),
        path: record.path.to_string(),
        at_ms: record.at_ms,
        record: to_json(record),
    }
}

/// A crash record as clients and the ledger see it.
pub(crate) fn to_json(record: &CrashRecord) -> Value {
    json!({
        "id": record.id.to_string(),
        "path": record.path.to_string(),
        "kind": record.kind,
        "mail": record.mail,
        "generation": record.generation,
        "inARow": record.in_a_row,
        "message": &*record.message,
        "location": &*record.location,
        "traceparent": record.trace.map(|trace| trace.to_string()),
        "atMs": record.at_ms,
        "thread": &*record.thread,
        "backtrace": record.backtrace(),
    })
}
