//! What a model is told about a tool.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

/// A tool as a model sees it: its name, when to use it, and the JSON schema of its arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolSpec {
    /// 1 to 64 of `a-z A-Z 0-9 _ -`.
    pub name: String,
    /// What it does and when to use it, in a sentence or two.
    pub description: String,
    /// A JSON schema of type `object`.
    pub parameters: Value,
}

/// The tools that a model is offered, in a fixed order. Every request that offers the same shares them, so that what
/// is computed from them, their text on a wire or their size, is computed once.
#[derive(Clone, Default)]
pub struct Tools {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    specs: Vec<ToolSpec>,
    /// By the wire's name.
    written: Mutex<Vec<(&'static str, Arc<str>)>>,
    size: OnceLock<u64>,
}

impl Tools {
    /// Whether both are the same shared value.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Their text on a wire, as `write` makes it; the name stands for the wire.
    pub fn written(
        &self,
        wire: &'static str,
        write: impl FnOnce(&[ToolSpec]) -> String,
    ) -> Arc<str> {
        let written = self.inner.written.lock();
        let mut written = written.unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = written.iter().find(|(name, _)| *name == wire) {
            return Arc::clone(text);
        }
        let text: Arc<str> = write(&self.inner.specs).into();
        written.push((wire, Arc::clone(&text)));
        text
    }

    /// Their size, as `count` finds it.
    pub fn size(&self, count: impl FnOnce(&[ToolSpec]) -> u64) -> u64 {
        *self.inner.size.get_or_init(|| count(&self.inner.specs))
    }
}

impl Deref for Tools {
    type Target = [ToolSpec];

    fn deref(&self) -> &[ToolSpec] {
        &self.inner.specs
    }
}

impl FromIterator<ToolSpec> for Tools {
    fn from_iter<I: IntoIterator<Item = ToolSpec>>(specs: I) -> Self {
        specs.into_iter().collect::<Vec<_>>().into()
    }
}

impl From<Vec<ToolSpec>> for Tools {
    fn from(specs: Vec<ToolSpec>) -> Self {
        Self {
            inner: Arc::new(Inner {
                specs,
                ..Inner::default()
            }),
        }
    }
}

impl<const N: usize> From<[ToolSpec; N]> for Tools {
    fn from(specs: [ToolSpec; N]) -> Self {
        Self::from(Vec::from(specs))
    }
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.iter().map(|spec| &spec.name);
        f.debug_list().entries(names).finish()
    }
}
