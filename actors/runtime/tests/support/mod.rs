//! An actor that does as it is told.
#![allow(dead_code, unreachable_pub)]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use openclaw_runtime::Actor;
use openclaw_runtime::ActorPath;
use openclaw_runtime::Address;
use openclaw_runtime::BoxFuture;
use openclaw_runtime::ChildExit;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Context;
use openclaw_runtime::Directory;
use openclaw_runtime::Exit;
use openclaw_runtime::ExitError;
use openclaw_runtime::Mail;
use openclaw_runtime::Reply;
use openclaw_runtime::State;
use openclaw_runtime::Task;
use tokio::sync::mpsc;

/// Real seconds a test may wait for what takes microseconds.
pub const SOON: Duration = Duration::from_secs(10);

pub struct Puppet {
    args: PuppetArgs,
}

#[derive(Clone, Default)]
pub struct PuppetArgs {
    /// Everything that happens to any incarnation.
    pub log: Option<mpsc::Sender<String>>,
    pub name: &'static str,
    pub fail_init: Arc<AtomicBool>,
    pub panic_init: Arc<AtomicBool>,
    pub inits: Arc<AtomicU32>,
    /// Releases loops.
    pub release: Arc<AtomicBool>,
    pub slow_stop: Option<Duration>,
    /// Keeps its thread for so long before it has started.
    pub slow_init: Duration,
}

pub enum Strings {
    Ping(Reply<u64>),
    Panic,
    Fail,
    Fatal(i32),
    Loop,
    /// Keeps its thread for so long.
    Burn(Duration),
    TaskPoll(Duration),
    Stop,
    Work,
    Key(u64),
    Hold(Reply<()>),
    TaskOk,
    TaskPanic,
    TaskBurn(bool),
    TaskHang(Option<Duration>),
    TaskDone(&'static str),
    KillTask,
    Child(ChildSpec),
    StopChild(&'static str),
    Tick,
    After(Duration),
    AfterCancelled,
    NudgeThenLoop(Address<Strings>),
    Reconfigured,
}

impl Mail for Strings {
    fn kind(&self) -> &'static str {
        match self {
            Strings::Ping(_) => "ping",
            Strings::Panic => "panic",
            Strings::Fail => "fail",
            Strings::Fatal(_) => "fatal",
            Strings::Loop => "loop",
            Strings::Burn(_) => "burn",
            Strings::TaskPoll(_) => "task_poll",
            Strings::Stop => "stop",
            Strings::Work => "work",
            Strings::Key(_) => "key",
            Strings::Hold(_) => "hold",
            Strings::TaskOk => "task_ok",
            Strings::TaskPanic => "task_panic",
            Strings::TaskBurn(_) => "task_burn",
            Strings::TaskHang(_) => "task_hang",
            Strings::TaskDone(_) => "task_done",
            Strings::KillTask => "kill_task",
            Strings::Child(_) => "child",
            Strings::StopChild(_) => "stop_child",
            Strings::Tick => "tick",
            Strings::After(_) => "after",
            Strings::AfterCancelled => "after_cancelled",
            Strings::NudgeThenLoop(_) => "nudge_then_loop",
            Strings::Reconfigured => "reconfigured",
        }
    }

    fn nudge_key(&self) -> u64 {
        match self {
            Strings::Key(key) => *key,
            _ => 0,
        }
    }
}

impl PuppetArgs {
    pub fn say(&self, what: impl std::fmt::Display) {
        if let Some(log) = &self.log {
            let _full = log.try_send(format!("{}:{what}", self.name));
        }
    }
}

impl Actor for Puppet {
    const KIND: &'static str = "puppet";
    type Mail = Strings;
    type Args = PuppetArgs;

    fn init(args: PuppetArgs, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        args.inits.fetch_add(1, SeqCst);
        burn(args.slow_init);
        assert!(!args.panic_init.load(SeqCst), "init is broken");
        if args.fail_init.load(SeqCst) {
            return Err(ExitError::new("init refuses"));
        }
        args.say("init");
        Ok(Self { args })
    }

    fn handle(&mut self, mail: Strings, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            Strings::Ping(reply) => reply.send(ctx.generation()),
            Strings::Panic => panic!("told to panic {}", 42),
            Strings::Fail => return Err(ExitError::new("told to fail")),
            Strings::Fatal(code) => return Err(ExitError::fatal(code, "told to end it all")),
            Strings::Loop => {
                while !self.args.release.load(SeqCst) {
                    std::hint::spin_loop();
                }
                self.args.say("released");
                ctx.task(Task::new("late"), async {}, |()| Strings::TaskDone("late"));
            }
            Strings::Burn(time) => burn(time),
            Strings::TaskPoll(time) => {
                ctx.task(Task::new("t"), async move { burn(time) }, |()| {
                    Strings::TaskDone("polled")
                });
            }
            Strings::Stop => ctx.stop(),
            Strings::Work => self.args.say("work"),
            Strings::Key(key) => self.args.say(key),
            Strings::Hold(reply) => drop(reply),
            Strings::TaskOk => {
                ctx.task(Task::new("t"), async { "ok" }, Strings::TaskDone);
            }
            Strings::TaskPanic => {
                ctx.task(Task::new("t"), async { panic!("in a task") }, |()| {
                    Strings::TaskDone("")
                });
            }
            Strings::TaskBurn(panics) => {
                let job = openclaw_runtime::cpu::run(move |_wanted| {
                    assert!(!panics, "on a core");
                    "burnt"
                });
                ctx.task(Task::new("t"), job, |done| {
                    Strings::TaskDone(done.unwrap_or("busy"))
                });
            }
            Strings::TaskHang(deadline) => {
                let mut task = Task::new("t").kind("call");
                task.deadline = deadline;
                ctx.task(task, std::future::pending(), |()| {
                    Strings::TaskDone("never")
                });
            }
            Strings::TaskDone(what) => self.args.say(format!("done {what}")),
            Strings::KillTask => {
                ctx.kill_child(&"t".into(), openclaw_runtime::KillReason::Abort);
            }
            Strings::Child(spec) => {
                if let Err(error) = ctx.child::<Puppet>(spec) {
                    self.args.say(error);
                }
            }
            Strings::StopChild(id) => ctx.stop_child(&id.into()),
            Strings::Tick => self.args.say("tick"),
            Strings::After(delay) => {
                ctx.after(delay, Strings::Tick);
            }
            Strings::AfterCancelled => {
                // Due already when it is cancelled: it must not come even so.
                ctx.after(Duration::ZERO, Strings::Tick).cancel();
            }
            Strings::NudgeThenLoop(other) => {
                other.nudge(Strings::Work);
                while !self.args.release.load(SeqCst) {
                    std::hint::spin_loop();
                }
            }
            Strings::Reconfigured => self.args.say("reconfigured"),
        }
        Ok(())
    }

    fn child_exited(&mut self, exit: ChildExit, _ctx: &mut Context<Self>) -> Result<(), ExitError> {
        let exit_text = match exit.exit {
            Exit::Panicked(_) => "panicked".to_owned(),
            exit => exit.to_string(),
        };
        self.args.say(format!("child {} {exit_text}", exit.id));
        Ok(())
    }

    fn stopping(&mut self, _ctx: &mut Context<Self>) -> Option<BoxFuture<'static, ()>> {
        self.args.say("stopping");
        let time = self.args.slow_stop?;
        Some(Box::pin(tokio::time::sleep(time)))
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        self.args.say("dropped");
    }
}

/// Keeps the thread, without needing a core that a busy machine may not give.
pub fn burn(time: Duration) {
    let began = std::time::Instant::now();
    while began.elapsed() < time {
        std::thread::park_timeout(time.saturating_sub(began.elapsed()));
    }
}

pub fn puppet(id: &str, args: &PuppetArgs) -> ChildSpec {
    ChildSpec::actor::<Puppet>(id, args.clone())
}

pub fn log() -> (mpsc::Sender<String>, mpsc::Receiver<String>) {
    mpsc::channel(10_000)
}

pub fn path(path: &str) -> ActorPath {
    ActorPath::new(path)
}

/// Waits for a state; fails with the tree.
pub async fn until(directory: &Directory, at: &str, state: State) {
    let ok = directory.wait_for_state(&path(at), state, SOON).await;
    assert!(ok, "{at} is not {state:?}:\n{}", tree(directory));
}

/// Waits until an incarnation after `generation` runs.
pub async fn until_after(directory: &Directory, at: &str, generation: u64) -> u64 {
    let is_next = |node: Option<&openclaw_runtime::TreeNode>| {
        node.is_some_and(|node| node.state == State::Running && node.generation > generation)
    };
    let ok = directory.wait_for(&path(at), is_next, SOON).await;
    assert!(ok, "{at} was not replaced:\n{}", tree(directory));
    directory
        .vitals(&path(at))
        .map_or(0, |vitals| vitals.generation())
}

pub fn tree(directory: &Directory) -> String {
    directory
        .tree(None, None)
        .map_or_else(|| "no tree".to_owned(), |tree| tree.render(0))
}

/// Reads the log until a line.
pub async fn read_until(log: &mut mpsc::Receiver<String>, line: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let found = async {
        while let Some(next) = log.recv().await {
            let hit = next == line;
            lines.push(next);
            if hit {
                return true;
            }
        }
        false
    };
    let found = tokio::time::timeout(Duration::from_secs(300), found).await;
    assert!(matches!(found, Ok(true)), "no {line:?} in {lines:?}");
    lines
}
