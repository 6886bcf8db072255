//! What follows a call that failed: another account, the next model, or the end.
//!
//! Pure. The turn's call walks along the chain as this says; how long somebody rests is said by
//! [`crate::cooldown`].

use serde::Serialize;

use crate::error::ModelErrorKind;

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Ask the same model with another account.
    Account,
    /// Ask the next model of the chain.
    Model,
    /// Nobody else would do better.
    Stop,
}

/// What is left to turn to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// The provider may have another account for the model.
    pub accounts: bool,
    /// The chain has another model.
    pub models: bool,
}

/// What follows a failure.
pub fn after(kind: ModelErrorKind, left: Left) -> Next {
    use ModelErrorKind as Kind;
    match kind {
        // Too long stays too long, and what one refuses another is not asked behind its back.
        Kind::ContextOverflow | Kind::Refusal => Next::Stop,
        Kind::Auth | Kind::Billing | Kind::RateLimit if left.accounts => Next::Account,
        _ if left.models => Next::Model,
        _ => Next::Stop,
    }
}

/// One that was asked, or passed over, before the one that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Passed {
    /// `provider/model`.
    pub model: String,
    /// With which account; none when it was passed over before one was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The sort of failure, in a word.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// Tells a person that all of the chain failed: which, and why.
pub fn exhausted(passed: &[Passed]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for one in passed {
        let message = one.message.trim_end_matches('.');
        let line = format!("- {} ({}): {message}", one.model, one.reason);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    format!(
        "None of the models could answer:\n{}\nSee their state: openclaw models status",
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests;
