//! The skills of the agents as they are now: what lies in their places, judged by the configuration and this machine.
//!
//! Read at an agent's first turn, and again when a skill's file or the configuration changes; until then a turn is handed
//! the same snapshot. A program that is installed meanwhile counts from the next such change on.

use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use openclaw_protocol::AgentId;
use openclaw_session::skill;
use openclaw_session::skill::Facts;
use openclaw_session::skill::Places;
use openclaw_session::skill::Skill;
use openclaw_session::skill::Skills;
use openclaw_session::skill::Snapshot;
use openclaw_session::skill::Stamp;
use openclaw_session::skill::Verdict;
use openclaw_tool::exec::Secrets;
use openclaw_tool::exec::SecretsOf;
use serde_json::Value;
use tokio::sync::watch;

use crate::config::LoadedConfig;
use crate::paths::Paths;

/// The files are looked at no more often than this: a person who changes one and then asks takes longer, and turns that
/// follow each other pay nothing.
const LOOK_EACH: Duration = Duration::from_secs(2);

/// The skills of all agents.
pub(crate) struct SkillShelf {
    paths: Paths,
    config: watch::Receiver<Arc<LoadedConfig>>,
    held: Mutex<HashMap<AgentId, Held>>,
    look_each: Duration,
}

struct Held {
    loaded: Arc<LoadedConfig>,
    workspace: PathBuf,
    stamp: Stamp,
    looked: Instant,
    snapshot: Arc<Snapshot>,
}

impl Held {
    fn is_of(&self, loaded: &Arc<LoadedConfig>, workspace: &Path) -> bool {
        Arc::ptr_eq(&self.loaded, loaded) && self.workspace == workspace
    }
}

impl SkillShelf {
    /// Reads nothing yet.
    pub(crate) fn new(paths: &Paths, config: watch::Receiver<Arc<LoadedConfig>>) -> Self {
        Self {
            paths: paths.clone(),
            config,
            held: Mutex::default(),
            look_each: LOOK_EACH,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the skills that an agent can use have set for programs.
pub(crate) fn secrets(shelf: Arc<SkillShelf>) -> SecretsOf {
    Arc::new(move |agent: &AgentId, workspace: &Path| {
        let usable = shelf.now(agent, workspace);
        let loaded = shelf.config.borrow().clone();
        let facts = Facts {
            config: loaded.config.tree.value(),
            env: &|_| None,
            allowed: None,
        };
        let skills = usable.skills().iter();
        Secrets::new(skills.flat_map(|skill| facts.variables(skill)))
    })
}

impl Skills for SkillShelf {
    fn now(&self, agent: &AgentId, workspace: &Path) -> Arc<Snapshot> {
        if let Some(snapshot) = self.at_hand(agent, workspace) {
            return snapshot;
        }
        let loaded = self.config.borrow().clone();
        let known = |held: &&mut Held| held.is_of(&loaded, workspace);
        let places = places(&self.paths, &loaded, Some(workspace));
        let stamp = skill::stamp(&places);
        if let Some(held) = self.lock().get_mut(agent).filter(|held| known(held))
            && held.stamp == stamp
        {
            held.looked = Instant::now();
            return held.snapshot.clone();
        }
        let usable = judged(&places, &loaded, agent)
            .into_iter()
            .filter(|(_, verdict)| verdict.is_eligible())
            .map(|(skill, _)| skill)
            .collect();
        let snapshot = Arc::new(Snapshot::new(usable));
        let held = Held {
            loaded,
            workspace: workspace.to_owned(),
            // What the gateway brings may just have been unpacked.
            stamp: skill::stamp(&places),
            looked: Instant::now(),
            snapshot: snapshot.clone(),
        };
        self.lock().insert(agent.clone(), held);
        snapshot
    }

    fn at_hand(&self, agent: &AgentId, workspace: &Path) -> Option<Arc<Snapshot>> {
        let loaded = self.config.borrow().clone();
        let held = self.lock();
        let held = held.get(agent)?;
        let is_fresh = held.is_of(&loaded, workspace) && held.looked.elapsed() < self.look_each;
        is_fresh.then(|| held.snapshot.clone())
    }

    fn is_followed(&self) -> bool {
        let loaded = self.config.borrow();
        let watch = loaded.config.tree.value().pointer("/skills/load/watch");
        watch != Some(&Value::Bool(false))
    }
}

/// Where skills are looked for.
pub(crate) fn places(paths: &Paths, loaded: &LoadedConfig, workspace: Option<&Path>) -> Places {
    let extra = loaded.config.tree.value().pointer("/skills/load/extraDirs");
    let extra = extra.and_then(Value::as_array).into_iter().flatten();
    let extra = extra
        .filter_map(Value::as_str)
        .filter(|path| !path.trim().is_empty());
    Places {
        workspace: workspace.map(Path::to_owned),
        state_dir: paths.state_dir.clone(),
        extra: extra
            .map(|path| paths.expand(path))
            .collect::<Vec<PathBuf>>(),
    }
}

/// The skills of some places, each with its verdict. Reads files: not for a worker.
pub(crate) fn judged(
    places: &Places,
    loaded: &LoadedConfig,
    agent: &AgentId,
) -> Vec<(Skill, Verdict)> {
    let env = loaded.environment.lookup();
    let config = loaded.config.tree.value();
    let facts = Facts {
        config,
        env: &env,
        allowed: allowed(config, agent),
    };
    let skills = skill::discover(places).into_iter();
    skills
        .map(|skill| {
            let verdict = facts.judge(&skill);
            (skill, verdict)
        })
        .collect()
}

/// `agents.list[].skills`: the only ones that this agent may use.
fn allowed(config: &Value, agent: &AgentId) -> Option<Vec<String>> {
    let agents = config.pointer("/agents/list").and_then(Value::as_array)?;
    let named = |entry: &&Value| {
        let id = entry.get("id").and_then(Value::as_str);
        id.and_then(|id| AgentId::parse(id).ok()).as_ref() == Some(agent)
    };
    let names = agents.iter().find(named)?.get("skills")?.as_array()?;
    Some(
        names
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    )
}

#[cfg(test)]
mod tests;
