//! The prompt and the tools of a model turn.

use std::path::Path;

use openclaw_tool::SessionKind;
use openclaw_tool::policy::Subject;

use super::*;
use crate::caller;
use crate::prompt::Ask;
use crate::prompt::Mode;
use crate::skill;
use crate::workspace;

/// What the model is told where a message calls a skill by its name.
pub(super) async fn called(
    deps: &Arc<Deps>,
    agent: &ResolvedAgent,
    conversation: &Conversation,
    text: &str,
) -> Option<String> {
    if !text.trim_start().starts_with('/') {
        return None;
    }
    let workspace = deps.workspace_of(agent);
    let (deps, agent, text) = (deps.clone(), agent.id.clone(), text.to_owned());
    let kept = conversation.skills.clone();
    let looking = tokio::task::spawn_blocking(move || {
        let skills = skill::of_conversation(&*deps.shared.skills, kept, &agent, &workspace);
        skill::invoked(&text, skills.skills())
    });
    looking.await.ok().flatten()
}

/// What a prompt is made from.
pub(super) struct Asking<'a> {
    pub(super) deps: &'a Arc<Deps>,
    pub(super) agent: &'a ResolvedAgent,
    pub(super) row: &'a InboxRow,
    pub(super) inbound: &'a Inbound,
    pub(super) model: &'a ModelRef,
    pub(super) cwd: &'a Path,
    pub(super) zone: &'a str,
}

impl Asking<'_> {
    /// Asks the model; makes the workspace at the agent's first turn. `began_with` are the skills that the conversation
    /// began with.
    pub(super) async fn next(&self, began_with: Option<Arc<Snapshot>>) -> Next {
        let tools = self.deps.policy().specs(&Subject {
            agent: self.agent.id.clone(),
            session: self.row.session.clone(),
            caller: caller::caller(&(self.deps.config)(), self.row, Some(self.model)),
        });
        let (system, skills) = match self.at_hand(&tools, began_with.as_ref()) {
            Some(made) => made,
            None => match self.looked_up(&tools, began_with).await {
                Ok(made) => made,
                Err(refused) => return Next::Refuse(refused),
            },
        };
        let system = match self.inbound.extra_system_prompt.as_deref() {
            // After the stable part, so that the cache of that part still holds.
            Some(extra) if !extra.trim().is_empty() => format!("{}\n{extra}\n", &*system).into(),
            _ => system,
        };
        Next::Ask {
            system,
            tools,
            skills,
        }
    }

    /// The prompt that the turn before had, where that is still right and to find out needs no wait.
    fn at_hand(
        &self,
        tools: &Tools,
        began_with: Option<&Arc<Snapshot>>,
    ) -> Option<(Prompt, Arc<Snapshot>)> {
        let shelf = &*self.deps.shared.skills;
        let skills = skill::at_hand(shelf, began_with, &self.agent.id, self.cwd)?;
        let setting = self.setting();
        let asked = setting.ask(self.agent, self.cwd, tools, &skills);
        let prompt = self.deps.shared.prompts.at_hand(&asked)?;
        Some((prompt, skills))
    }

    /// The same from the disk, which may be slow: its work belongs on a blocking thread. The error is for the user.
    async fn looked_up(
        &self,
        tools: &Tools,
        began_with: Option<Arc<Snapshot>>,
    ) -> Result<(Prompt, Arc<Snapshot>), String> {
        let (deps, agent, cwd) = (self.deps.clone(), self.agent.clone(), self.cwd.to_owned());
        let (setting, tools) = (self.setting(), tools.clone());
        let job = move || {
            workspace::seed(&cwd, agent.defaults.skip_bootstrap)?;
            let shelf = &*deps.shared.skills;
            let skills = skill::of_conversation(shelf, began_with, &agent.id, &cwd);
            let asked = setting.ask(&agent, &cwd, &tools, &skills);
            let system = deps.shared.prompts.get(&asked);
            Ok::<_, std::io::Error>((system, skills))
        };
        match tokio::task::spawn_blocking(job).await {
            Ok(Ok(made)) => Ok(made),
            Ok(Err(error)) => {
                let cwd = self.cwd.display().to_string();
                Err(notice::no_workspace(&cwd, &error))
            }
            Err(error) => Err(format!("The prompt could not be built: {error}")),
        }
    }

    fn setting(&self) -> Setting {
        Setting {
            is_private: self.inbound.chat.kind == ChatKind::Direct,
            mode: match SessionKind::of(&self.row.session) {
                SessionKind::SubAgent => Mode::Minimal,
                _ => Mode::Full,
            },
            zone: self.zone.to_owned(),
        }
    }
}

/// What a prompt depends on besides the agent and its files.
struct Setting {
    is_private: bool,
    mode: Mode,
    zone: String,
}

impl Setting {
    fn ask<'a>(
        &'a self,
        agent: &'a ResolvedAgent,
        workspace: &'a Path,
        tools: &'a Tools,
        skills: &'a Snapshot,
    ) -> Ask<'a> {
        // Who can read no file can follow none.
        let can_read = tools
            .iter()
            .any(|tool| ["read", "exec"].contains(&&*tool.name));
        Ask {
            agent: &agent.id,
            name: agent.identity.name.as_deref().or(agent.name.as_deref()),
            theme: agent.identity.theme.as_deref(),
            workspace,
            max_chars: agent.defaults.bootstrap_max_chars,
            tools,
            skills: if can_read { skills.told() } else { "" },
            is_private: self.is_private,
            mode: self.mode,
            zone: &self.zone,
        }
    }
}
