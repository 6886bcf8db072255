//! Skills: folders with a `SKILL.md` that says how something is done.
//!
//! A model is told their names and what they are for; it reads the rest when it needs it. What stands in them is
//! text: nothing of it is ever run by the gateway.

mod bundled;
mod gate;
mod head;
mod place;
mod prompt;
mod snapshot;

use std::path::Path;
use std::path::PathBuf;

use serde::Serialize;

pub use self::gate::Facts;
pub use self::gate::Needs;
pub use self::gate::Verdict;
pub use self::place::Places;
pub use self::place::Stamp;
pub use self::place::discover;
pub use self::place::stamp;
pub use self::prompt::invoked;
pub use self::snapshot::NoSkills;
pub use self::snapshot::Skills;
pub use self::snapshot::Snapshot;
pub(crate) use self::snapshot::at_hand;
pub(crate) use self::snapshot::of_conversation;

/// Where a skill lies; what comes earlier here goes before what comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Source {
    /// `skills/` in the agent's workspace.
    #[serde(rename = "openclaw-workspace")]
    Workspace,
    /// `skills/` in the state folder.
    #[serde(rename = "openclaw-managed")]
    Managed,
    /// What the gateway brings.
    #[serde(rename = "openclaw-bundled")]
    Bundled,
    /// A folder of `skills.load.extraDirs`.
    #[serde(rename = "openclaw-extra")]
    Extra,
}

/// A skill as its file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skill {
    pub name: String,
    pub description: String,
    /// Its name in the configuration.
    pub key: String,
    pub source: Source,
    pub file: PathBuf,
    pub homepage: Option<String>,
    pub emoji: Option<String>,
    /// The variable that `skills.entries.<key>.apiKey` fills.
    pub primary_env: Option<String>,
    /// Whether it is there whatever it needs.
    pub always: bool,
    pub needs: Needs,
    /// Whether people can call it by a slash.
    pub by_slash: bool,
    /// Whether a model is told of it.
    pub by_model: bool,
}

impl Skill {
    /// Reads the head of a `SKILL.md`; none where it doesn't say what the skill is for.
    pub fn read(file: &Path, source: Source, text: &str) -> Option<Self> {
        head::read(file, source, text)
    }

    /// Its name as it can be typed after a slash.
    pub fn slash_name(&self) -> String {
        prompt::slug(&self.name)
    }
}
