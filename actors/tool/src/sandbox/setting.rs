//! What is set: which sessions are sandboxed, which share a sandbox, and what it sees of the workspace. Pure.

use openclaw_protocol::AgentId;
use openclaw_protocol::SessionKey;
use serde::Serialize;
use serde_json::Value;

/// Which sessions are sandboxed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// None.
    #[default]
    Off,
    /// All but the agent's main session.
    NonMain,
    /// All.
    All,
}

/// Which sessions share a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Each session has its own.
    Session,
    /// Each agent has its own.
    #[default]
    Agent,
    /// There is one for all.
    Shared,
}

/// What a sandbox sees of the agent's workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Nothing: it has a folder of its own.
    #[default]
    None,
    /// It may be read.
    Ro,
    /// It may be written.
    Rw,
}

/// What makes the walls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// Bubblewrap, or where that doesn't work Landlock.
    #[default]
    Any,
    /// Bubblewrap alone.
    Bubblewrap,
    /// Landlock and a filter of system calls.
    Landlock,
    /// A container.
    Docker,
    /// Nothing that there is: nothing is run.
    Unknown,
}

/// What is set for an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// Which sessions are sandboxed.
    pub mode: Mode,
    /// Which of them share a sandbox.
    pub scope: Scope,
    /// What it sees of the workspace.
    pub workspace_access: Access,
    /// What makes the walls.
    pub backend: Backend,
}

impl Setting {
    /// What the configuration says of an agent: its own words, else those for all.
    ///
    /// A word that can't be read is the strictest: a mistake must not take walls down.
    pub fn of(tree: &Value, agent: &AgentId) -> Self {
        let own = agent_entry(tree, agent).and_then(|entry| entry.get("sandbox"));
        let all = tree.pointer("/agents/defaults/sandbox");
        let word = |name: &str| {
            let set = own.and_then(|own| own.get(name));
            set.or_else(|| all.and_then(|all| all.get(name)))
        };
        let mode = match word("mode").map(|mode| mode.as_str().unwrap_or_default()) {
            None | Some("off") => Mode::Off,
            Some("non-main") => Mode::NonMain,
            Some(_) => Mode::All,
        };
        let per_session = word("perSession").and_then(Value::as_bool);
        let scope = match (word("scope").and_then(Value::as_str), per_session) {
            (Some("shared"), _) | (None, Some(false)) => Scope::Shared,
            (Some("session"), _) | (None, Some(true)) => Scope::Session,
            _ => Scope::Agent,
        };
        let workspace_access = match word("workspaceAccess").and_then(Value::as_str) {
            Some("rw") => Access::Rw,
            Some("ro") => Access::Ro,
            _ => Access::None,
        };
        let backend = match word("backend").map(|word| word.as_str().unwrap_or_default()) {
            None => Backend::Any,
            Some("bubblewrap") => Backend::Bubblewrap,
            Some("landlock") => Backend::Landlock,
            Some("docker") => Backend::Docker,
            Some(_) => Backend::Unknown,
        };
        Self {
            mode,
            scope,
            workspace_access,
            backend,
        }
    }

    /// Whether a session is sandboxed.
    pub fn covers(&self, session: &SessionKey) -> bool {
        match self.mode {
            Mode::Off => false,
            Mode::NonMain => *session != SessionKey::main(&session.agent()),
            Mode::All => true,
        }
    }
}

/// The entry of an agent in the list.
pub(crate) fn agent_entry<'a>(tree: &'a Value, agent: &AgentId) -> Option<&'a Value> {
    let list = tree.pointer("/agents/list")?.as_array()?;
    list.iter().find(|entry| {
        let id = entry.get("id").and_then(Value::as_str);
        id.and_then(|id| AgentId::parse(id).ok()).as_ref() == Some(agent)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_agent_s_own_words_come_before_those_for_all() {
        let tree = json!({ "agents": {
            "defaults": { "sandbox": { "mode": "non-main", "workspaceAccess": "ro" } },
            "list": [
                { "id": "Ops", "sandbox": { "mode": "all", "scope": "session" } },
                { "id": "free", "sandbox": { "mode": "off" } },
                { "id": "odd", "sandbox": { "mode": "nonmain" } },
            ],
        }});
        let of = |agent: &str| Setting::of(&tree, &agent.parse().unwrap());
        assert_eq!(
            of("ops"),
            Setting {
                mode: Mode::All,
                scope: Scope::Session,
                workspace_access: Access::Ro,
                backend: Backend::Any,
            }
        );
        assert_eq!(of("free").mode, Mode::Off);
        assert_eq!(of("other").mode, Mode::NonMain);
        assert_eq!(of("odd").mode, Mode::All);
        let session = |key: &str| SessionKey::parse(key).unwrap();
        assert!(!of("other").covers(&session("agent:other:main")));
        assert!(of("other").covers(&session("agent:other:telegram:group:1")));
        assert!(of("ops").covers(&session("agent:ops:main")));
    }
}
