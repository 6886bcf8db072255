//! The children of one incarnation, reachable from outside it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::exit::KillReason;
use crate::incarnation::leash::Leash;

/// Owner: the incarnation. Once ended it takes no more children.
pub(crate) struct Brood {
    children: Mutex<Option<HashMap<u64, Arc<Leash>>>>,
}

impl Brood {
    pub(crate) fn new() -> Self {
        Self {
            children: Mutex::new(Some(HashMap::new())),
        }
    }

    /// False = it has ended; the child must be killed.
    pub(crate) fn add(&self, child: Arc<Leash>) -> bool {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        match children.as_mut() {
            Some(children) => {
                children.insert(child.generation, child);
                true
            }
            None => false,
        }
    }

    pub(crate) fn remove(&self, generation: u64) {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(children) = children.as_mut() {
            children.remove(&generation);
        }
    }

    /// Kills every child. Their own children follow as they end.
    pub(crate) fn end(&self, why: KillReason) {
        let children = self
            .children
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        for child in children.into_iter().flat_map(HashMap::into_values) {
            child.kill(why);
            // A child that cannot be killed where it stands must not keep its own children either.
            if child.pulse.since().is_some() {
                child.abandon();
            }
        }
    }
}
