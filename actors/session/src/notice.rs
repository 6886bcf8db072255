//! What people are told when something goes wrong: what failed, why, and what mends it.

use std::time::Duration;

use openclaw_protocol::ModelRef;
use openclaw_provider::ModelError;
use openclaw_provider::ModelErrorKind;

/// A model that could not answer.
pub(crate) fn model_error(model: &ModelRef, error: &ModelError) -> String {
    let cause = error.message.trim().trim_end_matches('.');
    let provider = &model.provider;
    let remedy = match error.kind {
        ModelErrorKind::Auth => format!(
            "Check the key: openclaw config get models.providers.{provider}, and the state of all \
             models: openclaw models status"
        ),
        ModelErrorKind::Billing => {
            format!(
                "Top up the account at {provider}, or choose another model: openclaw models list"
            )
        }
        ModelErrorKind::ContextOverflow => {
            "The conversation is too long for it. Begin a new one: /new".to_owned()
        }
        ModelErrorKind::ModelNotFound => "Choose one that exists: openclaw models list".to_owned(),
        ModelErrorKind::RateLimit | ModelErrorKind::Overload => {
            "Ask again in a while, or choose another model: openclaw models list".to_owned()
        }
        ModelErrorKind::Refusal => "Ask in other words.".to_owned(),
        ModelErrorKind::Timeout(_) | ModelErrorKind::Network => {
            "Check that it can be reached: openclaw models status".to_owned()
        }
        ModelErrorKind::Format | ModelErrorKind::Unknown => {
            "The log has the details: openclaw logs".to_owned()
        }
    };
    if cause.contains(&remedy) || cause.contains("openclaw ") {
        // The provider's own text names a command already: one is enough.
        return format!("{model} could not answer: {cause}.");
    }
    format!("{model} could not answer: {cause}. {remedy}")
}

/// A turn that took longer than it may.
pub(crate) fn deadline(model: Option<&ModelRef>, after: Duration) -> String {
    let who = model.map_or_else(|| "The model".to_owned(), ToString::to_string);
    format!(
        "{who} did not finish within {} s, so I stopped it. Ask again, or allow more time: \
         openclaw config set agents.defaults.timeoutSeconds {}",
        after.as_secs(),
        after.as_secs().saturating_mul(2).max(60),
    )
}

/// A model that nobody may be asked for.
pub(crate) fn no_account(model: &ModelRef) -> String {
    format!(
        "{model} could not answer: no account may be used for it. See which there are: openclaw \
         models auth order get --provider {}",
        model.provider
    )
}

/// An agent that is not configured.
pub(crate) fn no_agent(agent: &str) -> String {
    format!(
        "There is no usable agent \"{agent}\". See what is wrong with it: openclaw config validate"
    )
}

/// A workspace that can't be made.
pub(crate) fn no_workspace(path: &str, error: &std::io::Error) -> String {
    format!(
        "The workspace {path} can't be made: {error}. Choose another: openclaw config set \
         agents.defaults.workspace PATH"
    )
}

/// A call that somebody ended from outside.
pub(crate) fn call_ended(model: &ModelRef, how: &str) -> String {
    format!("The call of {model} was ended ({how}). Ask again.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_names_model_cause_and_one_command() {
        let model = ModelRef::new("anthropic", "m");
        let text = model_error(
            &model,
            &ModelError::new(ModelErrorKind::Auth, "the key was refused (401)."),
        );
        assert!(text.starts_with("anthropic/m could not answer: the key was refused (401). "));
        assert!(text.contains("openclaw models status"));
        let text = model_error(
            &model,
            &ModelError::new(ModelErrorKind::Auth, "no key: run openclaw models status"),
        );
        assert_eq!(text.matches("openclaw ").count(), 1);
    }
}
