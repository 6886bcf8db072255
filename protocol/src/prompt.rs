//! What stands before a conversation.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::OnceLock;

/// A system prompt. Turns share the one that their agent has now, so that what is computed from it, its text as JSON or
/// its size, is computed once.
#[derive(Clone, Default)]
pub struct Prompt {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    text: Box<str>,
    json: OnceLock<Box<str>>,
    size: OnceLock<u64>,
}

impl Prompt {
    /// Its text as a JSON string.
    pub fn json(&self) -> &str {
        let json = || serde_json::Value::from(&*self.inner.text).to_string();
        self.inner.json.get_or_init(|| json().into())
    }

    /// Its size, as `count` finds it.
    pub fn size(&self, count: impl FnOnce(&str) -> u64) -> u64 {
        *self.inner.size.get_or_init(|| count(&self.inner.text))
    }
}

impl Deref for Prompt {
    type Target = str;

    fn deref(&self) -> &str {
        &self.inner.text
    }
}

impl From<String> for Prompt {
    fn from(text: String) -> Self {
        Self {
            inner: Arc::new(Inner {
                text: text.into(),
                ..Inner::default()
            }),
        }
    }
}

impl From<&str> for Prompt {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_computed_from_it_is_computed_once() {
        let prompt = Prompt::from("say \"yes\"\n");
        let other = prompt.clone();
        assert_eq!(prompt.json(), r#""say \"yes\"\n""#);
        assert!(std::ptr::eq(prompt.json(), other.json()));
        assert_eq!(prompt.size(|text| text.len() as u64), 10);
        assert_eq!(other.size(|_| 0), 10);
    }
}
