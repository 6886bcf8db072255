//! The configured words that count as addressing the bot.

use regex::Regex;
use regex::RegexBuilder;

/// A pattern that is not a regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mention pattern \"{pattern}\" is not a regular expression: {reason}")]
pub struct BadPattern {
    pub pattern: String,
    pub reason: String,
}

/// Compiled `mentionPatterns`, case-insensitive.
#[derive(Debug, Clone, Default)]
pub struct MentionPatterns(Vec<Regex>);

/// The most memory one compiled pattern may take; a configured regex must not be able to eat the machine.
const SIZE_LIMIT: usize = 256 * 1024;

impl MentionPatterns {
    /// Compiles what it can and names what it cannot.
    pub fn compile<S: AsRef<str>>(
        patterns: impl IntoIterator<Item = S>,
    ) -> (Self, Vec<BadPattern>) {
        let mut compiled = Vec::new();
        let mut bad = Vec::new();
        for pattern in patterns {
            let pattern = pattern.as_ref();
            if pattern.trim().is_empty() {
                continue;
            }
            let built = RegexBuilder::new(pattern)
                .case_insensitive(true)
                .size_limit(SIZE_LIMIT)
                .build();
            match built {
                Ok(regex) => compiled.push(regex),
                Err(error) => bad.push(BadPattern {
                    pattern: pattern.to_owned(),
                    // The crate draws a picture over several lines; its last line says what is wrong.
                    reason: error
                        .to_string()
                        .lines()
                        .last()
                        .unwrap_or_default()
                        .trim()
                        .to_owned(),
                }),
            }
        }
        (Self(compiled), bad)
    }

    /// The patterns that an agent's name gives: the name as a word, with or without `@`.
    pub fn for_name(name: &str) -> Option<String> {
        let name = name.trim();
        (!name.is_empty()).then(|| format!(r"(?:^|\W)@?{}(?:\W|$)", regex::escape(name)))
    }

    pub fn matches(&self, text: &str) -> bool {
        self.0.iter().any(|regex| regex.is_match(text))
    }
}
