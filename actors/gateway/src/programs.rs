//! What the configuration in force says of files and programs, and how a session hears of a program's end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::{AgentId, Config};
use openclaw_tool::exec::{ExecRules, ExecRulesNow, Notify, base_environment, is_program, shell};
use openclaw_tool::file::{FileRules, RulesNow};
use openclaw_tool::policy::OutsideRules;
use tokio::sync::watch;

use crate::config::LoadedConfig;
use crate::method::wake;
use crate::paths::Paths;
use crate::services::Services;

/// After so long a run goes on in the background.
const BACKGROUND: Duration = Duration::from_secs(10);
/// How long a run may take.
const TIMEOUT: Duration = Duration::from_secs(1800);
/// How long the end of a run is remembered, and at most.
const KEPT: Duration = Duration::from_secs(30 * 60);
const KEPT_LONGEST: Duration = Duration::from_secs(3 * 60 * 60);

type InForce = watch::Receiver<Arc<LoadedConfig>>;

/// Where file tools may go. The state folder is the gateway's own: of it agents read skills and what was received.
pub(crate) fn file_rules(in_force: InForce, paths: &Paths) -> RulesNow {
    let (home, state) = (paths.home.clone(), paths.state_dir.clone());
    let config_file = paths.config_path.clone();
    Arc::new(move |agent: &AgentId| FileRules {
        workspace_only: in_force.borrow().config.is_workspace_only(agent),
        home: home.clone(),
        closed: vec![state.clone(), config_file.clone()],
        readable: ["skills", "bundled-skills", "media"]
            .map(|name| state.join(name))
            .to_vec(),
        trusted: trusted(&in_force.borrow().config, &home, &state),
    })
}

/// Where nobody's words are but the owner's and the gateway's.
fn trusted(config: &Config, home: &Path, state: &Path) -> Vec<PathBuf> {
    let folders = OutsideRules::of(config.tree.value()).folders.into_iter();
    let folders = folders.map(|folder| match folder.strip_prefix("~/") {
        Some(below) => home.join(below),
        None => PathBuf::from(folder),
    });
    let folders = folders.filter(|folder| folder.is_absolute());
    folders.chain([state.join("bundled-skills")]).collect()
}

/// What programs get and how long they may take.
pub(crate) fn exec_rules(in_force: InForce) -> ExecRulesNow {
    Arc::new(move |agent: &AgentId| {
        let loaded = in_force.borrow().clone();
        let said = loaded.config.exec_tools(agent).unwrap_or_default();
        let prepend = said.path_prepend.unwrap_or_default();
        let ms = |ms: Option<u64>, usual| ms.map_or(usual, Duration::from_millis);
        ExecRules {
            env: base_environment(loaded.environment.iter(), &prepend),
            shell: shell(None, loaded.environment.get("SHELL"), is_program),
            background: ms(said.background_ms, BACKGROUND),
            timeout: said.timeout_sec.map_or(TIMEOUT, Duration::from_secs),
            kept: ms(said.cleanup_ms, KEPT).min(KEPT_LONGEST),
            notify: said.notify_on_exit.unwrap_or(true),
        }
    })
}

/// A line for a session; the answer goes where the session last spoke.
pub(crate) fn notify(services: Arc<Services>) -> Notify {
    Arc::new(move |session, line| {
        let services = services.clone();
        Box::pin(async move {
            if let Err(error) = wake::tell(&services, &session, &line).await {
                tracing::warn!(%session, error = %error.message, "the session was not told of a program's end");
            }
        })
    })
}
