//! The ledger's place in the tree.
//!
//! Owns: nothing but the duty to watch. Started by: the root, as its first child, so it is stopped last.
//! Crashes: when the journal thread ends by an error; then the process exits with 74, as only a new process
//! can read what is really on disk. Survives: every row.

use std::time::Duration;

use openclaw_runtime::{
    Actor, BoxFuture, ChildExit, ChildSpec, Context, ExitError, Health, Mail, Past, Restart,
    Shutdown, Task,
};

use crate::room::DISK_FULL;
use crate::{Ended, Ledger, LedgerError};

/// EX_IOERR of sysexits: the service manager starts the process again.
const EXIT_IO: i32 = 74;
/// How often the tree's line about the ledger is renewed.
const LOOK: Duration = Duration::from_secs(5);
/// A batch that takes longer is reported: the disk hangs.
const SLOW_MS: u64 = 5000;
/// Time limits of rows are a day and more, so an hour is soon enough to forget them.
const PRUNE: Duration = Duration::from_secs(3600);
/// The first pruning waits until the start is over.
const FIRST_PRUNE: Duration = Duration::from_secs(60);

/// Mail of the ledger's actor.
#[derive(Debug)]
pub enum JournalMail {
    Look,
    /// The disk was looked at.
    Looked,
    Prune,
    Pruned(Result<u64, LedgerError>),
    Ended(Ended),
}

impl Mail for JournalMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Looked => "looked",
            Self::Prune => "prune",
            Self::Pruned(_) => "pruned",
            Self::Ended(_) => "ended",
        }
    }
}

/// What the ledger's actor is made from.
#[derive(Debug, Clone)]
pub struct JournalArgs {
    pub ledger: Ledger,
}

/// Watches the journal thread, prunes, and closes the ledger last.
#[derive(Debug)]
pub struct JournalActor {
    ledger: Ledger,
    is_looking: bool,
    was_full: bool,
}

impl JournalActor {
    /// The spec for the root: a core actor, whose end is the end of the process.
    #[must_use]
    pub fn spec(ledger: Ledger) -> ChildSpec {
        ChildSpec::actor::<Self>("ledger", JournalArgs { ledger })
            .restart(Restart::Permanent)
            .intensity(1, Duration::from_secs(60))
            .past(Past::Escalate)
            .shutdown(Shutdown::Infinity)
            .max_handle(Duration::from_secs(30))
    }

    fn on_look(&self) -> (Health, String) {
        let stats = self.ledger.stats();
        let health = if stats.busy_ms > SLOW_MS || stats.disk_full {
            Health::Degraded
        } else {
            Health::Ok
        };
        if stats.disk_full {
            let free = stats.disk_free.unwrap_or(0) / (1024 * 1024);
            let note = format!("{DISK_FULL} ({free} MiB free): nothing new is taken in");
            return (health, note);
        }
        let batch = (stats.ops * 10).checked_div(stats.commits).unwrap_or(0);
        let note = format!(
            "q {} · commit p50 {} µs p99 {} µs · batch {}.{}",
            stats.queue,
            stats.commit_p50_us,
            stats.commit_p99_us,
            batch / 10,
            batch % 10,
        );
        (health, note)
    }

    /// Looks at the disk in a task: it may hang, and then one look is enough.
    fn look_for_room(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.is_looking, true) {
            return;
        }
        let ledger = self.ledger.clone();
        let look = async move {
            // A look that was cancelled is made again at the next one.
            let _looked = tokio::task::spawn_blocking(move || ledger.look_for_room()).await;
        };
        let task = Task::new("room").kind("room");
        ctx.task(task, look, |()| JournalMail::Looked);
    }

    fn on_looked(&mut self, ctx: &mut Context<Self>) {
        self.is_looking = false;
        let is_full = self.ledger.stats().disk_full;
        if is_full && !self.was_full {
            // What is over its time makes room inside the file.
            self.prune(ctx);
        }
        self.was_full = is_full;
    }

    fn prune(&self, ctx: &mut Context<Self>) {
        let ledger = self.ledger.clone();
        let prune = async move { ledger.prune().await };
        ctx.task(Task::new("prune").kind("prune"), prune, JournalMail::Pruned);
    }

    fn on_pruned(result: &Result<u64, LedgerError>) {
        match result {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "forgot what is over its time"),
            // A failure of the store itself comes by `Ended`.
            Err(error) => tracing::warn!(%error, "pruning stopped, and is tried again in an hour"),
        }
    }

    fn on_ended(ended: Ended) -> Result<(), ExitError> {
        match ended {
            Ended::Closed => Ok(()),
            Ended::Failed(reason) => Err(ExitError::fatal(
                EXIT_IO,
                LedgerError::Failed { reason }.to_string(),
            )),
        }
    }
}

impl Actor for JournalActor {
    const KIND: &'static str = "ledger";
    type Mail = JournalMail;
    type Args = JournalArgs;

    fn init(args: JournalArgs, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        Ok(Self {
            ledger: args.ledger,
            is_looking: false,
            was_full: false,
        })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        let ledger = self.ledger.clone();
        let watch = Task::new("journal").kind("journal");
        ctx.task(
            watch,
            async move { ledger.ended().await },
            JournalMail::Ended,
        );
        self.look_for_room(ctx);
        ctx.after(LOOK, JournalMail::Look);
        ctx.after(FIRST_PRUNE, JournalMail::Prune);
        Ok(())
    }

    fn handle(&mut self, mail: JournalMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            JournalMail::Look => {
                let (health, note) = self.on_look();
                ctx.health(health);
                ctx.note(note);
                ctx.after(LOOK, JournalMail::Look);
                self.look_for_room(ctx);
            }
            JournalMail::Looked => self.on_looked(ctx),
            JournalMail::Prune => {
                self.prune(ctx);
                ctx.after(PRUNE, JournalMail::Prune);
            }
            JournalMail::Pruned(result) => Self::on_pruned(&result),
            JournalMail::Ended(ended) => return Self::on_ended(ended),
        }
        Ok(())
    }

    fn child_exited(&mut self, exit: ChildExit, _ctx: &mut Context<Self>) -> Result<(), ExitError> {
        if exit.exit.is_clean() {
            return Ok(());
        }
        Err(ExitError::child(exit))
    }

    fn stopping(&mut self, _ctx: &mut Context<Self>) -> Option<BoxFuture<'static, ()>> {
        let ledger = self.ledger.clone();
        Some(Box::pin(async move { ledger.close().await }))
    }
}
