//! What is wrong with a configuration and what mends it.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// One thing to say about a configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Issue {
    /// Where, as `config set` spells it: `channels.telegram.botToken`, `bindings[0].agentId`.
    pub path: String,
    /// What is wrong and what follows from it.
    pub message: String,
    /// The value found; absent for secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The values that would do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// One command that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// How bad it is.
    pub severity: Severity,
}

/// How bad an issue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// An older spelling was understood; nothing is lost.
    Note,
    /// Something has no effect (an unknown key), or is risky.
    Warning,
    /// The part that owns the value is disabled, or runs with its safe default.
    Error,
}

impl Issue {
    /// An issue without value and remedy.
    pub fn new(severity: Severity, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            value: None,
            allowed: Vec::new(),
            fix: None,
            severity,
        }
    }

    /// Adds the value found.
    #[must_use]
    pub fn value(mut self, value: &Value) -> Self {
        self.value = Some(value.clone());
        self
    }

    /// Adds the values that would do.
    #[must_use]
    pub fn allowed(mut self, allowed: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.allowed = allowed.into_iter().map(Into::into).collect();
        self
    }

    /// Adds the command that removes the value at `path`.
    #[must_use]
    pub fn fix_unset(mut self, path: &str) -> Self {
        self.fix = Some(format!("openclaw config unset {}", shell_word(path)));
        self
    }

    /// Adds the command that sets `path` to `value`.
    #[must_use]
    pub fn fix_set(mut self, path: &str, value: &str) -> Self {
        let (path, value) = (shell_word(path), shell_word(value));
        self.fix = Some(format!("openclaw config set {path} {value}"));
        self
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "(the file)"
        } else {
            &self.path
        };
        write!(f, "{path}: {}", self.message)?;
        if let Some(value) = &self.value {
            write!(f, " (found {value})")?;
        }
        if !self.allowed.is_empty() {
            write!(f, "; allowed: {}", self.allowed.join(", "))?;
        }
        if let Some(fix) = &self.fix {
            write!(f, "; to mend it: {fix}")?;
        }
        Ok(())
    }
}

/// Quotes a word for the shell where it needs it.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@+,=".contains(c);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
