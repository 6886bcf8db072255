//! Walls around what a session runs.
//!
//! A program of a sandboxed session is started only with a [`Proof`], and only a probe that saw the walls hold makes one:
//! where no sandbox works, nothing is run.

mod bubblewrap;
mod docker;
mod folder;
mod landlock;
mod setting;

use std::path::PathBuf;
use std::sync::Arc;

use openclaw_protocol::SessionKey;

pub use self::bubblewrap::Bubblewrap;
pub use self::bubblewrap::Proof;
pub use self::docker::Docker;
pub use self::docker::DockerSetting;
pub use self::docker::Note;
pub use self::docker::containers;
pub use self::folder::name_of;
pub use self::landlock::Landlock;
pub use self::landlock::walled;
pub use self::setting::Access;
pub use self::setting::Backend;
pub use self::setting::Mode;
pub use self::setting::Scope;
pub use self::setting::Setting;
pub(crate) use self::setting::agent_entry;
use crate::exec::Launch;

/// What a sandbox sees of the system, to read.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ssl/certs",
    "/etc/localtime",
];
/// Where sandboxes are kept, and what makes them.
#[derive(Debug, Clone)]
pub struct Sandboxes {
    folder: Arc<PathBuf>,
    bubblewrap: Bubblewrap,
    landlock: Landlock,
    docker: Docker,
}

impl Sandboxes {
    /// Sandboxes with their own folders under `folder`.
    pub fn new(folder: PathBuf, bubblewrap: Bubblewrap) -> Self {
        Self {
            folder: Arc::new(folder),
            bubblewrap,
            landlock: Landlock::none(),
            docker: Docker::find(),
        }
    }

    /// With these walls where bubblewrap makes none.
    #[must_use]
    pub fn or(self, landlock: Landlock) -> Self {
        Self { landlock, ..self }
    }

    /// The launch within the walls of its session's sandbox, or why there are none. Blocks: it starts a probe, and
    /// makes folders.
    pub fn around(
        &self,
        launch: &Launch,
        setting: Setting,
        session: &SessionKey,
        workspace: &std::path::Path,
    ) -> Result<Launch, String> {
        let own = self.folder.join(name_of(setting.scope, session));
        let made = std::fs::create_dir_all(&own);
        made.map_err(|error| {
            format!(
                "the sandbox's folder {} can't be made: {error}",
                own.display()
            )
        })?;
        let access = setting.workspace_access;
        let bubblewrap = || {
            let proof = self.bubblewrap.probe(&self.folder)?;
            Ok(proof.around(launch, access, &own, workspace))
        };
        let landlock = || {
            let proof = self.landlock.probe(&self.folder)?;
            Ok(proof.around(launch, access, &own, workspace))
        };
        match setting.backend {
            Backend::Any => bubblewrap().or_else(|first: String| {
                landlock().map_err(|second: String| format!("{first}; {second}"))
            }),
            Backend::Bubblewrap => bubblewrap(),
            Backend::Landlock => landlock(),
            Backend::Docker => Err("it is asked for with its setting".to_owned()),
            Backend::Unknown => Err("agents.defaults.sandbox.backend names no sandbox".to_owned()),
        }
    }

    /// The launch within the container of its session's sandbox, which is made if it isn't there. Blocks.
    pub fn contain(
        &self,
        launch: &Launch,
        setting: Setting,
        docker: &DockerSetting,
        session: &SessionKey,
        workspace: &std::path::Path,
    ) -> Result<Launch, String> {
        let place = docker::Place {
            folder: &self.folder,
            setting,
            session,
            workspace,
        };
        self.docker.around(launch, &place, docker)
    }
}
