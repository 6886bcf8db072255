//! Walls around what a session runs.
//!
//! A program of a sandboxed session is started only with a [`Proof`], and only a probe that saw the walls hold makes one:
//! where no sandbox works, nothing is run.

mod bubblewrap;
mod folder;
mod setting;

use std::path::PathBuf;
use std::sync::Arc;

use openclaw_protocol::SessionKey;

pub use self::bubblewrap::Bubblewrap;
pub use self::bubblewrap::Proof;
pub use self::folder::name_of;
pub use self::setting::Access;
pub use self::setting::Mode;
pub use self::setting::Scope;
pub use self::setting::Setting;
pub(crate) use self::setting::agent_entry;
use crate::exec::Launch;

/// Where sandboxes are kept, and what makes them.
#[derive(Debug, Clone)]
pub struct Sandboxes {
    folder: Arc<PathBuf>,
    walls: Bubblewrap,
}

impl Sandboxes {
    /// Sandboxes with their own folders under `folder`.
    pub fn new(folder: PathBuf, walls: Bubblewrap) -> Self {
        Self {
            folder: Arc::new(folder),
            walls,
        }
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
        let proof = self.walls.probe(&self.folder)?;
        let own = self.folder.join(name_of(setting.scope, session));
        let made = std::fs::create_dir_all(&own);
        made.map_err(|error| {
            format!(
                "the sandbox's folder {} can't be made: {error}",
                own.display()
            )
        })?;
        Ok(proof.around(launch, setting.workspace_access, &own, workspace))
    }
}
