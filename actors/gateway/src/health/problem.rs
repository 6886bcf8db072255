//! What is wrong right now, from evidence: what the platforms and providers answered last, what the tree and the
//! ledger count. Nothing is taken from the configuration, and nobody is asked.

use openclaw_channel::AccountState;
use openclaw_runtime::ActorPath;
use openclaw_runtime::Health;
use openclaw_runtime::State;
use openclaw_runtime::TreeNode;
use serde_json::Value;
use serde_json::json;

use super::readiness;
use crate::services::Services;

/// A part that does not do its work, and what mends it if anybody has to do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) part: String,
    pub(super) message: String,
    pub(super) fix: Option<String>,
}

impl Problem {
    fn new(part: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            part: part.into(),
            message: message.into(),
            fix: None,
        }
    }

    pub(super) fn value(&self) -> Value {
        json!({ "part": self.part, "message": self.message, "fix": self.fix })
    }
}

/// Everything that is wrong, the core first.
pub(super) fn problems(services: &Services) -> Vec<Problem> {
    let core = readiness(services).failing.into_iter().map(|text| {
        let (part, message) = text.split_once(": ").unwrap_or(("gateway", &text));
        let fix = (message == super::DISK_FULL).then(|| "free some space: df -h".to_owned());
        Problem {
            fix,
            ..Problem::new(part, message)
        }
    });
    let mut problems: Vec<Problem> = core.collect();
    problems.extend(accounts(services));
    let providers = services
        .directory
        .tree(Some(&ActorPath::new("providers")), None);
    problems.extend(providers.iter().flat_map(provider_problems));
    problems.extend(parked(services.directory.in_state(State::Parked)));
    problems
}

/// Accounts whose platform did not answer last time, or that nobody listens for.
fn accounts(services: &Services) -> impl Iterator<Item = Problem> {
    let all = services.accounts.all().into_iter();
    all.filter_map(|(key, status)| {
        let is_down = match status.state {
            AccountState::Degraded | AccountState::Parked => true,
            // Between two starts; one that never began is told by the tree.
            AccountState::Connecting => status.last_error.is_some(),
            AccountState::Live | AccountState::Disabled => false,
        };
        if !is_down {
            return None;
        }
        let error = status.last_error.as_deref().unwrap_or("not connected");
        let issue = status.issues.iter().find(|issue| issue.message == error);
        Some(Problem {
            fix: issue.map(|issue| issue.fix.clone()),
            ..Problem::new(key.to_string(), error)
        })
    })
}

/// Providers whose last call failed.
fn provider_problems(providers: &TreeNode) -> Vec<Problem> {
    let degraded = providers
        .children
        .iter()
        .filter(|node| node.state == State::Running && node.health == Health::Degraded);
    degraded
        .map(|node| {
            let note = node.note.as_deref().unwrap_or("its last call failed");
            Problem {
                fix: Some("openclaw models status".to_owned()),
                ..Problem::new(node.path.as_str(), note)
            }
        })
        .collect()
}

/// Parts that are set aside after repeated failures; the innermost says most.
fn parked(nodes: Vec<TreeNode>) -> impl Iterator<Item = Problem> {
    nodes.into_iter().map(|node| {
        let why = node.last_exit.as_deref().unwrap_or("it kept failing");
        Problem {
            fix: Some(format!("openclaw supervisor unpark {}", node.path)),
            ..Problem::new(node.path.as_str(), format!("parked: {why}"))
        }
    })
}
