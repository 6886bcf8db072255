//! The gateway as one value: started from options, ended by a signal or by its own tree.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openclaw_channel::{ChannelDeps, Leases};
use openclaw_channel::{StatusBoard, TypingBoard};
use openclaw_ledger::{Ledger, LedgerError, UnknownPolicy};
use openclaw_protocol::{Config, Secret};
use openclaw_runtime::watchdog::Watchdog;
use openclaw_runtime::{Directory, Root, RootExit, ShutdownReport};
use openclaw_session::{Deps, Folders, HouseModels, Intake, Routes, Sessions, Shared};
use openclaw_tool::Toolbox;
use openclaw_tool::approval::{Desk, ExecGate};
use openclaw_tool::exec::{Exec, Process, Programs};
use openclaw_tool::file;
use openclaw_tool::sandbox::{Bubblewrap, Landlock, Sandboxes};
use openclaw_tool::web::{SystemNames, WebFetch, WebKeys, WebNow, WebSearch, WebSettings};
use tokio::sync::watch;

use crate::agent_tool::{Door, with_house};
use crate::approval::ApprovalDesk;
use crate::config::{self, Environment, LoadedConfig};
use crate::crashes::CrashKeeper;
use crate::exec_desk::HouseDesk;
use crate::exec_desk::Uses;
use crate::facts::Facts;
use crate::house::{self, House};
use crate::hub::Hub;
use crate::ingress;
use crate::memory;
use crate::models::Models;
use crate::paths::Paths;
use crate::programs;
use crate::services::{CatalogueNow, LogFile, Parts, Phase, Services, now_ms};
use crate::skills;
use crate::skills::SkillShelf;
use crate::state_file::StateFile;

/// How often a start on a full disk looks for room.
const LOOK_FOR_ROOM: Duration = Duration::from_secs(5);

/// A file of the page: its bytes and media type.
#[derive(Debug, Clone)]
pub struct Asset {
    pub bytes: std::borrow::Cow<'static, [u8]>,
    pub media_type: &'static str,
}

/// What the command line decides for one run; it goes before the config and survives reloads.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub port: Option<u16>,
    /// `gateway.bind`: loopback, lan, tailnet, auto, custom.
    pub bind: Option<String>,
    /// `gateway.auth.mode`: token, password, none.
    pub auth: Option<String>,
    pub token: Option<Secret>,
    pub password: Option<Secret>,
}

/// What a gateway is started from.
#[derive(Clone)]
pub struct BootOptions {
    pub paths: Paths,
    pub environment: Environment,
    pub overrides: Overrides,
    /// Files of the page by path, without a leading slash.
    pub assets: fn(&str) -> Option<Asset>,
    /// The product's version.
    pub version: &'static str,
    /// The JSON log's file as it is named today, when there is one.
    pub log_file: LogFile,
    /// Called by the watchdog thread while the runtime is alive: feeds the service manager.
    pub alive: Option<fn()>,
}

impl std::fmt::Debug for BootOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BootOptions")
            .field("paths", &self.paths)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A part of the tree gave up during the start, with the process exit code it asks for.
    #[error("{reason}")]
    Ended { code: i32, reason: String },
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway;

/// A gateway that runs.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    root: Root,
    house: Arc<House>,
}

impl Gateway {
    /// Starts the tree and returns when the port is listening, or with the reason why it isn't.
    pub async fn start(options: BootOptions) -> Result<Running, GatewayError> {
        let loaded = Arc::new(config::load(&options.paths, &options.environment));
        let accounts = house::accounts(&loaded, &options.paths);
        let ledger = open_ledger(&options.paths, &house::unknown_policy(&accounts)).await?;

        let house = Arc::new(assemble(&options, loaded, ledger));
        CrashKeeper::listen(&house.directory);
        let mut watchdog = Watchdog::default();
        if let Some(alive) = options.alive {
            watchdog = watchdog.on_alive(alive);
        }
        let root =
            Root::start_with(house.directory.clone(), "gateway", house.specs(), watchdog).await;
        let mut listening = house.listening.subscribe();
        let address = tokio::select! {
            address = listening.wait_for(Option::is_some) => address.ok().and_then(|address| *address),
            end = root.ended() => return Err(GatewayError::Ended { code: end.code, reason: end.reason }),
        };
        // The sender lives in the house, so the channel can't be closed.
        let address = address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        house.services.set_phase(Phase::Open);
        Ok(Running {
            address,
            root,
            house,
        })
    }
}

impl Running {
    /// The address that listened first.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that is listening, as it changes.
    pub fn listening(&self) -> watch::Receiver<Option<SocketAddr>> {
        self.house.listening.subscribe()
    }

    pub fn directory(&self) -> &Directory {
        &self.house.directory
    }

    /// The model that answers, and why.
    pub fn model(&self) -> String {
        let catalogue = self.house.models.now();
        let choice = catalogue.choice();
        format!("{} ({})", choice.model, choice.reason)
    }

    /// Waits until the tree ends by itself or by [`Running::shutdown`].
    pub async fn ended(&self) -> RootExit {
        self.root.ended().await
    }

    /// Ends the tree in order; what is left after the budget is killed.
    pub async fn shutdown(&self, reason: &str, budget: Duration) -> ShutdownReport {
        ingress::announce_shutdown(&self.house.services, reason, None);
        self.root.shutdown(budget).await
    }
}

/// How long a conversation that nobody speaks in stays in memory: `OPENCLAW_SESSION_IDLE_SECONDS`, for small machines.
fn idle(environment: &Environment) -> Duration {
    let seconds = environment.get("OPENCLAW_SESSION_IDLE_SECONDS");
    let seconds = seconds.and_then(|text| text.parse().ok());
    seconds.map_or(openclaw_session::IDLE, Duration::from_secs)
}

/// Opens the ledger. On a disk without any room it waits until there is some: nothing that is in it is lost, and an end
/// would only be followed by the next start.
async fn open_ledger(paths: &Paths, policy: &UnknownPolicy) -> Result<Ledger, LedgerError> {
    loop {
        match recovered(paths, policy).await {
            Err(error) if error.is_disk_full() => {
                tracing::error!(%error, "the gateway starts when there is room on the disk");
                tokio::time::sleep(LOOK_FOR_ROOM).await;
            }
            opened => return opened,
        }
    }
}

/// Opens the ledger; what the last process had in hand is taken out of its hands before anybody can ask for it.
async fn recovered(paths: &Paths, policy: &UnknownPolicy) -> Result<Ledger, LedgerError> {
    let (ledger, thread) = Ledger::open(paths.ledger_file())?;
    match ledger.recover(policy.clone()).await {
        Ok(recovery) => {
            tracing::info!(?recovery, "the ledger is open");
            Ok(ledger)
        }
        Err(error) => {
            drop(ledger);
            // The file is opened again only after this thread has let it go.
            let _let_go = tokio::task::spawn_blocking(move || thread.join()).await;
            Err(error)
        }
    }
}

/// Adds the tools of the web, which follow the configuration.
fn with_web(toolbox: Toolbox, in_force: watch::Receiver<Arc<LoadedConfig>>) -> Toolbox {
    let settings: WebNow = Arc::new(move || {
        let loaded = in_force.borrow().clone();
        let key = |name: &str| loaded.environment.get(name).map(Secret::from);
        WebSettings {
            web: loaded
                .config
                .tools
                .get()
                .map(|tools| tools.web.clone())
                .unwrap_or_default(),
            keys: WebKeys {
                brave: key("BRAVE_API_KEY"),
                perplexity: key("PERPLEXITY_API_KEY"),
                openrouter: key("OPENROUTER_API_KEY"),
            },
        }
    });
    toolbox
        .with(Arc::new(WebFetch::new(
            settings.clone(),
            Arc::new(SystemNames),
        )))
        .with(Arc::new(WebSearch::new(settings)))
}

/// Puts the parts together. Nothing runs yet.
pub(crate) fn assemble(options: &BootOptions, loaded: Arc<LoadedConfig>, ledger: Ledger) -> House {
    let directory = Directory::new();
    let paths = options.paths.clone();
    let models = Models::new(&loaded, &paths);
    let (config, in_force) = watch::channel(loaded);
    let config_now: Arc<dyn Fn() -> Arc<Config> + Send + Sync> = {
        let in_force = in_force.clone();
        Arc::new(move || in_force.borrow().config.clone())
    };
    let hub = Hub::new();
    let status = StatusBoard::default();
    let typing = TypingBoard::default();
    let facts = Facts {
        version: options.version,
        started: Instant::now(),
        config: config_now.clone(),
        accounts: status.clone(),
        models: models.clone(),
        ledger: ledger.clone(),
    };
    let approvals = ApprovalDesk::open(ledger.clone(), now_ms());
    let exec_rules = StateFile::new(paths.state_dir.join("exec-approvals.json"));
    let shelf = Arc::new(SkillShelf::new(&paths, in_force.clone()));
    let uses = Uses::default();
    let desk: Arc<dyn Desk> = Arc::new(HouseDesk {
        approvals: approvals.clone(),
        rules: exec_rules.clone(),
        config: config_now.clone(),
        hub: hub.clone(),
        ledger: ledger.clone(),
        directory: directory.clone(),
        uses: uses.clone(),
        skills: shelf.clone(),
    });
    let sandboxes = Sandboxes::new(paths.state_dir.join("sandboxes"), Bubblewrap::find())
        .or(Landlock::by("/proc/self/exe"));
    let gate = ExecGate::new(desk.clone(), Some(&paths.home), sandboxes);
    let (catalogue_of, catalogue_now) = (models.clone(), models.clone());
    let catalogue_now: CatalogueNow = Arc::new(move || catalogue_now.now());
    let (memory, payers) = memory::open(&paths, config_now.clone(), catalogue_now.clone());
    let running = Programs::default();
    let mut toolbox = with_web(Toolbox::new(Arc::new(facts), &memory), in_force.clone())
        .with(Arc::new(Exec::new(
            running.clone(),
            Arc::new(gate),
            programs::exec_rules(in_force.clone()),
            skills::secrets(shelf.clone()),
        )))
        .with(Arc::new(Process::new(running.clone())));
    for tool in file::tools(&programs::file_rules(in_force.clone(), &paths)) {
        toolbox = toolbox.with(Arc::new(tool));
    }
    let door = Door::default();
    let toolbox = with_house(toolbox, &door);
    let sessions = Arc::new(Deps {
        ledger: ledger.clone(),
        directory: directory.clone(),
        models: Arc::new(HouseModels {
            directory: directory.clone(),
            catalogue: Arc::new(move || catalogue_of.now()),
        }),
        toolbox: toolbox.clone(),
        events: Arc::new(hub.clone()),
        config: config_now.clone(),
        folders: Folders {
            state_dir: paths.state_dir.clone(),
            workspace: house::workspaces(&paths),
        },
        typing: typing.clone(),
        desk,
        shared: Shared::new()
            .idle_after(idle(&options.environment))
            .skills(shelf.clone()),
    });
    let _first = payers.set(Arc::downgrade(&sessions));
    let intake = Intake::new(ledger.clone(), directory.clone());
    let channels = ChannelDeps {
        ledger: ledger.clone(),
        routes: Arc::new(Routes { config: config_now }),
        wake: intake.waker(),
        typing,
        status: status.clone(),
        leases: Leases::default(),
        credentials_dir: paths.credentials_dir(),
        state_dir: paths.state_dir.clone(),
    };
    let services = Services::new(Parts {
        directory: directory.clone(),
        ledger: ledger.clone(),
        config: in_force,
        overrides: options.overrides.clone(),
        paths: paths.clone(),
        approvals,
        exec_rules,
        hub,
        accounts: status,
        intake,
        environment: options.environment.clone(),
        sessions: Sessions::new(sessions.clone()),
        catalogue: catalogue_now,
        toolbox,
        skills: shelf,
        memory,
        assets: options.assets,
        version: options.version.to_owned(),
        log_file: options.log_file.clone(),
    });
    door.open(&services);
    House {
        directory,
        ledger,
        paths,
        environment: options.environment.clone(),
        config,
        models,
        sessions,
        channels,
        services,
        programs: running,
        uses,
        listening: Arc::new(watch::Sender::new(None)),
    }
}
