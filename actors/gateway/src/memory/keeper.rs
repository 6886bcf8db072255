//! Has vectors made of notes as they change, so that no search waits for them.
//!
//! Owns: the watch on the folders of notes. Started by: the root. Crashes when: a handler panics. Survives: the vectors
//! in their files; what has none is found when it starts again. Where nobody makes vectors it watches nothing: each
//! search looks at the files itself.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::AgentId;
use openclaw_runtime::Actor;
use openclaw_runtime::ActorPath;
use openclaw_runtime::ChildExit;
use openclaw_runtime::ChildSpec;
use openclaw_runtime::Context;
use openclaw_runtime::Directory;
use openclaw_runtime::ExitError;
use openclaw_runtime::Health;
use openclaw_runtime::Mail;
use openclaw_runtime::Task;
use openclaw_runtime::Timer;
use openclaw_tool::memory::MemoryError;

use super::settings;
use super::watch;
use super::watch::NotesWatch;
use crate::services::Services;

const PLACE: &str = "memory";
/// What changes all at once is read once: also the start of the house.
const SETTLE: Duration = Duration::from_secs(2);
/// A provider that is away is asked again after so long.
const AGAIN: Duration = Duration::from_secs(300);
/// A year of notes at a provider that answers slowly.
const LONGEST: Duration = Duration::from_secs(1800);
/// An index that nobody asked for gives its memory back after so long.
const IDLE: Duration = Duration::from_secs(1200);

/// What the keeper is told.
#[derive(Debug)]
pub(crate) enum MemoryMail {
    /// Notes, the configuration or the catalogue changed.
    Touched,
    /// All was quiet for a while.
    Settled,
    /// What was missing was made, or not.
    Made(Made),
    /// Time to give memory back.
    Idle,
}

impl Mail for MemoryMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Touched => "touched",
            Self::Settled => "settled",
            Self::Made(_) => "made",
            Self::Idle => "idle",
        }
    }
}

/// What a round came to.
#[derive(Debug, Default)]
pub(crate) struct Made {
    count: usize,
    error: Option<MemoryError>,
    folders: BTreeSet<(PathBuf, bool)>,
}

/// Keeps the vectors up with the notes.
pub(crate) struct MemoryKeeper {
    services: Arc<Services>,
    watch: Option<NotesWatch>,
    settling: Option<Timer>,
    is_at_work: bool,
    again: bool,
}

impl MemoryKeeper {
    /// Its place under the root.
    pub(crate) fn spec(services: Arc<Services>) -> ChildSpec {
        ChildSpec::actor::<Self>(PLACE, services).park(Duration::from_secs(60))
    }

    /// Tells it that the configuration or the catalogue changed; one that is down looks when it starts.
    pub(crate) fn nudge(directory: &Directory) -> bool {
        let address = directory.address::<MemoryMail>(&ActorPath::from(PLACE));
        address.nudge(MemoryMail::Touched)
    }

    /// The agents for whom somebody makes vectors, with their workspaces.
    fn agents(&self) -> Vec<(AgentId, PathBuf)> {
        let config = self.services.configuration();
        let paths = &self.services.paths;
        let agents = config
            .agents
            .ids()
            .into_iter()
            .filter_map(|id| config.agents.resolve(&id));
        agents
            .filter(|agent| self.services.memory.makes_vectors(&agent.id))
            .map(|agent| {
                let configured = agent.workspace.as_deref();
                let workspace = paths.workspace(&agent.id, agent.is_default, configured);
                (agent.id, workspace)
            })
            .collect()
    }

    /// How long notes must be quiet before they are read: the shortest that an agent asks for.
    fn quiet(&self) -> Duration {
        let config = self.services.configuration();
        let ids = config.agents.ids();
        let quiet = ids
            .iter()
            .filter_map(|id| settings::quiet(config.tree.value(), id));
        quiet.min().unwrap_or(SETTLE)
    }

    fn settle(&mut self, delay: Duration, ctx: &mut Context<Self>) {
        let timer = ctx.after(delay, MemoryMail::Settled);
        if let Some(earlier) = self.settling.replace(timer) {
            earlier.cancel();
        }
    }

    fn begin(&mut self, ctx: &mut Context<Self>) {
        self.settling = None;
        if self.is_at_work {
            self.again = true;
            return;
        }
        let agents = self.agents();
        if agents.is_empty() {
            self.watch = None;
            ctx.note("nobody makes vectors; notes are found by words");
            ctx.health(Health::Ok);
            return;
        }
        self.is_at_work = true;
        let services = self.services.clone();
        let config = services.configuration();
        let task = Task::new("embed").kind("memory.embed").deadline(LONGEST);
        let work = async move {
            let mut made = Made::default();
            for (agent, workspace) in agents {
                if settings::quiet(config.tree.value(), &agent).is_some() {
                    let extra = services.memory.settings(&agent).extra_paths;
                    let place = workspace.clone();
                    let looking =
                        tokio::task::spawn_blocking(move || watch::folders(&place, &extra));
                    made.folders.extend(looking.await.unwrap_or_default());
                }
                match services.memory.embed(&agent, &workspace).await {
                    Ok(count) => made.count += count,
                    Err(error) => made.error = Some(error),
                }
            }
            made
        };
        drop(ctx.task(task, work, MemoryMail::Made));
    }

    fn on_made(&mut self, made: Made, ctx: &mut Context<Self>) {
        self.is_at_work = false;
        let is_watched = self
            .watch
            .as_ref()
            .is_some_and(|watch| watch.covers(&made.folders));
        if !is_watched {
            let address = ctx.address();
            let touched = move || {
                let _up: bool = address.nudge(MemoryMail::Touched);
            };
            match NotesWatch::start(made.folders, touched) {
                Ok(watch) => {
                    self.watch = Some(watch);
                    // What changed before the watch began; nothing is sent for what is known.
                    self.again = true;
                }
                Err(error) => tracing::warn!(%error, "the folders of notes can't be watched"),
            }
        }
        match &made.error {
            None => {
                if made.count > 0 {
                    tracing::info!(count = made.count, "vectors of notes were made");
                }
                ctx.note("vectors of all notes are there");
                ctx.health(Health::Ok);
            }
            Some(error) => {
                tracing::warn!(%error, made = made.count, "not all notes have vectors; they are found by words");
                ctx.note(format!("not all notes have vectors: {error}"));
                ctx.health(Health::Degraded);
            }
        }
        let again = std::mem::take(&mut self.again);
        if made.error.is_some() {
            self.settle(AGAIN, ctx);
        } else if again {
            self.settle(self.quiet(), ctx);
        }
    }
}

impl Actor for MemoryKeeper {
    const KIND: &'static str = "memory";
    type Mail = MemoryMail;
    type Args = Arc<Services>;

    fn init(services: Arc<Services>, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        Ok(Self {
            services,
            watch: None,
            settling: None,
            is_at_work: false,
            again: false,
        })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        self.settle(SETTLE, ctx);
        let _idle = ctx.after(IDLE, MemoryMail::Idle);
        Ok(())
    }

    fn handle(&mut self, mail: MemoryMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            MemoryMail::Touched => self.settle(self.quiet(), ctx),
            MemoryMail::Settled => self.begin(ctx),
            MemoryMail::Made(made) => self.on_made(made, ctx),
            MemoryMail::Idle => {
                self.services.memory.forget_idle(IDLE);
                let _idle = ctx.after(IDLE, MemoryMail::Idle);
            }
        }
        Ok(())
    }

    /// A round that took too long or crashed: what it made so far is kept, the rest is tried again.
    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        tracing::warn!(exit = ?exit.exit, "the making of vectors broke off");
        self.is_at_work = false;
        ctx.health(Health::Degraded);
        self.settle(AGAIN, ctx);
        Ok(())
    }
}
