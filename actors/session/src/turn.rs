//! One turn: performs what the plan decides.
//!
//! Owns: the plan of one turn and the tasks under it (call, tool, commit).
//! Started by: its session, for one claimed row; never restarted by a supervisor.
//! Crashes: when a task of its own panics or the ledger refuses; the session tries the row again.
//! Survives: the row, the steps, and whatever was committed.

use std::sync::Arc;
use std::time::Duration;

use openclaw_channel::typing::TypingGuard;
use openclaw_ledger::InboxRow;
use openclaw_ledger::LedgerError;
use openclaw_ledger::StepIntent;
use openclaw_ledger::TurnNo;
use openclaw_ledger::TurnStart;
use openclaw_protocol::Content;
use openclaw_protocol::Message;
use openclaw_protocol::message::AssistantMessage;
use openclaw_protocol::message::ToolResultMessage;
use openclaw_runtime::Actor;
use openclaw_runtime::ChildExit;
use openclaw_runtime::ChildId;
use openclaw_runtime::Context;
use openclaw_runtime::Exit;
use openclaw_runtime::ExitError;
use openclaw_runtime::KillReason;
use openclaw_runtime::Mail;
use openclaw_runtime::Task;
use openclaw_runtime::TraceContext;
use tokio::sync::watch;

use crate::call;
use crate::commit;
use crate::commit::Ending;
use crate::commit::Told;
use crate::commit::TurnError;
use crate::compact::Compacted;
use crate::context::room::Room;
use crate::conversation::Slot;
use crate::deps::Deps;
use crate::event::Feed;
use crate::event::Phase;
use crate::event::ToolEvent;
use crate::event::What;
use crate::event::now_ms;
use crate::notice;
use crate::plan::CallFailure;
use crate::plan::Effect;
use crate::plan::Event;
use crate::plan::Outcome;
use crate::plan::Plan;
use crate::plan::ToolUse;
use crate::prepare;
use crate::prepare::Next;
use crate::prepare::Prepared;
use crate::tab::Tab;

mod ask;
mod end;
pub(crate) mod joined;
mod step;
mod window;

use self::joined::Company;

/// Longest a turn may still work after the session was told to stop: a process that is asked to end
/// ends within five seconds, and what is not done by then is resumed from its rows.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(3);

/// The claim as it becomes durable; the sender is dropped when there is none.
pub(crate) type ClaimWatch = watch::Receiver<Option<Arc<TurnStart>>>;

/// The messages before a turn.
type Past = Arc<Vec<Arc<Message>>>;

/// Mail of a turn; all but `Abort` comes from its own tasks.
#[derive(Debug)]
pub(crate) enum TurnMail {
    Abort(&'static str),
    Claimed(Option<Arc<TurnStart>>),
    Prepared(Box<Result<Prepared, LedgerError>>),
    CallEnded(u32, Box<Result<AssistantMessage, CallFailure>>),
    PauseOver(u32),
    Compacted(u32, Box<Result<(Compacted, Option<Past>), LedgerError>>),
    Noted(u32, Result<(), LedgerError>),
    Spent(Result<(), LedgerError>),
    IntentStored(u32, Result<(), LedgerError>),
    ToolEnded(u32, Box<ToolResultMessage>),
    ResultStored(u32, Result<(), LedgerError>),
    Joined(u32, Result<(), LedgerError>),
    Committed(Box<Result<Told, TurnError>>),
    Deadline,
}

impl Mail for TurnMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Abort(_) => "abort",
            Self::Claimed(_) => "claimed",
            Self::Prepared(_) => "prepared",
            Self::CallEnded(..) => "call_ended",
            Self::PauseOver(_) => "pause_over",
            Self::Compacted(..) => "compacted",
            Self::Noted(..) => "noted",
            Self::Spent(_) => "spent",
            Self::IntentStored(..) => "intent_stored",
            Self::ToolEnded(..) => "tool_ended",
            Self::ResultStored(..) => "result_stored",
            Self::Joined(..) => "joined",
            Self::Committed(_) => "committed",
            Self::Deadline => "deadline",
        }
    }
}

/// What a turn is made from.
#[derive(Clone)]
pub(crate) struct TurnArgs {
    pub(crate) deps: Arc<Deps>,
    pub(crate) slot: Slot,
    pub(crate) row: Arc<InboxRow>,
    /// Rows that it answers besides, oldest first.
    pub(crate) with: Arc<[InboxRow]>,
    pub(crate) claim: ClaimWatch,
    /// The row is fresh: the model may be asked before the claim is durable.
    pub(crate) early: bool,
    pub(crate) feed: Arc<Feed>,
    /// What ended the attempt before this one.
    pub(crate) crash: Option<String>,
    /// Set when the turn is over, so that an ordered stop can wait for it.
    pub(crate) over: watch::Sender<bool>,
}

/// A running turn.
pub(crate) struct Turn {
    args: TurnArgs,
    plan: Plan,
    prepared: Option<Arc<Prepared>>,
    /// The conversation before this turn, as it is after it was summed up.
    history: Past,
    /// The model's window; none before it is known.
    room: Option<Room>,
    /// A provider found the request too long.
    overflowed: bool,
    tab: Tab,
    /// How often costs were written down.
    written: u32,
    budget: Duration,
    begun: tokio::time::Instant,
    /// Calls and pauses so far; tells late mail from the current one's.
    epoch: u32,
    call: Option<ChildId>,
    tool: Option<(ChildId, u32, ToolUse)>,
    told: Option<Told>,
    company: Company,
    /// The trace its message came in with, also after a restart.
    trace: TraceContext,
    _typing: Option<TypingGuard>,
}

impl Turn {
    fn feed(&mut self, event: Event, ctx: &mut Context<Self>) {
        let effects = self.plan.on(event);
        for effect in effects {
            self.perform(effect, ctx);
        }
        ctx.note(format!("turn {}: {}", self.args.row.seq, self.plan.note()));
    }

    fn perform(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Call => self.call(ctx),
            Effect::Pause(pause) => {
                self.epoch += 1;
                self.write_costs(ctx);
                ctx.after(pause, TurnMail::PauseOver(self.epoch));
            }
            Effect::StoreIntent { k, call } => {
                self.write_costs(ctx);
                self.store_intent(k, call, ctx);
            }
            Effect::RunTool { k, call } => self.run_tool(k, call, ctx),
            Effect::StoreResult { k, result } => self.store_result(k, result, ctx),
            Effect::Cancel => self.cancel(ctx),
            Effect::Commit(outcome) => self.commit(outcome, ctx),
            Effect::Finish(outcome) => self.finish(outcome, ctx),
        }
    }

    fn cancel(&mut self, ctx: &mut Context<Self>) {
        self.epoch += 1;
        if let Some(call) = self.call.take() {
            ctx.kill_child(&call, KillReason::Abort);
        }
        if let Some((tool, _, _)) = self.tool.take() {
            ctx.kill_child(&tool, KillReason::Abort);
        }
    }

    fn on_claimed(
        &mut self,
        start: Option<Arc<TurnStart>>,
        ctx: &mut Context<Self>,
    ) -> Result<(), ExitError> {
        let Some(start) = start else {
            return Err(ExitError::new("the session gave up the claim of this turn"));
        };
        if start.turn.0 != self.args.row.seq {
            return Err(ExitError::new(format!(
                "the claim is for row {}, not for row {}",
                start.turn, self.args.row.seq
            )));
        }
        self.company.resume(&start);
        self.feed(Event::Claimed(step::claim(&start)), ctx);
        Ok(())
    }

    fn on_prepared(&mut self, prepared: Prepared, ctx: &mut Context<Self>) {
        self.args.feed.begin(&prepared.session_id);
        let chosen = &prepared.chosen.model;
        self.plan.answers_as(&chosen.provider, &chosen.model);
        let of_client = self.args.row.body.client_tools.iter();
        self.plan
            .leaves_to_client(of_client.map(|tool| tool.name.clone()).collect());
        self.history = prepared.history.clone();
        self.room = Some(self.room(&prepared));
        let event = match &prepared.next {
            Next::Ask { .. } => Event::Prepared {
                early: self.args.early,
            },
            Next::Answer(text) => Event::Answered(own_words(text.clone())),
            Next::Compact { instructions } => {
                let instructions = instructions.clone();
                self.prepared = Some(Arc::new(prepared));
                self.compact(instructions, ctx);
                return;
            }
            Next::Refuse(notice) => Event::Unprepared {
                notice: notice.clone(),
            },
        };
        self.prepared = Some(Arc::new(prepared));
        self.feed(event, ctx);
    }

    fn on_deadline(&mut self, ctx: &mut Context<Self>) {
        let model = self.prepared.as_ref().map(|p| p.chosen.model.clone());
        let event = Event::Deadline {
            notice: notice::deadline(model.as_ref(), self.budget),
            partial: self.partial(),
            now_ms: now_ms(),
        };
        self.feed(event, ctx);
    }

    fn on_abort(&mut self, reason: &'static str, ctx: &mut Context<Self>) {
        let event = Event::Abort {
            reason,
            partial: self.partial(),
            now_ms: now_ms(),
        };
        self.feed(event, ctx);
    }
}

/// An answer of the gateway itself.
fn own_words(text: String) -> AssistantMessage {
    AssistantMessage {
        content: vec![Content::text(text)],
        api: "openclaw".to_owned(),
        provider: "openclaw".to_owned(),
        model: "gateway-injected".to_owned(),
        timestamp: now_ms(),
        extra: prepare::command_mark(),
        ..AssistantMessage::default()
    }
}

impl Actor for Turn {
    const KIND: &'static str = "turn";
    type Mail = TurnMail;
    type Args = TurnArgs;

    fn init(args: TurnArgs, ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        let usual = (args.deps.config)()
            .agents
            .defaults
            .or_default()
            .timeout_seconds;
        // Who gives a task may give it less time than turns have, not more.
        let own = args
            .row
            .body
            .spawn
            .as_deref()
            .and_then(|spawn| spawn.run_timeout_seconds);
        let seconds = own.unwrap_or(usual).min(usual);
        let tab = Tab::of(&args.deps, &args.row);
        let typing = args
            .row
            .reply
            .as_ref()
            .filter(|_| args.row.body.deliver)
            .map(|route| args.deps.typing.start(route));
        let stored = args.row.traceparent.as_deref();
        let trace = stored.and_then(TraceContext::parse);
        Ok(Self {
            trace: trace.unwrap_or_else(|| ctx.trace()),
            args,
            plan: Plan::new(),
            prepared: None,
            history: Past::default(),
            room: None,
            overflowed: false,
            tab,
            written: 0,
            budget: Duration::from_secs(seconds.max(1)),
            begun: tokio::time::Instant::now(),
            epoch: 0,
            call: None,
            tool: None,
            told: None,
            company: Company::default(),
            _typing: typing,
        })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        ctx.join(self.trace);
        let mut claim = self.args.claim.clone();
        let claimed = async move {
            let start = claim.wait_for(Option::is_some).await;
            start.ok().and_then(|start| start.clone())
        };
        ctx.task(Task::new("claim").kind("claim"), claimed, TurnMail::Claimed);
        let is_poison = (self.args.claim.borrow().as_ref()).is_some_and(|start| start.exhausted);
        if is_poison {
            return Ok(()); // whatever crashed the turn thrice is not touched again
        }
        let prepared = prepare::prepare(
            self.args.deps.clone(),
            self.args.slot.clone(),
            self.args.row.clone(),
            self.args.with.clone(),
        );
        ctx.task(Task::new("prepare").kind("prepare"), prepared, |prepared| {
            TurnMail::Prepared(Box::new(prepared))
        });
        ctx.after(self.budget, TurnMail::Deadline);
        Ok(())
    }

    fn handle(&mut self, mail: TurnMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        ctx.join(self.trace);
        match mail {
            TurnMail::Claimed(start) => self.on_claimed(start, ctx)?,
            TurnMail::Prepared(prepared) => self.on_prepared((*prepared)?, ctx),
            TurnMail::CallEnded(epoch, ended) => self.on_call_ended(epoch, *ended, ctx),
            TurnMail::PauseOver(epoch) if epoch == self.epoch => self.feed(Event::PauseOver, ctx),
            TurnMail::PauseOver(_) => {}
            TurnMail::Compacted(epoch, compacted) => {
                let (compacted, history) = (*compacted)?;
                self.on_compacted(epoch, compacted, history, ctx);
            }
            TurnMail::Noted(epoch, taken) => {
                taken?;
                self.on_noted(epoch, ctx);
            }
            TurnMail::Spent(written) => written?,
            TurnMail::IntentStored(k, stored) => {
                stored?;
                self.feed(Event::IntentStored(k), ctx);
            }
            TurnMail::ToolEnded(k, result) => self.on_tool_ended(k, *result, ctx),
            TurnMail::ResultStored(k, stored) => {
                stored?;
                if !self.take_in(k, ctx) {
                    self.feed(Event::ResultStored(k), ctx);
                }
            }
            TurnMail::Joined(k, joined) => self.on_joined(k, joined, ctx)?,
            TurnMail::Committed(told) => {
                self.told = Some((*told)?);
                self.feed(Event::Committed, ctx);
            }
            TurnMail::Abort(reason) => self.on_abort(reason, ctx),
            TurnMail::Deadline => self.on_deadline(ctx),
        }
        Ok(())
    }

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        if exit.exit.is_clean() {
            return Ok(());
        }
        ctx.join(self.trace);
        if self.call.as_ref() == Some(&exit.id) {
            return self.on_call_lost(exit, ctx);
        }
        if self.tool.as_ref().is_some_and(|(id, _, _)| *id == exit.id) {
            self.on_tool_lost(&exit, ctx);
            return Ok(());
        }
        match exit.exit {
            // Cancelled by this turn, or its deadline came just before that; nobody waits for it.
            Exit::Killed(KillReason::Abort | KillReason::Deadline) => Ok(()),
            _ => Err(ExitError::child(exit)),
        }
    }

    fn stopping(
        &mut self,
        _ctx: &mut Context<Self>,
    ) -> Option<openclaw_runtime::BoxFuture<'static, ()>> {
        let mut over = self.args.over.subscribe();
        Some(Box::pin(async move {
            let done = over.wait_for(|over| *over);
            drop(tokio::time::timeout(LAST_WORDS, done).await);
        }))
    }
}
