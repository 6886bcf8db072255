//! `agents`: who answers, with which model, in which workspace.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Deserializer;
use serde_json::Value;

use super::AgentTools;
use super::Compaction;
use super::ContextPruning;
use super::Section;
use crate::AgentId;

/// Defaults for all agents, and the agents.
#[derive(Debug, Clone, Default)]
pub struct Agents {
    /// What holds for every agent that doesn't say otherwise.
    pub defaults: Section<AgentDefaults>,
    /// The agents; when empty there is one, `main`.
    pub list: Vec<Section<AgentEntry>>,
    /// The agent that answers what no binding sends elsewhere; it stays so when its entry is
    /// broken, as its messages must not be answered by another.
    pub(super) default: Option<AgentId>,
}

/// What holds for every agent that doesn't say otherwise.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentDefaults {
    /// Which model answers, and which stand in for it.
    pub model: ModelChoice,
    /// Settings of single models by `provider/model`.
    pub models: BTreeMap<String, ModelSettings>,
    /// The workspace of the default agent.
    pub workspace: Option<String>,
    /// Leaves a new workspace empty.
    pub skip_bootstrap: bool,
    /// How much of each bootstrap file goes into the system prompt, in characters.
    pub bootstrap_max_chars: usize,
    /// The person's time zone, such as `Europe/Berlin`.
    pub user_timezone: Option<String>,
    /// Clock of 12 or 24 hours.
    pub time_format: Option<String>,
    /// The zone of the stamp before a message: `utc`, `local`, `user` or a zone's name.
    pub envelope_timezone: Option<String>,
    /// Whether a message carries a time stamp: `on` or `off`.
    pub envelope_timestamp: Option<String>,
    /// Whether a message carries the time since the last one: `on` or `off`.
    pub envelope_elapsed: Option<String>,
    /// A smaller context window than the model's own.
    pub context_tokens: Option<u64>,
    /// How a conversation that grows too long is summed up.
    pub compaction: Compaction,
    /// How old results of tools are shortened.
    pub context_pruning: ContextPruning,
    /// How much the model thinks unless told otherwise.
    pub thinking_default: Option<String>,
    /// How much of the work is shown unless told otherwise.
    pub verbose_default: Option<String>,
    /// How long one turn may take.
    pub timeout_seconds: u64,
    /// How often "typing" is shown.
    pub typing_interval_seconds: Option<u64>,
    /// When "typing" begins.
    pub typing_mode: Option<String>,
    /// How many sessions of an agent answer at the same time.
    pub max_concurrent: usize,
}

impl Default for AgentDefaults {
    fn default() -> Self {
        Self {
            model: ModelChoice::default(),
            models: BTreeMap::new(),
            workspace: None,
            skip_bootstrap: false,
            bootstrap_max_chars: 20_000,
            user_timezone: None,
            time_format: None,
            envelope_timezone: None,
            envelope_timestamp: None,
            envelope_elapsed: None,
            context_tokens: None,
            compaction: Compaction::default(),
            context_pruning: ContextPruning::default(),
            thinking_default: None,
            verbose_default: None,
            timeout_seconds: 600,
            typing_interval_seconds: None,
            typing_mode: None,
            max_concurrent: 4,
        }
    }
}

/// Which model answers, and which stand in for it. A bare string names the first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelChoice {
    /// `provider/model` or an alias; none leaves the choice to the gateway.
    pub primary: Option<String>,
    /// Tried in order when the one before can't answer.
    pub fallbacks: Vec<String>,
}

impl<'de> Deserialize<'de> for ModelChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Name(String),
            Full {
                #[serde(default)]
                primary: Option<String>,
                #[serde(default)]
                fallbacks: Vec<String>,
            },
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Name(primary) => Self {
                primary: Some(primary),
                fallbacks: Vec::new(),
            },
            Either::Full { primary, fallbacks } => Self { primary, fallbacks },
        })
    }
}

/// Settings of one model.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelSettings {
    /// A short name for it.
    pub alias: Option<String>,
    /// Sent along with each request.
    pub params: Option<Value>,
    /// Whether its answers are streamed.
    pub streaming: Option<bool>,
}

/// One agent.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentEntry {
    /// Its id.
    pub id: AgentId,
    /// Whether it answers what no binding sends elsewhere.
    #[serde(default)]
    pub default: bool,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// Its workspace.
    #[serde(default)]
    pub workspace: Option<String>,
    /// Where its credentials are.
    #[serde(default)]
    pub agent_dir: Option<String>,
    /// Its model, when it isn't that of the defaults.
    #[serde(default)]
    pub model: Option<ModelChoice>,
    /// How it presents itself.
    #[serde(default)]
    pub identity: Identity,
    /// How it behaves in groups.
    #[serde(default)]
    pub group_chat: super::messages::GroupChat,
    /// What it may do with its tools, where that is not as for all.
    #[serde(default)]
    pub tools: AgentTools,
}

/// How an agent presents itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Identity {
    /// Its name.
    pub name: Option<String>,
    /// What it is like.
    pub theme: Option<String>,
    /// Its sign.
    pub emoji: Option<String>,
    /// Its picture: a file in the workspace, a URL or a data URL.
    pub avatar: Option<String>,
}

/// One agent with the defaults filled in.
#[derive(Debug, Clone)]
pub struct ResolvedAgent {
    /// Its id.
    pub id: AgentId,
    /// Whether it is the default agent.
    pub is_default: bool,
    /// Its name.
    pub name: Option<String>,
    /// Its workspace as configured; none means the default place.
    pub workspace: Option<String>,
    /// Where its credentials are, as configured.
    pub agent_dir: Option<String>,
    /// Its model; an agent's own choice of a model brings its own fallbacks.
    pub model: ModelChoice,
    /// How it presents itself.
    pub identity: Identity,
    /// Patterns that address it in a group.
    pub mention_patterns: Vec<String>,
    /// The defaults it inherits.
    pub defaults: AgentDefaults,
}

impl Agents {
    /// The ids of the agents that can be used, the default agent first.
    pub fn ids(&self) -> Vec<AgentId> {
        let default = self.default_id();
        let mut ids: Vec<AgentId> = self
            .resolve(&default)
            .map(|agent| agent.id)
            .into_iter()
            .collect();
        for entry in self.list.iter().filter_map(Section::get) {
            if !ids.contains(&entry.id) && self.defaults.is_valid() {
                ids.push(entry.id.clone());
            }
        }
        ids
    }

    /// The agent that answers what no binding sends elsewhere: the one marked `default`, else the
    /// first of the list, else `main`.
    pub fn default_id(&self) -> AgentId {
        self.default.clone().unwrap_or_else(AgentId::main)
    }

    /// What an agent has of its own for its tools; none if its entry can't be read.
    pub(super) fn tools(&self, id: &AgentId) -> Option<AgentTools> {
        let mut entries = self.list.iter().filter_map(Section::get);
        match entries.find(|entry| entry.id == *id) {
            Some(entry) => Some(entry.tools.clone()),
            None => self.resolve(id).map(|_| AgentTools::default()),
        }
    }

    /// Tells whether an agent of this id is in the list, or would be if its entry could be read.
    pub(super) fn is_named(&self, id: &AgentId) -> bool {
        let mut entries = self.list.iter();
        *id == self.default_id()
            || entries.any(|entry| entry.get().is_none_or(|entry| entry.id == *id))
    }

    /// An agent with the defaults filled in; none if it isn't configured or can't be used.
    pub fn resolve(&self, id: &AgentId) -> Option<ResolvedAgent> {
        let defaults = self.defaults.get()?;
        let entry = self
            .list
            .iter()
            .filter_map(Section::get)
            .find(|entry| entry.id == *id);
        let is_default = *id == self.default_id();
        // An agent whose own entry is broken must not run on the defaults in its stead.
        if entry.is_none() && !(is_default && self.list.is_empty()) {
            return None;
        }
        let own_workspace = entry.and_then(|entry| entry.workspace.clone());
        Some(ResolvedAgent {
            id: id.clone(),
            is_default,
            name: entry.and_then(|entry| entry.name.clone()),
            workspace: own_workspace.or_else(|| defaults.workspace.clone().filter(|_| is_default)),
            agent_dir: entry.and_then(|entry| entry.agent_dir.clone()),
            model: entry
                .and_then(|entry| entry.model.clone())
                .unwrap_or_else(|| defaults.model.clone()),
            identity: entry
                .map(|entry| entry.identity.clone())
                .unwrap_or_default(),
            mention_patterns: entry
                .map(|entry| entry.group_chat.mention_patterns.clone())
                .unwrap_or_default(),
            defaults: defaults.clone(),
        })
    }
}
