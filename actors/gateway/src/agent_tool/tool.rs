//! The one form of these tools.

use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use openclaw_protocol::ToolSpec;
use openclaw_runtime::BoxFuture;
use openclaw_tool::Arguments;
use openclaw_tool::Tool;
use openclaw_tool::ToolCall;
use openclaw_tool::ToolOutcome;
use serde_json::Value;

use super::Door;
use super::ask::Ask;

/// What a tool does with a call.
pub(super) type Act = fn(Ask) -> BoxFuture<'static, Result<Value, String>>;

/// A tool that asks the house.
pub(super) struct HouseTool {
    pub(super) spec: ToolSpec,
    pub(super) door: Door,
    pub(super) is_idempotent: bool,
    pub(super) deadline: Duration,
    pub(super) act: Act,
}

impl Tool for HouseTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn idempotent(&self) -> bool {
        self.is_idempotent
    }

    fn deadline(&self) -> Duration {
        self.deadline
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        let (services, act) = (self.door.services(), self.act);
        Box::pin(async move {
            let Some(services) = services else {
                return ToolOutcome::error("the gateway is not up yet; try again in a moment");
            };
            let arguments = match Arguments::new(&call.name, call.arguments) {
                Ok(arguments) => arguments,
                Err(outcome) => return outcome,
            };
            let name = call.name;
            let held = Arc::<OnceLock<String>>::default();
            let ask = Ask {
                services,
                arguments,
                session: call.session,
                caller: call.caller,
                key: call.key,
                outside: call.outside,
                held: Arc::clone(&held),
            };
            match act(ask).await {
                Err(_) if held.get().is_some() => {
                    ToolOutcome::held(held.get().cloned().unwrap_or_default())
                }
                Ok(Value::String(text)) => ToolOutcome::text(text),
                Ok(value) => ToolOutcome::json(&value),
                Err(why) => ToolOutcome::error(format!("{name}: {why}")),
            }
        })
    }
}

impl fmt::Debug for HouseTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HouseTool")
            .field("name", &self.spec.name)
            .finish_non_exhaustive()
    }
}
