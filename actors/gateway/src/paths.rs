//! Where things are on disk.
//!
//! The layout is that of existing installations, so that copies, back-ups and habits keep working.
//! The environment is read once, at the edge, and passed in as a lookup.

use std::path::Path;
use std::path::PathBuf;

use openclaw_protocol::AgentId;

#[cfg(test)]
mod tests;

/// Where things are on disk; decided once when the process starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// What `~` stands for.
    pub home: PathBuf,
    /// `$OPENCLAW_STATE_DIR`, by default `~/.openclaw`.
    pub state_dir: PathBuf,
    /// `$OPENCLAW_CONFIG_PATH`, by default `openclaw.json` in the state folder.
    pub config_path: PathBuf,
    /// The profile, when one is chosen.
    pub profile: Option<String>,
}

/// Why the folders can't be decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathsError {
    /// Neither `OPENCLAW_HOME` nor `HOME` is set.
    #[error("no home folder: set OPENCLAW_STATE_DIR, OPENCLAW_HOME or HOME")]
    NoHome,
    /// A profile's name becomes part of a folder's name.
    #[error("invalid profile \"{0}\": use letters, digits, _ and -")]
    Profile(String),
}

impl Paths {
    /// Decides the folders. `profile` is `--profile`, `dev` is `--dev`; both go before
    /// `OPENCLAW_PROFILE`, and an explicit `OPENCLAW_STATE_DIR` before all of them.
    pub fn from_env(
        env: impl Fn(&str) -> Option<String>,
        profile: Option<&str>,
        dev: bool,
    ) -> Result<Self, PathsError> {
        let set = |name: &str| env(name).filter(|value| !value.trim().is_empty());
        let profile = match (profile, dev) {
            (Some(name), _) => Some(name.to_owned()),
            (None, true) => Some("dev".to_owned()),
            (None, false) => set("OPENCLAW_PROFILE"),
        }
        .map(|name| name.trim().to_owned())
        .filter(|name| name != "default");
        if let Some(name) = &profile {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
                return Err(PathsError::Profile(name.clone()));
            }
        }
        let state_dir = set("OPENCLAW_STATE_DIR");
        let system_home = set("HOME").or_else(|| set("USERPROFILE"));
        let home = match (set("OPENCLAW_HOME"), system_home, &state_dir) {
            (Some(own), Some(system), _) => tilde(&own, Path::new(&system)),
            (Some(own), None, _) => PathBuf::from(own),
            (None, Some(system), _) => PathBuf::from(system),
            // A service without a home: what is asked for by `~` then lies in the state folder.
            (None, None, Some(state)) => PathBuf::from(state),
            (None, None, None) => return Err(PathsError::NoHome),
        };
        let state_dir = match state_dir {
            Some(dir) => tilde(&dir, &home),
            None => match &profile {
                Some(name) => home.join(format!(".openclaw-{name}")),
                None => home.join(".openclaw"),
            },
        };
        let config_path = match set("OPENCLAW_CONFIG_PATH") {
            Some(path) => tilde(&path, &home),
            None => state_dir.join("openclaw.json"),
        };
        Ok(Self {
            home,
            state_dir,
            config_path,
            profile,
        })
    }

    /// Everything under one folder; for tests and embedded use.
    pub fn under(state_dir: impl Into<PathBuf>) -> Self {
        let state_dir = state_dir.into();
        Self {
            home: state_dir.clone(),
            config_path: state_dir.join("openclaw.json"),
            state_dir,
            profile: None,
        }
    }

    /// A path as people write it in the configuration: `~` is the home folder.
    pub fn expand(&self, path: &str) -> PathBuf {
        tilde(path, &self.home)
    }

    /// An agent's workspace: the configured one, else `workspace` for the default agent and
    /// `workspace-<agent>` for the others.
    pub fn workspace(
        &self,
        agent: &AgentId,
        is_default: bool,
        configured: Option<&str>,
    ) -> PathBuf {
        if let Some(path) = configured.filter(|path| !path.trim().is_empty()) {
            return self.expand(path.trim());
        }
        if !is_default {
            return self.state_dir.join(format!("workspace-{agent}"));
        }
        // Existing installations keep a profile's workspace beside the main one.
        if let Some(profile) = &self.profile {
            let older = self
                .home
                .join(".openclaw")
                .join(format!("workspace-{profile}"));
            if older.is_dir() {
                return older;
            }
        }
        self.state_dir.join("workspace")
    }

    /// An agent's own folder.
    pub fn agent_root(&self, agent: &AgentId) -> PathBuf {
        self.state_dir.join("agents").join(agent.as_str())
    }

    /// An agent's credentials and model list.
    pub fn agent_dir(&self, agent: &AgentId) -> PathBuf {
        self.agent_root(agent).join("agent")
    }

    /// An agent's transcripts and `sessions.json`.
    pub fn sessions_dir(&self, agent: &AgentId) -> PathBuf {
        self.agent_root(agent).join("sessions")
    }

    /// An agent's session store.
    pub fn sessions_file(&self, agent: &AgentId) -> PathBuf {
        self.sessions_dir(agent).join("sessions.json")
    }

    /// The ledger's file.
    pub fn ledger_file(&self) -> PathBuf {
        self.state_dir.join("ledger").join("openclaw.redb")
    }

    /// Pairing requests, allow lists, channel credentials.
    pub fn credentials_dir(&self) -> PathBuf {
        self.state_dir.join("credentials")
    }

    /// Devices that may connect, and those that ask to.
    pub fn devices_dir(&self) -> PathBuf {
        self.state_dir.join("devices")
    }

    /// This host's own key, by which it connects to a gateway.
    pub fn identity_file(&self) -> PathBuf {
        self.state_dir.join("identity").join("device.json")
    }

    /// The tokens that gateways gave this host.
    pub fn identity_tokens_file(&self) -> PathBuf {
        self.state_dir.join("identity").join("device-auth.json")
    }

    /// Logs of the gateway itself. The daily JSON log is elsewhere: see [`Paths::log_dir`].
    pub fn state_log_dir(&self) -> PathBuf {
        self.state_dir.join("logs")
    }

    /// The folder of the daily JSON log, which all gateways of a host share.
    pub fn log_dir(&self) -> PathBuf {
        std::env::temp_dir().join("openclaw")
    }

    /// The lock that keeps a second gateway off the same state folder.
    pub fn gateway_lock(&self) -> PathBuf {
        self.state_dir.join("gateway.lock")
    }

    /// The variables of this installation.
    pub fn dotenv(&self) -> PathBuf {
        self.state_dir.join(".env")
    }
}

fn tilde(path: &str, home: &Path) -> PathBuf {
    match path.strip_prefix('~') {
        Some("") => home.to_path_buf(),
        Some(rest) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(path),
    }
}
