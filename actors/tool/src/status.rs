//! `gateway_status`: what the gateway knows about itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::ToolSpec;
use openclaw_runtime::BoxFuture;
use serde_json::json;

use crate::Facts;
use crate::Tool;
use crate::ToolCall;
use crate::ToolOutcome;
use crate::arguments::Arguments;
use crate::arguments::spec;

/// Tells how the gateway is, or what is set up.
pub struct GatewayStatus {
    spec: ToolSpec,
    facts: Arc<dyn Facts>,
}

impl GatewayStatus {
    /// Asks these facts.
    pub fn new(facts: Arc<dyn Facts>) -> Self {
        Self {
            spec: spec(
                "gateway_status",
                "Tells how this gateway is (uptime, sessions, channels, the model in use) or what is set up on it. Use it when the person asks about the gateway itself.",
                json!({
                    "what": {
                        "type": "string",
                        "enum": ["status", "configured"],
                        "description": "status: how it is now; configured: what is set up",
                    },
                }),
                &[],
            ),
            facts,
        }
    }
}

impl Tool for GatewayStatus {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn idempotent(&self) -> bool {
        true
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        let facts = Arc::clone(&self.facts);
        Box::pin(async move {
            let what = Arguments::new(&call.name, call.arguments)
                .ok()
                .and_then(|arguments| arguments.text("what"));
            match what.as_deref() {
                Some("configured") => ToolOutcome::json(&facts.configured()),
                _ => ToolOutcome::json(&facts.status()),
            }
        })
    }
}

impl fmt::Debug for GatewayStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayStatus").finish_non_exhaustive()
    }
}
