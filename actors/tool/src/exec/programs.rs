//! The programs that run for agents.
//!
//! Owns: every run, in a task with the run's deadline. Started by: the root. Crashes when: nothing known; its runs end
//! with it. Survives: nothing: no program outlives the gateway, and what it had said is forgotten with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use openclaw_protocol::AgentId;
use openclaw_protocol::SessionKey;
use openclaw_runtime::Actor;
use openclaw_runtime::Address;
use openclaw_runtime::BoxFuture;
use openclaw_runtime::ChildExit;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Context;
use openclaw_runtime::ExitError;
use openclaw_runtime::Mail;
use openclaw_runtime::Task;

use super::run::End;
use super::run::Run;
use super::run::StopOnDrop;

/// Where the actor stands.
const PROGRAMS: &str = "programs";
/// What ended is forgotten at the end of its time, give or take this.
const SWEEP: Duration = Duration::from_secs(60);
/// A run that is ended is gone within milliseconds; a task that waits longer is killed.
const GRACE: Duration = Duration::from_secs(10);
/// To tell a session is to write a row.
const TELL: Duration = Duration::from_secs(30);
/// More programs at the same time are a mistake, for one agent.
const MOST: usize = 32;
/// More ends than this are not remembered; the oldest go first.
const REMEMBERED: usize = 100;

/// Tells a session a line, as the gateway's own word.
pub type Notify = Arc<dyn Fn(SessionKey, String) -> BoxFuture<'static, ()> + Send + Sync>;

/// What runs, and what ended not long ago. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Programs(Arc<Table>);

#[derive(Debug, Default)]
struct Table {
    runs: Mutex<BTreeMap<String, Arc<Run>>>,
    owner: Mutex<Option<Address<ProgramsMail>>>,
    number: AtomicU64,
    born: OnceLock<String>,
}

/// What the actor is told.
#[derive(Debug)]
pub enum ProgramsMail {
    /// Here is a run to own. It ends if this is lost.
    Own(Held),
    /// A run ended.
    Ended(Arc<Run>),
    /// A session was told.
    Told,
    /// Forget what is old.
    Sweep,
}

/// A run on its way to its owner.
#[derive(Debug)]
pub struct Held(StopOnDrop);

impl Mail for ProgramsMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Own(_) => "own",
            Self::Ended(_) => "ended",
            Self::Told => "told",
            Self::Sweep => "sweep",
        }
    }
}

impl Programs {
    /// The actor that owns the runs.
    pub fn spec(&self, notify: Notify) -> ChildSpec {
        let args = OwnerArgs {
            programs: self.clone(),
            notify,
        };
        // What goes wrong with programs must not be what ends the gateway.
        ChildSpec::actor::<Owner>(PROGRAMS, args).park(Duration::from_secs(5))
    }

    /// A name for a new run, unlike any before it, also before a restart.
    pub(super) fn name(&self) -> String {
        let born = self.0.born.get_or_init(|| {
            let now = jiff::Timestamp::now().as_second();
            format!("{:05x}", now & 0xf_ffff)
        });
        format!("{born}-{}", self.0.number.fetch_add(1, Relaxed) + 1)
    }

    /// Whether an agent may start another.
    pub(super) fn has_room(&self, agent: &AgentId) -> bool {
        let runs = self.runs();
        let running = runs
            .values()
            .filter(|run| run.facts.agent == *agent && run.end().is_none());
        running.count() < MOST
    }

    /// Hands a run to its owner; without one it may not go on.
    pub(super) fn own(&self, run: &Arc<Run>) -> Result<(), String> {
        let owner = self
            .0
            .owner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let held = Held(StopOnDrop(Some(Arc::clone(run))));
        let sent = owner.is_some_and(|owner| owner.try_send(ProgramsMail::Own(held)).is_ok());
        if !sent {
            return Err(
                "programs can't be run at the moment; try again in a few seconds".to_owned(),
            );
        }
        self.runs().insert(run.facts.id.clone(), Arc::clone(run));
        Ok(())
    }

    /// An agent's run by its name.
    pub(super) fn get(&self, agent: &AgentId, id: &str) -> Option<Arc<Run>> {
        let run = self.runs().get(id).cloned();
        run.filter(|run| run.facts.agent == *agent)
    }

    /// An agent's runs.
    pub(super) fn of(&self, agent: &AgentId) -> Vec<Arc<Run>> {
        let runs = self.runs();
        let own = runs.values().filter(|run| run.facts.agent == *agent);
        own.cloned().collect()
    }

    /// Forgets a run.
    pub(super) fn forget(&self, id: &str) {
        drop(self.runs().remove(id));
    }

    fn sweep(&self) {
        let mut runs = self.runs();
        runs.retain(|_, run| !run.is_stale());
        let mut over: Vec<_> = runs
            .values()
            .filter(|run| run.end().is_some())
            .cloned()
            .collect();
        over.sort_by_key(|run| run.took());
        let many = over.len().saturating_sub(REMEMBERED);
        for run in over.iter().take(many) {
            runs.remove(&run.facts.id);
        }
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Run>>> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the owner is made from.
#[derive(Clone)]
pub struct OwnerArgs {
    programs: Programs,
    notify: Notify,
}

impl std::fmt::Debug for OwnerArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnerArgs").finish_non_exhaustive()
    }
}

/// Owns the runs.
#[derive(Debug)]
struct Owner {
    args: OwnerArgs,
}

impl Owner {
    fn on_own(&self, held: Held, ctx: &mut Context<Self>) {
        let Some(run) = held.0.0.clone() else {
            return;
        };
        let task = Task::new(run.facts.id.as_str())
            .kind("program")
            .deadline(run.facts.deadline.saturating_add(GRACE));
        let _id = ctx.task(task, watch(run, held.0), ProgramsMail::Ended);
        note(ctx);
    }

    fn on_ended(&self, run: &Arc<Run>, ctx: &mut Context<Self>) {
        note(ctx);
        let facts = &run.facts;
        if !facts.notify || !run.is_background() || run.is_known() {
            return;
        }
        let end = run.end().unwrap_or(End::Unknown).told(facts.deadline);
        // What the program said is somebody else's word: it is read with a tool, and not told as the gateway's.
        let command: String = facts
            .command
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let command: String = command.chars().take(120).collect();
        let line = format!(
            "The program in the background has ended (session {}, {end}): {command}. Read what it said with process poll.",
            facts.id
        );
        let told = (self.args.notify)(facts.session.clone(), line);
        let task = Task::new(format!("tell/{}", facts.id))
            .kind("tell")
            .deadline(TELL);
        let _id = ctx.task(task, told, |()| ProgramsMail::Told);
    }
}

fn note(ctx: &mut Context<Owner>) {
    let count = ctx.children().len();
    ctx.note(format!("{count} running"));
}

/// Waits for the end of a run, and brings it about in time. Killed, it takes the run along.
async fn watch(run: Arc<Run>, _with_this: StopOnDrop) -> Arc<Run> {
    if tokio::time::timeout(run.facts.deadline, run.ended())
        .await
        .is_err()
    {
        run.stop(End::Late);
        run.ended().await;
    }
    run
}

impl Actor for Owner {
    const KIND: &'static str = "programs";
    type Mail = ProgramsMail;
    type Args = OwnerArgs;

    fn init(args: OwnerArgs, ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        let mut owner = args
            .programs
            .0
            .owner
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *owner = Some(ctx.address());
        drop(owner);
        Ok(Self { args })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        ctx.after(SWEEP, ProgramsMail::Sweep);
        Ok(())
    }

    fn handle(&mut self, mail: ProgramsMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            ProgramsMail::Own(held) => self.on_own(held, ctx),
            ProgramsMail::Ended(run) => self.on_ended(&run, ctx),
            ProgramsMail::Told => {}
            ProgramsMail::Sweep => {
                self.args.programs.sweep();
                ctx.after(SWEEP, ProgramsMail::Sweep);
            }
        }
        Ok(())
    }

    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        // One program's task that fell concerns no other program.
        tracing::warn!(child = %exit.id, exit = %exit.exit, "a program's task ended");
        note(ctx);
        Ok(())
    }
}
