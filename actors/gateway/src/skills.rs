//! The skills of the agents as they are now: what lies in their places, judged by the configuration and this machine.
//!
//! Looked through again when a skill's file or the configuration changes; until then the same skills are told in the
//! same words. A program that is installed meanwhile counts from the next such change on.

use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use openclaw_protocol::AgentId;
use openclaw_session::SkillsOf;
use openclaw_session::skill;
use openclaw_session::skill::Facts;
use openclaw_session::skill::Places;
use openclaw_session::skill::Skill;
use openclaw_session::skill::Stamp;
use openclaw_session::skill::Verdict;
use serde_json::Value;
use tokio::sync::watch;

use crate::config::LoadedConfig;
use crate::paths::Paths;

/// What agents can use, for whoever makes their prompts.
pub(crate) fn open(paths: &Paths, config: watch::Receiver<Arc<LoadedConfig>>) -> SkillsOf {
    let shelf = Shelf {
        paths: paths.clone(),
        config,
        held: Mutex::default(),
    };
    Arc::new(move |agent: &AgentId, workspace: &Path| shelf.usable(agent, workspace))
}

/// The skills of all agents.
struct Shelf {
    paths: Paths,
    config: watch::Receiver<Arc<LoadedConfig>>,
    held: Mutex<HashMap<AgentId, Held>>,
}

struct Held {
    loaded: Arc<LoadedConfig>,
    places: Places,
    stamp: Stamp,
    usable: Arc<[Skill]>,
}

impl Shelf {
    /// What an agent can use now. Reads files: not for a worker.
    fn usable(&self, agent: &AgentId, workspace: &Path) -> Arc<[Skill]> {
        let loaded = self.config.borrow().clone();
        let places = places(&self.paths, &loaded, Some(workspace));
        let stamp = skill::stamp(&places);
        {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(held) = held.get(agent)
                && Arc::ptr_eq(&held.loaded, &loaded)
                && held.places == places
                && held.stamp == stamp
            {
                return held.usable.clone();
            }
        }
        let judged = judged(&places, &loaded, agent);
        let usable: Arc<[Skill]> = judged
            .into_iter()
            .filter(|(_, verdict)| verdict.is_eligible())
            .map(|(skill, _)| skill)
            .collect();
        let held = Held {
            loaded,
            // What the gateway brings may just have been unpacked.
            stamp: skill::stamp(&places),
            places,
            usable: usable.clone(),
        };
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(agent.clone(), held);
        usable
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
