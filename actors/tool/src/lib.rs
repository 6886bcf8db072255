//! What agents can do: the tools, and the box a turn takes them from.
//!
//! A tool runs in a task of its own that its turn can kill at any moment, and after a crash the
//! same call may come again under the same key. So each tool says whether it may simply run again
//! ([`Tool::idempotent`]); the ones here may.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod approval;
mod arguments;
mod caller;
pub mod exec;
pub mod file;
pub mod mcp;
pub mod memory;
pub mod policy;
pub mod sandbox;
mod shelf;
mod status;
mod time;
pub mod web;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use openclaw_protocol::AgentId;
use openclaw_protocol::Content;
use openclaw_protocol::SessionKey;
use openclaw_protocol::ToolSpec;
use openclaw_protocol::Tools;
use openclaw_runtime::BoxFuture;
use serde_json::Value;

use self::policy::Outside;

pub use arguments::Arguments;
pub use arguments::spec;
pub use caller::Caller;
pub use caller::Elevated;
pub use caller::Entry;
pub use caller::SessionKind;
pub use memory::Memory;
pub use memory::MemoryGet;
pub use memory::MemoryNote;
pub use memory::MemorySearch;
pub use shelf::Shelf;
pub use status::GatewayStatus;
pub use time::CurrentTime;

/// Something an agent can do.
pub trait Tool: Send + Sync {
    /// What a model is told about it.
    fn spec(&self) -> &ToolSpec;

    /// Whether there is anything behind it now; otherwise it is as if it weren't there.
    fn is_offered(&self) -> bool {
        true
    }

    /// Whether the same call under the same key may run again after a crash.
    fn idempotent(&self) -> bool;

    /// Whether it says of itself that it changes and sends nothing.
    fn reads_only(&self) -> bool {
        false
    }

    /// How long it may take; its turn ends it then.
    fn deadline(&self) -> Duration;

    /// Does it. Never waits on the caller's thread; a failure is an outcome that the model reads.
    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome>;
}

/// One call of a tool.
#[derive(Debug, Clone)]
pub struct ToolCall {
    /// The tool's name.
    pub name: String,
    /// What the model wrote; should be an object.
    pub arguments: Value,
    /// Names this call for ever: session, turn and place in the turn.
    pub key: String,
    /// The agent's workspace.
    pub workspace: PathBuf,
    /// The agent.
    pub agent: AgentId,
    /// The session.
    pub session: SessionKey,
    /// Who the turn acts for.
    pub caller: Caller,
    /// Words from outside that its conversation holds; none where there are none or nothing is made of it.
    pub outside: Option<Outside>,
}

/// What a tool gave back.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolOutcome {
    /// What the model reads.
    pub content: Vec<Content>,
    /// Whether it failed.
    pub is_error: bool,
    /// Where it comes from, if these are words from outside.
    pub outside: Option<String>,
    /// Nothing was done, and this is why: it needs a person's yes first.
    pub held: Option<String>,
}

/// What the gateway knows about itself.
pub trait Facts: Send + Sync {
    /// How it is: uptime, sessions, channels, the model in use.
    fn status(&self) -> Value;

    /// What is set up: channels, agents, models. Holds no secret.
    fn configured(&self) -> Value;
}

/// The tools by name.
#[derive(Clone)]
pub struct Toolbox {
    tools: Arc<BTreeMap<String, Arc<dyn Tool>>>,
    /// What models were told of them lately: turns with the same tools share it.
    told: Arc<Mutex<Vec<Told>>>,
    /// Those that come and go.
    shelf: Shelf,
}

/// Some tools, and what a model is told of them.
type Told = (Vec<Arc<dyn Tool>>, Tools);

/// Sets of tools that are remembered: agents and kinds of callers differ in a few.
const TOLD: usize = 16;

impl ToolCall {
    /// The words from outside because of which it is held back from what reaches further; none where a person said yes.
    pub fn held(&self) -> Option<&Outside> {
        self.outside.as_ref().filter(|outside| !outside.is_allowed)
    }
}

impl ToolOutcome {
    /// It worked; the model reads this text.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            content: vec![Content::text(text)],
            is_error: false,
            outside: None,
            held: None,
        }
    }

    /// Nothing was done: it needs a person's yes, and this is why.
    pub fn held(why: impl Into<String>) -> Self {
        let why = why.into();
        Self {
            held: Some(why.clone()),
            ..Self::error(format!("not done: {why}"))
        }
    }

    /// The same, as words from outside if a source is named.
    #[must_use]
    pub fn from_outside(self, source: Option<String>) -> Self {
        Self {
            outside: source,
            ..self
        }
    }

    /// It worked; the model reads this value as JSON.
    pub fn json(value: &Value) -> Self {
        Self::text(value.to_string())
    }

    /// It failed; the model reads why and what to do instead.
    pub fn error(text: impl Into<String>) -> Self {
        Self {
            is_error: true,
            ..Self::text(text)
        }
    }
}

impl Toolbox {
    /// The tools that are always there.
    pub fn new(facts: Arc<dyn Facts>, memory: &Memory) -> Self {
        Self::empty()
            .with(Arc::new(MemoryNote::default()))
            .with(Arc::new(MemorySearch::new(memory.clone())))
            .with(Arc::new(MemoryGet::new(memory.clone())))
            .with(Arc::new(GatewayStatus::new(facts)))
            .with(Arc::new(CurrentTime::default()))
    }

    /// No tools.
    pub fn empty() -> Self {
        Self {
            tools: Arc::new(BTreeMap::new()),
            told: Arc::default(),
            shelf: Shelf::default(),
        }
    }

    /// Adds a tool, in place of one of the same name.
    #[must_use]
    pub fn with(mut self, tool: Arc<dyn Tool>) -> Self {
        Arc::make_mut(&mut self.tools).insert(tool.spec().name.clone(), tool);
        Self {
            told: Arc::default(),
            ..self
        }
    }

    /// Where tools are put that come and go.
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// A tool by name, also as models write it that learned other names: `Read`, `apply-patch`, `bash`.
    pub fn get(&self, name: &str) -> Option<Arc<dyn Tool>> {
        let own = self.tools.get(name);
        let own = own.or_else(|| self.tools.get(policy::canonical(name).as_str()));
        let own = own.filter(|tool| tool.is_offered());
        own.cloned().or_else(|| self.shelf.get(name))
    }

    /// What a model is told, in a fixed order: a provider's cache depends on it.
    pub fn specs(&self) -> Tools {
        self.specs_of(|_| true)
    }

    /// The same of those tools only that `may_use` lets through. The same tools give the same shared value.
    pub fn specs_of(&self, may_use: impl Fn(&str) -> bool) -> Tools {
        let own = self.tools.values().filter(|tool| tool.is_offered());
        let all = own.cloned().chain(self.shelf.tools());
        let tools: Vec<Arc<dyn Tool>> = all.filter(|tool| may_use(&tool.spec().name)).collect();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |(of, _): &&Told| {
            of.len() == tools.len() && of.iter().zip(&tools).all(|(a, b)| Arc::ptr_eq(a, b))
        };
        if let Some((_, specs)) = told.iter().find(is_same) {
            return specs.clone();
        }
        let specs: Tools = tools.iter().map(|tool| tool.spec().clone()).collect();
        if told.len() >= TOLD {
            told.remove(0);
        }
        told.push((tools, specs.clone()));
        specs
    }

    /// The names, in a fixed order.
    pub fn names(&self) -> Vec<String> {
        let offered = self.tools.iter().filter(|(_, tool)| tool.is_offered());
        let offered = offered.map(|(name, _)| name.clone());
        offered.chain(self.shelf.names()).collect()
    }

    /// What a model is told that calls a tool which isn't there.
    pub fn unknown(&self, name: &str) -> ToolOutcome {
        let names = self.names();
        ToolOutcome::error(format!(
            "there is no tool \"{name}\"; there are: {}",
            names.join(", ")
        ))
    }
}

impl fmt::Debug for Toolbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_found_under_the_names_that_models_know() {
        let rules: file::RulesNow = Arc::new(|_| file::FileRules::default());
        let toolbox = file::tools(&rules)
            .into_iter()
            .fold(Toolbox::empty(), |toolbox, tool| {
                toolbox.with(Arc::new(tool))
            });
        for (asked, name) in [
            ("Read", "read"),
            ("apply-patch", "apply_patch"),
            ("Edit ", "edit"),
        ] {
            assert_eq!(toolbox.get(asked).unwrap().spec().name, name);
        }
        assert!(toolbox.get("Bash").is_none() && toolbox.get("rm").is_none());
    }
}
