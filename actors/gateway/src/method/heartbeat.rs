//! `last-heartbeat` and `set-heartbeats`. No heartbeat beats yet: what is asked is told so.

use openclaw_protocol::ErrorShape;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;

pub(super) fn last(_call: Call) -> Outcome {
    Outcome::now(Ok(Value::Null))
}

pub(super) fn set(call: Call) -> Outcome {
    Outcome::now(match call.flag("enabled") {
        Some(true) => Err(ErrorShape::unavailable(
            "this gateway has no heartbeats yet",
        )),
        _ => Ok(json!({ "ok": true, "enabled": false })),
    })
}
