//! Whether a program may be started: the rules, the decision, and the wait for a person's word.
//!
//! The decision is made on the same [`Launch`](crate::exec::Launch) that is executed. What can't be read for certain is
//! asked for; no answer is a no.

mod decide;
mod gate;
mod held;
mod line;
mod program;
mod rules;
mod variable;
mod way_out;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use openclaw_protocol::AgentId;
use openclaw_protocol::Route;
use openclaw_protocol::config::Tree;
use openclaw_runtime::BoxFuture;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

use crate::ToolCall;

pub use self::decide::Disk;
pub use self::decide::Question;
pub use self::decide::Used;
pub use self::decide::Word;
pub use self::decide::decide;
pub use self::gate::ExecGate;
pub use self::held::longest_wait;
pub use self::held::perform;
pub use self::rules::Ask;
pub use self::rules::Rules;
pub use self::rules::Security;
pub use self::variable::is_forbidden as is_forbidden_variable;

/// How long an answer is waited for; as long as existing clients show a question.
const WAIT: Duration = Duration::from_secs(120);

/// A question to a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Names the question: who asks comes back to it under the same name after a restart.
    pub id: String,
    /// What is to be allowed, as people and clients see it.
    pub facts: Value,
    /// The chat the turn came from, which is told of it.
    pub reply: Option<Route>,
    /// Nobody else reads there.
    pub is_private: bool,
    /// How long an answer is waited for.
    pub wait: Duration,
}

/// A person's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// This time.
    AllowOnce,
    /// From now on.
    AllowAlways,
    /// No.
    Deny,
}

/// Who keeps the rules and asks people: the gateway.
pub trait Desk: Send + Sync {
    /// The configuration as it is now.
    fn config(&self) -> Tree;

    /// The approvals file; none if there is none.
    fn file(&self) -> BoxFuture<'static, Result<Option<Value>, String>>;

    /// Puts programs on an agent's list in that file.
    fn allow(
        &self,
        agent: &AgentId,
        programs: Vec<String>,
    ) -> BoxFuture<'static, Result<(), String>>;

    /// The programs, by name, of the skills that an agent can use and can't write. Reads files.
    fn skill_programs(&self, _agent: &AgentId, _workspace: &Path) -> Vec<String> {
        Vec::new()
    }

    /// Takes note that entries of the list let a command run; waits for nothing.
    fn used(&self, _agent: &AgentId, _used: Vec<Used>, _command: &str) {}

    /// Asks, and waits; none when nobody answered in time. A question that was answered while nobody waited counts
    /// once.
    fn ask(&self, request: Request) -> BoxFuture<'static, Result<Option<Decision>, String>>;

    /// Answers a question for somebody who may; what was asked, or why the answer doesn't count.
    fn resolve(
        &self,
        id: &str,
        decision: Decision,
        by: &str,
    ) -> BoxFuture<'static, Result<Value, String>>;
}

/// A question's name: the same for the same thing in the same turn, so that an answer that came while the gateway was down
/// still counts, and for nothing else.
fn bound(call: &ToolCall, what: &Value) -> String {
    let turn = call
        .key
        .rsplit_once('/')
        .map_or(call.key.as_str(), |(turn, _)| turn);
    let bound = json!([turn, call.agent, call.session, what]);
    let digest = Sha256::digest(bound.to_string().as_bytes());
    let first = digest.iter().take(6);
    first.map(|byte| format!("{byte:02x}")).collect()
}

impl Decision {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllowOnce => "allow-once",
            Self::AllowAlways => "allow-always",
            Self::Deny => "deny",
        }
    }

    /// The decision of a word on the wire.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "allow-once" => Some(Self::AllowOnce),
            "allow-always" => Some(Self::AllowAlways),
            "deny" => Some(Self::Deny),
            _ => None,
        }
    }
}
