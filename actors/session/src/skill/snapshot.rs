//! The skills of an agent at a moment.

use std::path::Path;
use std::sync::Arc;

use openclaw_protocol::AgentId;

use super::Skill;
use super::prompt;

/// What an agent can use, with the words in which its model is told of it. Made when a skill changes, not for each turn.
#[derive(Debug, Default)]
pub struct Snapshot {
    skills: Vec<Skill>,
    told: String,
}

impl Snapshot {
    /// These skills.
    pub fn new(skills: Vec<Skill>) -> Self {
        let told = prompt::list(&skills);
        Self { skills, told }
    }

    /// The skills by name.
    pub fn skills(&self) -> &[Skill] {
        &self.skills
    }

    /// The section of the prompt; empty where there is nothing to tell.
    pub(crate) fn told(&self) -> &str {
        &self.told
    }
}

/// Where sessions learn of skills.
pub trait Skills: Send + Sync {
    /// What an agent can use now, in this workspace. May read files: not for a worker.
    fn now(&self, agent: &AgentId, workspace: &Path) -> Arc<Snapshot>;

    /// The same where no file needs to be looked at for it; none where [`Self::now`] has to be asked.
    fn at_hand(&self, _agent: &AgentId, _workspace: &Path) -> Option<Arc<Snapshot>> {
        None
    }

    /// Whether a conversation that has begun takes up what changes (`skills.load.watch`).
    fn is_followed(&self) -> bool;
}

/// The snapshot that a turn uses: the one its conversation began with, where changes are not followed.
pub(crate) fn of_conversation(
    skills: &dyn Skills,
    began_with: Option<Arc<Snapshot>>,
    agent: &AgentId,
    workspace: &Path,
) -> Arc<Snapshot> {
    began_with
        .filter(|_| !skills.is_followed())
        .unwrap_or_else(|| skills.now(agent, workspace))
}

/// The same without looking at a file; none where that can't be.
pub(crate) fn at_hand(
    skills: &dyn Skills,
    began_with: Option<&Arc<Snapshot>>,
    agent: &AgentId,
    workspace: &Path,
) -> Option<Arc<Snapshot>> {
    let kept = began_with.filter(|_| !skills.is_followed());
    kept.cloned().or_else(|| skills.at_hand(agent, workspace))
}

/// No skills at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSkills;

impl Skills for NoSkills {
    fn now(&self, _: &AgentId, _: &Path) -> Arc<Snapshot> {
        Arc::default()
    }

    fn is_followed(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skill::Source;
    use crate::skill::head;

    /// Another snapshot each time it is asked.
    struct Changing {
        is_followed: bool,
    }

    impl Skills for Changing {
        fn now(&self, _: &AgentId, _: &Path) -> Arc<Snapshot> {
            let text = "---\nname: tides\ndescription: When the sea comes\n---\n";
            let file = Path::new("/w/skills/tides/SKILL.md");
            let skill = head::read(file, Source::Workspace, text).unwrap();
            Arc::new(Snapshot::new(vec![skill]))
        }

        fn is_followed(&self) -> bool {
            self.is_followed
        }
    }

    #[test]
    fn a_conversation_keeps_the_skills_that_it_began_with_where_changes_are_not_followed() {
        let of = |is_followed, began_with: Option<&Arc<Snapshot>>| {
            let skills = Changing { is_followed };
            let workspace = Path::new("/w");
            of_conversation(&skills, began_with.cloned(), &AgentId::main(), workspace)
        };
        let first = of(false, None);
        assert!(first.told().contains("When the sea comes"));
        assert!(Arc::ptr_eq(&of(false, Some(&first)), &first));
        assert!(!Arc::ptr_eq(&of(true, Some(&first)), &first));
    }
}
