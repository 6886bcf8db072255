//! Who decides whether a program is started.

use openclaw_runtime::BoxFuture;

use super::Launch;
use crate::ToolCall;

/// Decides on a launch before it happens, and gives back what is started: the same, or wrapped in a sandbox.
pub trait Gate: Send + Sync {
    /// The launch as it will be executed, or why it isn't, for the model to read. It may wait for a person.
    fn check(&self, launch: &Launch, call: &ToolCall)
    -> BoxFuture<'static, Result<Launch, String>>;
}

/// A gate that asks nobody.
impl<F> Gate for F
where
    F: Fn(&Launch) -> Result<(), String> + Send + Sync,
{
    fn check(
        &self,
        launch: &Launch,
        _call: &ToolCall,
    ) -> BoxFuture<'static, Result<Launch, String>> {
        let verdict = self(launch).map(|()| launch.clone());
        Box::pin(std::future::ready(verdict))
    }
}
