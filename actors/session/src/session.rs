//! One conversation: takes its rows one by one, each in a turn of its own.
//!
//! Owns: the claim of the session's rows, the live turn, the conversation in memory.
//! Started by: the router, under one of the partition supervisors; leaves when nobody speaks.
//! Crashes: when the ledger refuses a claim; its supervisor restarts it, past five times it parks.
//! Survives: everything. The queue is rows, and a restart reads them like a boot does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use openclaw_ledger::InboxFilter;
use openclaw_ledger::InboxRow;
use openclaw_ledger::InboxState;
use openclaw_ledger::LedgerError;
use openclaw_ledger::TurnNo;
use openclaw_ledger::TurnStart;
use openclaw_protocol::RunId;
use openclaw_protocol::SessionKey;
use openclaw_runtime::Actor;
use openclaw_runtime::Address;
use openclaw_runtime::BoxFuture;
use openclaw_runtime::ChildExit;
use openclaw_runtime::ChildId;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Context;
use openclaw_runtime::Exit;
use openclaw_runtime::ExitError;
use openclaw_runtime::KillReason;
use openclaw_runtime::Mail;
use openclaw_runtime::Reply;
use openclaw_runtime::Restart;
use openclaw_runtime::Shutdown;
use openclaw_runtime::Task;
use openclaw_runtime::Timer;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::command;
use crate::command::approve;
use crate::conversation::Slot;
use crate::deps::Deps;
use crate::event::Feed;
use crate::queue;
use crate::turn::LAST_WORDS;
use crate::turn::Turn;
use crate::turn::TurnArgs;
use crate::turn::TurnMail;
use crate::turns::Permit;

mod claim;
mod discard;
pub(crate) mod operation;
mod waiting;

pub(crate) use self::operation::Operation;
use self::waiting::Taking;

/// How long a turn may take to stop; a bit more than its last words.
const TURN_STOP: Duration = Duration::from_secs(4);

/// Mail of a session.
pub(crate) enum SessionMail {
    /// There may be new rows.
    Work,
    /// End the run (all runs when none is named), and drop what waits.
    Abort {
        run: Option<RunId>,
        reason: &'static str,
        reply: Option<Reply<Vec<RunId>>>,
    },
    /// Something that must not happen during a turn.
    Operate(Operation),
    /// A place for the next turn, and how long it was waited for.
    Permitted(Permit, Duration),
    Claimed(Box<Result<Option<TurnStart>, LedgerError>>),
    Dropped(Result<(), LedgerError>),
    Operated,
    /// It may have been quiet for long enough.
    Quiet,
    /// A question about a program was answered, or not.
    Answered,
    IdleFor(u64),
}

impl Mail for SessionMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Abort { .. } => "abort",
            Self::Operate(_) => "operate",
            Self::Permitted(..) => "permitted",
            Self::Claimed(_) => "claimed",
            Self::Dropped(_) => "dropped",
            Self::Operated => "operated",
            Self::Quiet => "quiet",
            Self::Answered => "answered",
            Self::IdleFor(_) => "idle_for",
        }
    }
}

/// What a session is made from.
#[derive(Clone)]
pub(crate) struct SessionArgs {
    pub(crate) deps: Arc<Deps>,
    pub(crate) key: SessionKey,
}

/// A session that somebody speaks to.
pub(crate) struct Session {
    args: SessionArgs,
    slot: Slot,
    live: Option<Live>,
    /// What a task of this session is busy with; nothing new is begun meanwhile.
    busy: Option<Busy>,
    permit: Option<Permit>,
    /// It stands in line for a place.
    is_waiting: bool,
    operations: VecDeque<Operation>,
    /// The feed of the run at hand, kept over its attempts so that its numbers go on.
    feed: Option<Arc<Feed>>,
    /// What ended the last attempt.
    crash: Option<String>,
    /// Since when what waited behind a turn is held back until nobody types.
    held_since: Option<Instant>,
    /// When it was last told of a message.
    heard: Instant,
    quiet: Option<Timer>,
    /// Since when what came to an idle session is held back for what may follow quickly.
    typing_since: Option<Instant>,
    /// Counts activity; an idle timer of an earlier count is void.
    activity: u64,
    turns: u64,
    idle: Option<Timer>,
    /// A stop was ordered: nothing new is begun.
    is_ending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Busy {
    Claiming,
    Dropping,
    Operating,
}

struct Live {
    id: ChildId,
    address: Address<TurnMail>,
    row: Arc<InboxRow>,
    /// The rows it was begun with, besides its own.
    with: Arc<[InboxRow]>,
    claim: watch::Sender<Option<Arc<TurnStart>>>,
    over: watch::Sender<bool>,
    /// None for what the gateway answers by itself.
    _permit: Option<Permit>,
}

impl Session {
    fn deps(&self) -> &Arc<Deps> {
        &self.args.deps
    }

    /// Rows that wait, oldest first.
    fn open_rows(&self) -> Vec<InboxRow> {
        if self.deps().ledger.pending(&self.args.key) == 0 {
            return Vec::new();
        }
        self.deps().ledger.inbox(&InboxFilter {
            session: Some(self.args.key.clone()),
            open_only: true,
            limit: queue::LOOK,
            ..InboxFilter::default()
        })
    }

    /// Begins whatever comes next, if nothing is at work.
    fn next(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        if self.live.is_some() || self.busy.is_some() || self.is_ending {
            return Ok(());
        }
        if let Some(operation) = self.operations.pop_front() {
            self.permit = None;
            self.operate(operation, ctx);
            return Ok(());
        }
        let rows = self.open_rows();
        let Some(first) = rows.first() else {
            self.permit = None;
            self.feed = None;
            self.held_since = None;
            self.typing_since = None;
            self.rest(ctx);
            return Ok(());
        };
        if let Some(stop) = last_stop(&rows) {
            let before: Vec<InboxRow> = rows
                .iter()
                .take_while(|row| row.seq < stop)
                .filter(|row| row.state == InboxState::Pending)
                .cloned()
                .collect();
            if !before.is_empty() {
                self.drop_rows(before, "stop", ctx);
                return Ok(());
            }
        }
        let count = match self.taking(&rows, ctx) {
            Taking::Turn(count) => count,
            Taking::Later => return Ok(()),
        };
        let permit = if self.needs_place(first) {
            match self.take_permit(&first.source, ctx) {
                Some(permit) => Some(permit),
                None => return Ok(()),
            }
        } else {
            None
        };
        let is_fresh = first.state == InboxState::Pending && first.attempts == 0;
        let with: Arc<[InboxRow]> = rows.get(1..count).unwrap_or_default().into();
        self.claim(&with, ctx);
        if is_fresh {
            // The claim is on its way to the disk: the turn may prepare and ask meanwhile.
            self.begin(Arc::new(first.clone()), with, true, permit, ctx)
        } else {
            self.permit = permit;
            Ok(())
        }
    }

    fn on_work(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        self.activity += 1;
        self.heard = Instant::now();
        if let Some(live) = &self.live {
            let (rows, begun) = (self.open_rows(), live.row.seq);
            if last_stop(&rows).is_some_and(|stop| stop > begun) {
                self.abort_live("stop");
            } else {
                self.beside_a_turn(&rows, ctx);
            }
            // What runs may wait for just this answer, so it counts before its turn comes.
            for row in rows.iter().filter(|row| row.seq > begun) {
                if let Some(answering) = approve::answer(self.deps(), row) {
                    let task =
                        Task::new(format!("approve/{}/{}", row.seq, self.activity)).kind("approve");
                    ctx.task(task, answering, |_| SessionMail::Answered);
                }
            }
            return Ok(());
        }
        self.next(ctx)
    }

    fn abort_live(&self, reason: &'static str) {
        if let Some(live) = &self.live {
            // Full means that its own tasks flooded it, which their number forbids; down means it
            // is over. In both cases there is nothing left to abort.
            drop(live.address.try_send(TurnMail::Abort(reason)));
        }
    }

    fn on_abort(
        &mut self,
        run: Option<RunId>,
        reason: &'static str,
        ctx: &mut Context<Self>,
    ) -> Vec<RunId> {
        let is_meant = |id: &RunId| run.as_ref().is_none_or(|run| run == id);
        let mut ended = Vec::new();
        if let Some(live) = &self.live
            && live.rows().any(|row| is_meant(&row.run_id))
        {
            ended.extend(live.rows().map(|row| row.run_id.clone()));
            self.abort_live(reason);
        }
        let waiting: Vec<InboxRow> = self
            .open_rows()
            .into_iter()
            .filter(|row| !self.is_at_work(row.seq) && is_meant(&row.run_id))
            .filter(|row| row.state == InboxState::Pending && !command::is_stop(&row.body.text))
            .collect();
        ended.extend(waiting.iter().map(|row| row.run_id.clone()));
        if !waiting.is_empty() {
            self.drop_rows(waiting, reason, ctx);
        }
        ended
    }

    fn on_turn_exited(
        &mut self,
        exit: &ChildExit,
        ctx: &mut Context<Self>,
    ) -> Result<(), ExitError> {
        let Some(live) = self.live.take() else {
            return Ok(());
        };
        self.deps().shared.runs.end(&self.args.key);
        if exit.exit.is_clean() && *live.over.borrow() {
            self.held_since = Some(Instant::now());
            self.crash = None;
            self.feed = None;
        } else {
            tracing::warn!(
                session = %self.args.key, row = live.row.seq, exit = %exit.exit,
                "a turn ended before its commit; its row is tried again"
            );
            // Its commit may have been on the way: then the answer stands in the outbox, and nobody was told.
            for account in self.deps().ledger.open_accounts() {
                openclaw_channel::nudge_outbox(&self.deps().directory, &account);
            }
            self.crash = Some(match exit.exit.crash() {
                Some(crash) => crash.to_string(),
                None => exit.exit.to_string(),
            });
        }
        if self.deps().ledger.failed().is_some() {
            return Ok(()); // nothing can be claimed; the process is about to end
        }
        self.next(ctx)
    }

    fn rest(&mut self, ctx: &mut Context<Self>) {
        self.activity += 1;
        ctx.note("idle");
        let mail = SessionMail::IdleFor(self.activity);
        if let Some(timer) = self.idle.replace(ctx.after(self.deps().shared.idle, mail)) {
            timer.cancel();
        }
    }
}

/// The number of the last row that says stop and has not been begun.
fn last_stop(rows: &[InboxRow]) -> Option<u64> {
    rows.iter()
        .rev()
        .find(|row| row.state == InboxState::Pending && command::is_stop(&row.body.text))
        .map(|row| row.seq)
}

impl Actor for Session {
    const KIND: &'static str = "session";
    type Mail = SessionMail;
    type Args = SessionArgs;

    fn init(args: SessionArgs, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        args.deps.shared.runs.end(&args.key);
        Ok(Self {
            args,
            slot: Slot::default(),
            live: None,
            busy: None,
            permit: None,
            is_waiting: false,
            operations: VecDeque::new(),
            feed: None,
            crash: None,
            held_since: None,
            heard: Instant::now(),
            quiet: None,
            typing_since: None,
            activity: 0,
            turns: 0,
            idle: None,
            is_ending: false,
        })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        self.next(ctx)
    }

    fn handle(&mut self, mail: SessionMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            SessionMail::Work => self.on_work(ctx),
            SessionMail::Abort { run, reason, reply } => {
                let ended = self.on_abort(run, reason, ctx);
                if let Some(reply) = reply {
                    reply.send(ended);
                }
                Ok(())
            }
            SessionMail::Operate(operation) => {
                self.activity += 1;
                if operation.ends_turns() {
                    self.abort_live("reset");
                }
                self.operations.push_back(operation);
                self.next(ctx)
            }
            SessionMail::Permitted(permit, waited) => self.on_permitted(permit, waited, ctx),
            SessionMail::Claimed(claimed) => self.on_claimed(*claimed, ctx),
            SessionMail::Dropped(dropped) => {
                self.busy = None;
                dropped?;
                self.next(ctx)
            }
            SessionMail::Operated => {
                self.busy = None;
                self.next(ctx)
            }
            SessionMail::Quiet => self.next(ctx),
            SessionMail::Answered => Ok(()),
            SessionMail::IdleFor(activity) => {
                let is_idle = activity == self.activity
                    && self.live.is_none()
                    && self.busy.is_none()
                    && !self.is_waiting
                    && self.operations.is_empty();
                if is_idle && self.deps().ledger.pending(&self.args.key) == 0 {
                    // A nudge that comes in between is not lost: the supervisor starts an actor
                    // again that left with mail.
                    ctx.stop();
                }
                Ok(())
            }
        }
    }

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        if self.live.as_ref().is_some_and(|live| live.id == exit.id) {
            return self.on_turn_exited(&exit, ctx);
        }
        if exit.exit.is_clean() {
            return Ok(());
        }
        let is_late = matches!(exit.exit, Exit::Killed(KillReason::Deadline));
        if is_late && exit.id.as_str() == operation::OPERATION {
            // Who asked for it is told by the end of the reply; the conversation is read anew.
            tracing::warn!(session = %self.args.key, "what a client asked for took too long and was ended");
            self.busy = None;
            return self.next(ctx);
        }
        Err(ExitError::child(exit))
    }

    fn stopping(&mut self, ctx: &mut Context<Self>) -> Option<BoxFuture<'static, ()>> {
        self.is_ending = true;
        let live = self.live.as_ref()?;
        ctx.note("finishes its turn");
        let mut over = live.over.subscribe();
        let (ledger, row) = (self.deps().ledger.clone(), live.row.clone());
        Some(Box::pin(async move {
            let done = over.wait_for(|over| *over);
            let is_done = tokio::time::timeout(LAST_WORDS, done).await.is_ok();
            if !is_done {
                // Resumed at the next start; an ordered stop is no failed attempt.
                let released = ledger.release_turn(&row.session, TurnNo(row.seq)).await;
                if let Err(error) = released {
                    tracing::debug!(session = %row.session, %error, "the turn was not given back");
                }
            }
        }))
    }
}
