//! One call of a tool, and what it asks of the gateway.

use std::sync::Arc;
use std::sync::OnceLock;

use openclaw_protocol::Config;
use openclaw_protocol::SessionKey;
use openclaw_tool::Arguments;
use openclaw_tool::Caller;
use openclaw_tool::policy::Outside;
use serde_json::Value;

use super::principal::About;
use super::principal::principal;
use crate::method;
use crate::method::Call;
use crate::services::Services;

/// One call of a tool.
pub(super) struct Ask {
    pub(super) services: Arc<Services>,
    /// What the model wrote.
    pub(super) arguments: Arguments,
    pub(super) session: SessionKey,
    pub(super) caller: Caller,
    /// Names the call for ever: a repeat has the same.
    pub(super) key: String,
    /// Words from outside that the conversation holds.
    pub(super) outside: Option<Outside>,
    /// Why nothing was done, if it needs a person's yes first.
    pub(super) held: Arc<OnceLock<String>>,
}

impl Ask {
    /// Asks a method as who the turn acts for.
    pub(super) async fn house(&self, method: &str, params: Value) -> Result<Value, String> {
        self.ask(About::House, method, params).await
    }

    /// Asks a method; what it is about decides on the rights.
    pub(super) async fn ask(
        &self,
        about: About,
        method: &str,
        params: Value,
    ) -> Result<Value, String> {
        let call = Call {
            principal: Arc::new(principal(&self.caller, about)),
            services: Arc::clone(&self.services),
            params,
            traceparent: None,
            early: Arc::new(|_| {}),
        };
        let answer = method::dispatch(method, call).answer().await;
        let answer = answer.ok_or("it did not end in time")?;
        answer.map_err(|refused| refused.error.message)
    }

    /// Stops here unless a person said yes, where words from outside could have asked for it.
    pub(super) fn hold(&self, why: impl Into<String>) -> Result<(), String> {
        let is_held = (self.outside.as_ref()).is_some_and(|outside| !outside.is_allowed);
        match is_held {
            true => Err(self.held.get_or_init(|| why.into()).clone()),
            false => Ok(()),
        }
    }

    pub(super) fn config(&self) -> Arc<Config> {
        self.services.configuration()
    }

    /// A text that has to be there.
    pub(super) fn required(&self, name: &str) -> Result<String, String> {
        let text = self.arguments.text(name);
        text.ok_or_else(|| format!("\"{name}\" is missing"))
    }

    /// What is to be done.
    pub(super) fn action(&self) -> Result<String, String> {
        self.required("action")
    }
}

/// What a model is told that asks for something that isn't there.
pub(super) fn unknown_action(action: &str, there: &str) -> String {
    format!("there is no action \"{action}\"; there are: {there}")
}
