//! Which tools a turn may use: one pure function over the configuration and who the turn acts for.
//!
//! The layers in their order are: profile, provider, global rules, the agent's rules, the group's or sender's rules,
//! the sandbox, sub-agents, owners. Each can only narrow what the others leave, and a refusal of any of them is final.

mod group;
mod layer;
mod outside;
mod rule;

#[cfg(test)]
mod tests;

use openclaw_protocol::AgentId;
use openclaw_protocol::SessionKey;
use openclaw_protocol::Tools;
use openclaw_protocol::config::Tree;
use serde::Serialize;

pub use self::group::OWNER_ONLY;
pub use self::group::canonical;
pub use self::group::known;
pub use self::group::profiles;
use self::layer::Layer;
pub use self::outside::Mode as OutsideMode;
pub use self::outside::Outside;
pub use self::outside::OutsideRules;
pub use self::outside::TOLD as OUTSIDE_TOLD;
pub use self::outside::Word;
pub use self::outside::comes_from;
pub use self::outside::hosts_in;
pub use self::outside::word as outside_word;
use crate::Caller;
use crate::ToolCall;
use crate::Toolbox;

/// The rules: the configuration as it is now, and the tools that there are.
#[derive(Debug, Clone)]
pub struct Policy {
    tree: Tree,
    toolbox: Toolbox,
}

/// Who wants to use a tool.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The agent.
    pub agent: AgentId,
    /// The session.
    pub session: SessionKey,
    /// Who the turn acts for.
    pub caller: Caller,
}

/// What comes of it, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether the tool may be used.
    pub allowed: bool,
    /// What each layer that has a word on it says, in the order of the layers.
    pub reasons: Vec<Reason>,
}

/// What one layer says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Where in the configuration it stands, or the name of a layer that stands in none.
    pub layer: String,
    /// Whether this layer lets the tool through.
    pub allows: bool,
    /// Why.
    pub text: String,
}

/// The layers that hold for one subject.
#[derive(Debug, Clone)]
pub struct Layers(Vec<Layer>);

/// Whether the subject may use the tool, and why.
pub fn verdict(policy: &Policy, subject: &Subject, tool: &str) -> Verdict {
    policy.layers(subject).verdict(tool)
}

impl Policy {
    /// The rules of a configuration over these tools.
    pub fn new(tree: Tree, toolbox: Toolbox) -> Self {
        Self { tree, toolbox }
    }

    /// The layers that hold for a subject, to judge several tools by.
    pub fn layers(&self, subject: &Subject) -> Layers {
        let is_known =
            |name: &str| known().any(|known| known == name) || self.toolbox.get(name).is_some();
        Layers(layer::layers(self.tree.value(), subject, &is_known))
    }

    /// What a model is told of the tools it may use, in the toolbox's fixed order: a provider's cache depends on it.
    pub fn specs(&self, subject: &Subject) -> Tools {
        let layers = self.layers(subject);
        self.toolbox.specs_of(|name| layers.allow(name))
    }

    /// Why a call may not be made; none if it may.
    pub fn refusal(&self, call: &ToolCall) -> Option<String> {
        let subject = Subject {
            agent: call.agent.clone(),
            session: call.session.clone(),
            caller: call.caller.clone(),
        };
        let verdict = verdict(self, &subject, &call.name);
        (!verdict.allowed).then(|| verdict.refusal(&call.name))
    }
}

impl Layers {
    /// Whether a tool may be used, without the reasons.
    fn allow(&self, tool: &str) -> bool {
        let tool = canonical(tool);
        self.0.iter().all(|layer| layer.lets(&tool))
    }

    /// The verdict on one tool.
    pub fn verdict(&self, tool: &str) -> Verdict {
        let tool = canonical(tool);
        let said = self.0.iter().filter_map(|layer| layer.says(&tool));
        let reasons: Vec<Reason> = said.collect();
        Verdict {
            allowed: reasons.iter().all(|reason| reason.allows),
            reasons,
        }
    }
}

impl Verdict {
    /// What a model reads that may not use the tool.
    fn refusal(&self, tool: &str) -> String {
        let against = self.reasons.iter().filter(|reason| !reason.allows);
        let why: Vec<String> = against
            .map(|reason| format!("{}: {}", reason.layer, reason.text))
            .collect();
        format!(
            "\"{tool}\" may not be used here ({}). See: openclaw sandbox explain",
            why.join("; ")
        )
    }
}
