//! What every command has at hand: the folders, the configuration, the terminal.

use std::cell::OnceCell;

use openclaw_gateway::config::Environment;
use openclaw_gateway::config::LoadedConfig;
use openclaw_gateway::paths::Paths;

use crate::cli::Globals;
use crate::error::CommandError;
use crate::error::CommandResult;
use crate::error::Kind;
use crate::render::Terminal;

/// One run of the binary.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) globals: Globals,
    pub(crate) environment: Environment,
    pub(crate) terminal: Terminal,
    paths: OnceCell<Paths>,
    config: OnceCell<LoadedConfig>,
}

impl Shell {
    pub(crate) fn new(globals: Globals, environment: Environment) -> Self {
        let terminal = Terminal::new(&globals, &environment);
        Self {
            globals,
            environment,
            terminal,
            paths: OnceCell::new(),
            config: OnceCell::new(),
        }
    }

    /// Where things are on disk.
    pub(crate) fn paths(&self) -> CommandResult<&Paths> {
        if let Some(paths) = self.paths.get() {
            return Ok(paths);
        }
        let profile = self.globals.profile.as_deref();
        let paths = Paths::from_env(self.environment.lookup(), profile, self.globals.dev)
            .map_err(|error| CommandError::new(Kind::Usage, error.to_string()))?;
        Ok(self.paths.get_or_init(|| paths))
    }

    /// The configuration, read once and never failing: what can't be used is in its `issues`.
    pub(crate) fn config(&self) -> CommandResult<&LoadedConfig> {
        let paths = self.paths()?;
        Ok(self
            .config
            .get_or_init(|| openclaw_gateway::config::load(paths, &self.environment)))
    }

    /// The words that start a command in this profile, for hints a person can paste.
    pub(crate) fn command(&self, rest: &str) -> String {
        match (&self.globals.profile, self.globals.dev) {
            (Some(profile), _) => format!("openclaw --profile {profile} {rest}"),
            (None, true) => format!("openclaw --dev {rest}"),
            (None, false) => format!("openclaw {rest}"),
        }
    }
}
