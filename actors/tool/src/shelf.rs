//! Tools that come and go while the gateway runs, by who brings them.
//!
//! What a model is told of tools is the beginning of every request, and a provider's cache holds only as long as it stays
//! the same to the byte. So it changes only when somebody puts other tools here; one who fails and comes back with the
//! same tools changes nothing.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use openclaw_protocol::ToolSpec;

use crate::Tool;

/// The tools that others bring along.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<Shelved>>);

#[derive(Default)]
struct Shelved {
    brought: BTreeMap<String, Vec<Arc<dyn Tool>>>,
}

impl Shelf {
    /// Puts the tools of one here, in place of what it brought before. Says whether models are told something else now.
    pub fn put(&self, owner: &str, tools: Vec<Arc<dyn Tool>>) -> bool {
        let mut shelf = self.lock();
        let earlier = shelf.brought.get(owner);
        let is_same = earlier.is_some_and(|earlier| {
            let specs = |tools: &[Arc<dyn Tool>]| -> Vec<ToolSpec> {
                tools.iter().map(|tool| tool.spec().clone()).collect()
            };
            specs(earlier) == specs(&tools)
        });
        shelf.brought.insert(owner.to_owned(), tools);
        !is_same
    }

    /// Takes away what is brought by others than these.
    pub fn keep(&self, is_kept: impl Fn(&str) -> bool) {
        self.lock().brought.retain(|owner, _| is_kept(owner));
    }

    /// A tool by name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<dyn Tool>> {
        let shelf = self.lock();
        let mut tools = shelf.brought.values().flatten();
        tools.find(|tool| tool.spec().name == name).cloned()
    }

    /// The names, in a fixed order.
    pub(crate) fn names(&self) -> Vec<String> {
        let tools = self.tools().into_iter();
        tools.map(|tool| tool.spec().name.clone()).collect()
    }

    /// All that is here, in a fixed order; of two with one name the first.
    pub(crate) fn tools(&self) -> Vec<Arc<dyn Tool>> {
        let shelf = self.lock();
        let mut names = HashSet::new();
        let brought = shelf.brought.values().flatten();
        let first = brought.filter(|tool| names.insert(&tool.spec().name));
        first.cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Shelved> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
