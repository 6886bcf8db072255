//! `update.run` and `update.status`. The program is one file that its package or its owner replaces.

use openclaw_protocol::ErrorShape;
use serde_json::json;

use super::Call;
use super::Outcome;

pub(super) fn run(_call: Call) -> Outcome {
    let message = "this gateway doesn't update itself: replace the program's file and restart it";
    Outcome::now(Err(ErrorShape::unavailable(message)))
}

pub(super) fn status(_call: Call) -> Outcome {
    Outcome::now(Ok(json!({
        "sentinel": null,
        "updateAvailable": null,
        "effectiveChannel": "stable",
        "schedule": { "channel": "stable", "autoEnabled": false },
    })))
}
