//! The house: the parts that a tree is made of, and the keeper that follows the configuration.
//!
//! Owns: nothing; everything durable is in the ledger and in files. Started by: [`crate::gateway::Gateway`]; the keeper by
//! the root, last. Crashes when: a reconcile panics. Survives: the parts, which outlive every actor.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use openclaw_channel::{ChannelDeps, Configured, configured};
use openclaw_ledger::{Ledger, UnknownAction, UnknownPolicy};
use openclaw_protocol::{AgentId, Secret};
use openclaw_runtime::{
    Actor, ActorPath, ChildSpec, Context, Diff, Directory, ExitError, Mail, OrderError, Task,
};
use openclaw_session::Deps;
use openclaw_tool::exec::Programs;
use openclaw_tool::mcp;
use tokio::sync::watch;

use crate::config::{ConfigArgs, Environment, LoadedConfig};
use crate::exec_desk::Uses;
use crate::ingress;
use crate::ingress::http::HttpMail;
use crate::memory::MemoryKeeper;
use crate::models::{Models, ModelsArgs, ModelsMail};
use crate::paths::Paths;
use crate::services::Services;
use crate::tree::tree;

/// The parts of a gateway.
pub(crate) struct House {
    pub(crate) directory: Directory,
    pub(crate) ledger: Ledger,
    pub(crate) paths: Paths,
    /// The variables of the process itself.
    pub(crate) environment: Environment,
    pub(crate) config: watch::Sender<Arc<LoadedConfig>>,
    pub(crate) models: Models,
    pub(crate) sessions: Arc<Deps>,
    pub(crate) channels: ChannelDeps,
    pub(crate) services: Arc<Services>,
    /// What runs for agents.
    pub(crate) programs: Programs,
    /// What of the list of programs was used.
    pub(crate) uses: Uses,
    /// Where the port is, once it listens.
    pub(crate) listening: Arc<watch::Sender<Option<SocketAddr>>>,
}

impl House {
    /// What the root starts for the configuration in force.
    pub(crate) fn specs(self: &Arc<Self>) -> Vec<ChildSpec> {
        let loaded = self.config.borrow().clone();
        self.sessions.follow_config();
        mcp::follow_config(&loaded.config, self.services.toolbox.shelf());
        let accounts = accounts(&loaded, &self.paths);
        accounts.publish(&self.channels.status);
        tree(self, &accounts, &self.models.now())
    }

    pub(crate) fn config_args(self: &Arc<Self>) -> ConfigArgs {
        let models = self
            .directory
            .address::<ModelsMail>(&ActorPath::from("models"));
        let keeper = self
            .directory
            .address::<KeeperMail>(&ActorPath::from(KEEPER));
        let port = self
            .directory
            .address::<HttpMail>(&ActorPath::from(ingress::HTTP));
        let directory = self.directory.clone();
        ConfigArgs {
            paths: self.paths.clone(),
            env: self.environment.clone(),
            current: self.config.clone(),
            ledger: self.ledger.clone(),
            on_change: Arc::new(move |change| {
                tracing::info!(paths = ?change.paths, "the configuration changed");
                // An actor that is down reads the configuration when it starts.
                let _up: bool = models.nudge(ModelsMail::Rebuild);
                let _up: bool = MemoryKeeper::nudge(&directory);
                let _up: bool = keeper.nudge(KeeperMail::Reconcile);
                let _up: bool = port.nudge(HttpMail::Follow);
            }),
        }
    }

    pub(crate) fn models_args(&self) -> ModelsArgs {
        let keeper = self
            .directory
            .address::<KeeperMail>(&ActorPath::from(KEEPER));
        let directory = self.directory.clone();
        ModelsArgs {
            models: self.models.clone(),
            config: self.config.subscribe(),
            paths: self.paths.clone(),
            on_change: Arc::new(move || {
                let _up: bool = MemoryKeeper::nudge(&directory);
                let _up: bool = keeper.nudge(KeeperMail::Reconcile);
            }),
        }
    }
}

impl std::fmt::Debug for House {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("House")
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}

/// The accounts of a configuration.
pub(crate) fn accounts(loaded: &LoadedConfig, paths: &Paths) -> Configured {
    let token = loaded
        .environment
        .get("TELEGRAM_BOT_TOKEN")
        .map(Secret::from);
    configured(
        &loaded.config,
        token.as_ref(),
        paths.profile.as_deref(),
        |path| paths.expand(path),
    )
}

/// What becomes of sends that a crash cut off, by account.
pub(crate) fn unknown_policy(accounts: &Configured) -> UnknownPolicy {
    accounts
        .accounts
        .iter()
        .filter(|account| account.resends_unknown)
        .fold(UnknownPolicy::hold(), |policy, account| {
            policy.with(account.key.clone(), UnknownAction::Resend)
        })
}

/// An agent's workspace: by id, whether it is the default agent, and the configured path.
type Workspaces = Arc<dyn Fn(&AgentId, bool, Option<&str>) -> PathBuf + Send + Sync>;

/// Where agents' workspaces are.
pub(crate) fn workspaces(paths: &Paths) -> Workspaces {
    let paths = paths.clone();
    Arc::new(move |agent, is_default, configured| paths.workspace(agent, is_default, configured))
}

const KEEPER: &str = "keeper";

/// What the keeper is told.
#[derive(Debug)]
pub(crate) enum KeeperMail {
    /// The configuration or the catalogue changed.
    Reconcile,
    /// The tree was compared.
    Reconciled(Result<Diff, OrderError>),
}

impl Mail for KeeperMail {
    fn kind(&self) -> &'static str {
        match self {
            Self::Reconcile => "reconcile",
            Self::Reconciled(_) => "reconciled",
        }
    }
}

/// Makes the tree what the configuration says, and touches only what differs.
#[derive(Debug)]
pub(crate) struct HouseKeeper {
    house: Arc<House>,
    /// A reconcile runs.
    busy: bool,
    /// And something changed meanwhile.
    again: bool,
}

impl HouseKeeper {
    pub(crate) fn spec(house: Arc<House>) -> ChildSpec {
        ChildSpec::actor::<Self>(KEEPER, house)
    }

    fn reconcile(&mut self, ctx: &mut Context<Self>) {
        if self.busy {
            self.again = true;
            return;
        }
        self.busy = true;
        let root = self.house.directory.supervisor(&ActorPath::root());
        let specs = self.house.specs();
        let _id = ctx.task(
            Task::new("reconcile"),
            async move { root.reconcile(specs).await },
            KeeperMail::Reconciled,
        );
    }

    fn on_reconciled(&mut self, result: &Result<Diff, OrderError>, ctx: &mut Context<Self>) {
        self.busy = false;
        match result {
            Ok(diff)
                if diff.added.is_empty() && diff.removed.is_empty() && diff.changed.is_empty() => {}
            Ok(diff) => tracing::info!(
                added = ?diff.added, removed = ?diff.removed, changed = ?diff.changed, live = ?diff.live,
                "the tree follows the configuration"
            ),
            Err(error) => tracing::warn!(%error, "the tree could not follow the configuration"),
        }
        if std::mem::take(&mut self.again) {
            self.reconcile(ctx);
        }
    }
}

impl Actor for HouseKeeper {
    const KIND: &'static str = "keeper";
    type Mail = KeeperMail;
    type Args = Arc<House>;

    fn init(house: Arc<House>, _ctx: &mut Context<Self>) -> Result<Self, ExitError> {
        Ok(Self {
            house,
            busy: false,
            again: false,
        })
    }

    /// The configuration may have changed while nobody listened.
    fn started(&mut self, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        self.reconcile(ctx);
        Ok(())
    }

    fn handle(&mut self, mail: KeeperMail, ctx: &mut Context<Self>) -> Result<(), ExitError> {
        match mail {
            KeeperMail::Reconcile => self.reconcile(ctx),
            KeeperMail::Reconciled(result) => self.on_reconciled(&result, ctx),
        }
        Ok(())
    }
}
