//! The catalogue in force: which models can be called, and which one answers.
//!
//! Owns: what was found on this machine, and the swap of the catalogue. Started by: the root. Crashes when: a task that
//! looks around or builds panics. Survives: the catalogue itself, which everyone reads from [`Models`].

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use openclaw_protocol::AgentId;
use openclaw_provider::catalogue::Inputs;
use openclaw_provider::profile::Profiles;
use openclaw_provider::{Catalogue, LocalServer, discovery};
use openclaw_runtime::{
    Actor, ChildExit, ChildSpec, Context, Exit, ExitError, Health, KillReason, Mail, Task,
};
use tokio::sync::watch;

use crate::config::LoadedConfig;
use crate::paths::Paths;
use crate::services::now_ms;

/// How often this machine is searched for model servers while none of ours is configured: somebody who just started
/// Ollama should be answered by it before they lose patience.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// A look takes 300 ms at the most; this is for a machine that hangs.
const LOOK_DEADLINE: Duration = Duration::from_secs(10);
/// The stored credentials are one small file; this is for a disk that hangs.
const BUILD_DEADLINE: Duration = Duration::from_secs(10);
/// After a disk that hung.
const BUILD_AGAIN: Duration = Duration::from_secs(30);

/// The catalogue in force, shared by all who call models. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Models(Arc<ArcSwap<Catalogue>>);

impl Models {
    /// Begins with what is known without asking anyone.
    pub(crate) fn new(loaded: &LoadedConfig, paths: &Paths) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(build(loaded, paths, &[]))))
    }

    /// The catalogue as it is now.
    pub(crate) fn now(&self) -> Arc<Catalogue> {
        self.0.load_full()
    }
}

/// What the actor is told.
#[derive(Debug)]
pub(crate) enum ModelsMail {
    /// The configuration changed.
    Rebuild,
    /// The catalogue was built.
    Built(Box<Catalogue>),
    /// It is time to look around.
    Look,
    /// What answered.
    Found(Vec<LocalServer>),
}

impl Mail for ModelsMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Rebuild => "rebuild",
            Self::Built(_) => "built",
            Self::Look => "look",
            Self::Found(_) => "found",
        }
    }
}

/// What the actor is made from.
#[derive(Clone)]
pub(crate) struct ModelsArgs {
    pub(crate) models: Models,
    pub(crate) config: watch::Receiver<Arc<LoadedConfig>>,
    pub(crate) paths: Paths,
    /// Called when the providers may differ; must not wait.
    pub(crate) on_change: Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for ModelsArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelsArgs")
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}

/// Keeps the catalogue.
#[derive(Debug)]
pub(crate) struct ModelsActor {
    args: ModelsArgs,
    local: Vec<LocalServer>,
    building: Building,
}

/// Whether a catalogue is being built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Building {
    No,
    Yes,
    /// And what it is built from changed meanwhile.
    Again,
}

impl ModelsActor {
    /// Its place under the root.
    pub(crate) fn spec(args: ModelsArgs) -> ChildSpec {
        ChildSpec::actor::<Self>("models", args)
    }

    /// Builds the catalogue in a task: it reads the stored credentials.
    fn rebuild(&mut self, ctx: &mut Context<Self>) {
        if self.building != Building::No {
            self.building = Building::Again;
            return;
        }
        self.building = Building::Yes;
        let loaded = self.args.config.borrow().clone();
        let (paths, local) = (self.args.paths.clone(), self.local.clone());
        let built = async move {
            let job = move || build(&loaded, &paths, &local);
            match tokio::task::spawn_blocking(job).await {
                Ok(catalogue) => Box::new(catalogue),
                // The panic goes on in the task, whose parent learns of it.
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => std::future::pending().await,
                },
            }
        };
        let task = Task::new("build").kind("build").deadline(BUILD_DEADLINE);
        let _id = ctx.task(task, built, ModelsMail::Built);
    }

    fn on_built(&mut self, catalogue: Catalogue, ctx: &mut Context<Self>) {
        let choice = catalogue.choice();
        ctx.health(Health::Ok);
        ctx.note(format!("{}: {}", choice.model, choice.reason));
        tracing::info!(model = %choice.model, reason = %choice.reason, "model chosen");
        self.args.models.0.store(Arc::new(catalogue));
        (self.args.on_change)();
        if std::mem::replace(&mut self.building, Building::No) == Building::Again {
            self.rebuild(ctx);
        }
    }

    fn look(&self, ctx: &mut Context<Self>) {
        let loaded = self.args.config.borrow().clone();
        let places = discovery::places(&loaded.environment.lookup());
        if places.is_empty() {
            return;
        }
        let task = Task::new("look").kind("discovery").deadline(LOOK_DEADLINE);
        let _id = ctx.task(
            task,
            async move { discovery::discover(&places).await },
            ModelsMail::Found,
        );
    }

    fn on_found(&mut self, found: Vec<LocalServer>, ctx: &mut Context<Self>) {
        ctx.after(LOOK_AGAIN, ModelsMail::Look);
        if found != self.local {
            self.local = found;
            self.rebuild(ctx);
        }
    }
}

impl Actor for ModelsActor {
    const KIND: &'static str = "models";
    type Mail = ModelsMail;
    type Args = ModelsArgs;

    fn init(args: ModelsArgs, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        Ok(Self {
            args,
            local: Vec::new(),
            building: Building::No,
        })
    }

    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        self.rebuild(ctx);
        self.look(ctx);
        Ok(())
    }

    fn handle(&mut self, mail: ModelsMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            ModelsMail::Rebuild => self.rebuild(ctx),
            ModelsMail::Built(catalogue) => self.on_built(*catalogue, ctx),
            ModelsMail::Look => self.look(ctx),
            ModelsMail::Found(found) => self.on_found(found, ctx),
        }
        Ok(())
    }

    /// A disk or a network that hangs is no reason to restart: the catalogue of before holds.
    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match exit.exit {
            Exit::Normal | Exit::Ordered => Ok(()),
            Exit::Killed(KillReason::Deadline) if exit.id.as_str() == "build" => {
                tracing::warn!(
                    "the stored credentials could not be read in time; the models of before hold"
                );
                ctx.health(Health::Degraded);
                self.building = Building::No;
                ctx.after(BUILD_AGAIN, ModelsMail::Rebuild);
                Ok(())
            }
            Exit::Killed(KillReason::Deadline) => {
                ctx.after(LOOK_AGAIN, ModelsMail::Look);
                Ok(())
            }
            _ => Err(ExitError::child(exit)),
        }
    }
}

/// The stored credentials: the default agent's, which all agents use, and what others have of their own. Reads the disk.
fn profiles(loaded: &LoadedConfig, paths: &Paths) -> Profiles {
    let agents = &loaded.config.agents;
    let load = |agent: &AgentId| {
        let file = paths.agent_dir(agent).join("auth-profiles.json");
        Profiles::load(&file).unwrap_or_else(|error| {
            tracing::warn!(file = %file.display(), %error, "stored credentials are not readable");
            Profiles::default()
        })
    };
    let default = agents.default_id();
    let others = agents.ids().into_iter().filter(|id| *id != default);
    let all = others.fold(load(&default), |all, id| {
        let own = load(&id);
        all.with_agent(id, own)
    });
    all.with_amazon(&loaded.environment.lookup())
}

fn build(loaded: &LoadedConfig, paths: &Paths, local: &[LocalServer]) -> Catalogue {
    Catalogue::build(&Inputs {
        config: &loaded.config,
        env: &loaded.environment.lookup(),
        profiles: &profiles(loaded, paths),
        local,
        now_ms: now_ms(),
    })
}
