//! `wizard.*`. The guided set-up is not built; a client is told what to use instead.

use openclaw_protocol::ErrorShape;
use openclaw_protocol::Protocol;
use serde_json::json;

use super::Call;
use super::Outcome;

pub(super) fn start(_call: Call) -> Outcome {
    let message = "there is no guided set-up yet: set what is needed with config.patch, \
                   or start with `openclaw up`";
    Outcome::now(Err(ErrorShape::unavailable(message)))
}

pub(super) fn unknown(call: Call) -> Outcome {
    let error = ErrorShape::invalid("wizard not found");
    Outcome::now(Err(match call.principal.version {
        Protocol::V3 => error,
        Protocol::V4 => error.with(json!({ "code": "WIZARD_NOT_FOUND" })),
    }))
}
