//! What the entries of the gateway share: the house's parts, as requests see them.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use openclaw_channel::status::StatusBoard;
use openclaw_ledger::Ledger;
use openclaw_protocol::Config;
use openclaw_provider::Catalogue;
use openclaw_provider::quota::QuotaDesk;
use openclaw_runtime::Directory;
use openclaw_session::Intake;
use openclaw_session::Sessions;
use openclaw_session::skill::Skills;
use openclaw_tool::Memory;
use openclaw_tool::Toolbox;
use tokio::sync::watch;

use crate::approval::ApprovalDesk;
use crate::config::Environment;
use crate::config::LoadedConfig;
use crate::cron::CronBoard;
use crate::device::Devices;
use crate::gateway::Asset;
use crate::gateway::Overrides;
use crate::health::HealthBoard;
use crate::hub::Hub;
use crate::ingress::auth::AuthPolicy;
use crate::ingress::limiter::Limiter;
use crate::metrics::Meters;
use crate::node::NodeBoard;
use crate::node::NodeDesk;
use crate::paths::Paths;
use crate::presence::Presence;
use crate::state_file::StateFile;
use crate::wake_words::WakeWords;

/// Finds a file of the page by its path without a leading slash.
pub type Assets = fn(&str) -> Option<Asset>;

/// The catalogue as it is now: it changes when the configuration does or a local server answers.
pub type CatalogueNow = Arc<dyn Fn() -> Arc<Catalogue> + Send + Sync>;

/// The JSON log's file as it is named today, when there is one.
pub type LogFile = Arc<dyn Fn() -> Option<PathBuf> + Send + Sync>;

/// How far the gateway is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// It listens, but takes no work yet.
    Starting = 0,
    /// It takes work.
    Open = 1,
    /// It finishes what it has and takes no more.
    Closing = 2,
}

/// What the house gives.
pub struct Parts {
    /// Who is where.
    pub directory: Directory,
    /// What must not be lost.
    pub ledger: Ledger,
    /// The configuration as it is now.
    pub config: watch::Receiver<Arc<LoadedConfig>>,
    /// What the command line decided for this run.
    pub overrides: Overrides,
    /// Where things are on disk.
    pub paths: Paths,
    /// Commands that wait for somebody's yes.
    pub approvals: ApprovalDesk,
    /// The rules about commands.
    pub exec_rules: StateFile,
    /// The variables of the process, for those who write the configuration.
    pub environment: Environment,
    /// Where messages come in.
    pub intake: Intake,
    /// What clients ask of sessions.
    pub sessions: Sessions,
    /// Which models there are now.
    pub catalogue: CatalogueNow,
    /// What agents can do.
    pub toolbox: Toolbox,
    /// What agents know how to do.
    pub skills: Arc<dyn Skills>,
    /// The agents' notes.
    pub memory: Memory,
    /// Who hears what.
    pub hub: Hub,
    /// How the accounts are.
    pub accounts: StatusBoard,
    /// The page's files.
    pub assets: Assets,
    /// The version that is shown.
    pub version: String,
    /// The JSON log's file as it is named today, when there is one.
    pub log_file: LogFile,
}

/// What requests are answered from; shared by all connections.
pub struct Services {
    /// Who is where.
    pub directory: Directory,
    /// What must not be lost.
    pub ledger: Ledger,
    /// The configuration as it is now.
    pub config: watch::Receiver<Arc<LoadedConfig>>,
    /// What the command line decided for this run.
    pub overrides: Overrides,
    /// Where things are on disk.
    pub paths: Paths,
    /// The variables of the process, for those who write the configuration.
    pub environment: Environment,
    /// Where messages come in.
    pub intake: Intake,
    /// What clients ask of sessions.
    pub sessions: Sessions,
    /// Which models there are now.
    pub catalogue: CatalogueNow,
    /// What agents can do.
    pub toolbox: Toolbox,
    /// What agents know how to do.
    pub skills: Arc<dyn Skills>,
    /// The agents' notes.
    pub memory: Memory,
    /// Who hears what.
    pub hub: Hub,
    /// How the accounts are.
    pub accounts: StatusBoard,
    /// The page's files.
    pub assets: Assets,
    /// The version that is shown.
    pub version: String,
    /// The JSON log's file as it is named today, when there is one.
    pub log_file: LogFile,
    /// Which devices may connect.
    pub devices: Devices,
    /// Who is here.
    pub presence: Presence,
    /// What is counted.
    pub meters: Meters,
    /// What is kept of the health snapshot.
    pub health: HealthBoard,
    /// What the providers say of their quotas.
    pub quotas: QuotaDesk,
    /// When this process started, in milliseconds since 1970.
    pub started_at_ms: i64,
    /// When this process started.
    pub started: Instant,
    /// Names this process among all that ever ran.
    pub boot_id: String,
    /// The jobs that run by the clock.
    pub cron: CronBoard,
    /// Commands that wait for somebody's yes.
    pub approvals: ApprovalDesk,
    /// The nodes that were let in by name.
    pub nodes: NodeDesk,
    /// The nodes that are connected.
    pub node_board: NodeBoard,
    /// The rules about commands.
    pub exec_rules: StateFile,
    /// The words that wake a listening device.
    pub wake_words: WakeWords,
    listening: Mutex<Option<SocketAddr>>,
    limiter: Mutex<Limiter>,
    phase: AtomicU8,
}

impl Services {
    /// Puts the parts together; the phase is [`Phase::Starting`].
    pub fn new(parts: Parts) -> Arc<Self> {
        let started_at_ms = now_ms();
        let boot_id = uuid::Uuid::new_v4().to_string();
        let host = host_name();
        Arc::new(Self {
            devices: Devices::open(parts.paths.devices_dir(), &parts.directory),
            presence: Presence::new(&host, &parts.version, &boot_id, started_at_ms),
            meters: Meters::default(),
            health: HealthBoard::default(),
            quotas: QuotaDesk::default(),
            started_at_ms,
            started: Instant::now(),
            boot_id,
            cron: CronBoard::default(),
            approvals: parts.approvals,
            nodes: NodeDesk::new(&parts.paths.state_dir),
            node_board: NodeBoard::default(),
            exec_rules: parts.exec_rules,
            wake_words: WakeWords::load(&parts.paths.state_dir),
            listening: Mutex::default(),
            limiter: Mutex::default(),
            phase: AtomicU8::new(Phase::Starting as u8),
            directory: parts.directory,
            ledger: parts.ledger,
            config: parts.config,
            overrides: parts.overrides,
            paths: parts.paths,
            environment: parts.environment,
            intake: parts.intake,
            sessions: parts.sessions,
            catalogue: parts.catalogue,
            toolbox: parts.toolbox,
            skills: parts.skills,
            memory: parts.memory,
            hub: parts.hub,
            accounts: parts.accounts,
            assets: parts.assets,
            version: parts.version,
            log_file: parts.log_file,
        })
    }

    /// The configuration as it was last read.
    pub fn loaded(&self) -> Arc<LoadedConfig> {
        Arc::clone(&self.config.borrow())
    }

    /// The typed configuration.
    pub fn configuration(&self) -> Arc<Config> {
        Arc::clone(&self.config.borrow().config)
    }

    /// The secret callers must know.
    pub fn auth_policy(&self) -> AuthPolicy {
        let loaded = self.loaded();
        let env = loaded.environment.lookup();
        AuthPolicy::of(&loaded.config.gateway, env).overridden(&self.overrides)
    }

    /// Where the port is, once it listens.
    pub fn listening(&self) -> Option<SocketAddr> {
        *self
            .listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Says where the port is.
    pub fn set_listening(&self, address: SocketAddr) {
        *self
            .listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    /// The count of failed tries.
    pub fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The JSON log's file as it is named today.
    pub fn log_file(&self) -> Option<PathBuf> {
        (self.log_file)()
    }

    /// How far the gateway is.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Open,
            _ => Phase::Closing,
        }
    }

    /// Says how far the gateway is.
    pub fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// For how long this process has been running.
    pub fn uptime_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services")
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// The wall clock, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// This machine's name, for people.
pub fn host_name() -> String {
    let from_env = std::env::var("HOSTNAME").ok();
    let from_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = from_env.or_else(from_kernel).unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}
