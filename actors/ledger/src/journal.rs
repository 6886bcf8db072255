//! The one writer: a thread that takes what has queued, commits it together, then answers.
//!
//! There is no timer: whatever arrives during one fsync is the next batch, so a lone write is durable
//! after one fsync and a crowd shares one.

use std::any::Any;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use redb::{Durability, ReadableDatabase};
use tokio::sync::{mpsc, oneshot};

use crate::apply::apply;
use crate::disk::{Changes, DiskTables, DiskView};
use crate::error::{LedgerError, Stop};
use crate::fault;
use crate::file::OpenFile;
use crate::latch::{Ended, Latch};
use crate::op::{Receipt, Write};
use crate::room::{DISK_FULL, Room};
use crate::stats::Stats;
use crate::store::{BoxFuture, Look, Store};

/// Writes that may wait; a sender past it waits for its place.
const QUEUE: usize = 1024;
/// Writes in one transaction.
const BATCH: usize = 256;
/// Bytes in one transaction: it must not grow past what the disk takes in some tens of ms.
const BATCH_BYTES: u64 = 4 * 1024 * 1024;

type Answer = oneshot::Sender<Result<Receipt, LedgerError>>;

enum Job {
    Write(Write, Answer),
    Close,
}

type Shared = Arc<RwLock<Option<OpenFile>>>;

/// The ledger on disk.
#[derive(Debug)]
pub(crate) struct DiskStore {
    queue: mpsc::Sender<Job>,
    file: Shared,
    stats: Arc<Stats>,
    latch: Arc<Latch>,
    room: Arc<Room>,
}

/// The journal thread; it ends when the ledger is closed, dropped or fails.
#[derive(Debug)]
pub struct JournalThread {
    thread: JoinHandle<()>,
}

impl JournalThread {
    /// Waits until the thread has ended and the file is closed. Blocks.
    pub fn join(self) {
        // A panic of the thread has latched the ledger already.
        let _ended = self.thread.join();
    }

    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

impl DiskStore {
    pub(crate) fn start(file: OpenFile) -> Result<(Self, JournalThread), LedgerError> {
        let (queue, inlet) = mpsc::channel(QUEUE);
        let room = Arc::clone(&file.room);
        let file: Shared = Arc::new(RwLock::new(Some(file)));
        let stats = Arc::new(Stats::new());
        let latch = Arc::new(Latch::new());
        let journal = Journal {
            file: Arc::clone(&file),
            stats: Arc::clone(&stats),
            latch: Arc::clone(&latch),
            room: Arc::clone(&room),
        };
        let thread = thread::Builder::new()
            .name("ledger".into())
            .spawn(move || journal.run(inlet))
            .map_err(|error| LedgerError::Failed {
                reason: error.to_string(),
            })?;
        Ok((
            Self {
                queue,
                file,
                stats,
                latch,
                room,
            },
            JournalThread { thread },
        ))
    }
}

impl Store for DiskStore {
    fn submit(&self, write: Write) -> BoxFuture<'_, Result<Receipt, LedgerError>> {
        Box::pin(async move {
            self.latch.check()?;
            let (answer, receipt) = oneshot::channel();
            // A failed send drops the answer with the write, so the receipt fails as well.
            drop(self.queue.send(Job::Write(write, answer)).await);
            match receipt.await {
                Ok(result) => result,
                // The thread ends, and says why before it is gone.
                Err(_) => Err((&self.latch.wait().await).into()),
            }
        })
    }

    fn look(&self, look: Look<'_>) -> Result<(), LedgerError> {
        self.latch.check()?;
        let transaction = {
            let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
            let Some(file) = file.as_ref() else {
                return Err(self.latch.error());
            };
            file.db.begin_read().map_err(|error| error.to_string())
        };
        let result = transaction
            .map_err(Stop::Fault)
            .and_then(|transaction| look(&mut DiskView::new(transaction)));
        match result {
            Ok(()) => Ok(()),
            Err(Stop::Reject(reject)) => Err(reject.into()),
            Err(Stop::Fault(reason)) => {
                // A reader that was overtaken by an ordered close met no fault.
                self.latch.check()?;
                self.latch.fail(format!("reading failed: {reason}"));
                Err(self.latch.error())
            }
        }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let _gone = self.queue.send(Job::Close).await;
            self.latch.wait().await;
        })
    }

    fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }

    fn latch(&self) -> &Latch {
        &self.latch
    }

    fn room(&self) -> Option<&Room> {
        Some(&self.room)
    }
}

struct Journal {
    file: Shared,
    stats: Arc<Stats>,
    latch: Arc<Latch>,
    room: Arc<Room>,
}

impl Journal {
    fn run(self, mut inlet: mpsc::Receiver<Job>) {
        // A panic below (a bug) ends the ledger like an I/O error does.
        let ended =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.serve(&mut inlet)));
        let ended = match ended {
            Ok(Ok(())) => Ended::Closed,
            Ok(Err(reason)) if self.room.is_hopeless() => {
                Ended::Failed(format!("{DISK_FULL}: {reason}"))
            }
            Ok(Err(reason)) => Ended::Failed(reason),
            Err(panic) => Ended::Failed(format!("bug: {}", message(&*panic))),
        };
        if ended != Ended::Closed {
            self.latch.set(ended.clone());
        }
        let file = self
            .file
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let closed = file.map_or(Ok(()), OpenFile::close);
        match closed {
            Err(reason) if ended == Ended::Closed => {
                self.latch.fail(format!("closing failed: {reason}"));
            }
            _ => self.latch.set(ended),
        }
        // Dropping the inlet drops what still waits: each sender then reads the latch.
    }

    fn serve(&self, inlet: &mut mpsc::Receiver<Job>) -> Result<(), String> {
        let mut jobs = Vec::with_capacity(BATCH);
        while inlet.blocking_recv_many(&mut jobs, BATCH) > 0 {
            let mut waiting = jobs.drain(..).peekable();
            while waiting.peek().is_some() {
                if let Some(Ended::Failed(reason)) = self.latch.get() {
                    return Err(reason);
                }
                if self.commit(&mut waiting)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Commits one batch and answers it; true when asked to close.
    fn commit(&self, jobs: &mut impl Iterator<Item = Job>) -> Result<bool, String> {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = file.as_ref() else {
            return Ok(true);
        };
        let began = Instant::now();
        let mut transaction = file.db.begin_write().map_err(|error| error.to_string())?;
        transaction
            .set_durability(Durability::Immediate)
            .map_err(|error| error.to_string())?;
        let mut tables = DiskTables::new(&transaction);
        let mut answers = Vec::new();
        let mut points = Vec::new();
        let mut close = false;
        self.stats.begin();
        for job in jobs {
            let Job::Write(write, answer) = job else {
                close = true;
                break;
            };
            points.push(fault::of(&write.op));
            answers.push((answer, self.apply(&mut tables, write)?));
            if tables.changes.bytes >= BATCH_BYTES {
                break;
            }
        }
        let Changes {
            tally,
            writes,
            bytes,
        } = tables.finish();
        if writes == 0 {
            transaction.abort().map_err(|error| error.to_string())?;
        } else {
            fault::before_commit(&points)?;
            transaction.commit().map_err(|error| error.to_string())?;
            fault::after_commit(&points)?;
            self.stats.committed(writes, bytes, began.elapsed());
        }
        self.stats.apply(&tally);
        self.stats.end(answers.len());
        for (answer, result) in answers {
            // Who no longer waits has died; a restart finds the row.
            let _gone = answer.send(result);
        }
        Ok(close)
    }

    fn apply(
        &self,
        tables: &mut DiskTables<'_>,
        write: Write,
    ) -> Result<Result<Receipt, LedgerError>, String> {
        let kind = write.op.kind();
        let before = tables.changes.writes;
        match apply(tables, write) {
            Ok(receipt) => Ok(Ok(receipt)),
            Err(Stop::Reject(reject)) if tables.changes.writes == before => {
                self.stats.rejected();
                tracing::debug!(op = kind, %reject, "write refused");
                Ok(Err(reject.into()))
            }
            Err(Stop::Reject(reject)) => Err(format!("{kind} was refused halfway: {reject}")),
            Err(Stop::Fault(reason)) => Err(format!("{kind} failed: {reason}")),
        }
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("the journal thread panicked")
}
