//! `messages.trace`: where a message stands and how it came there.

use openclaw_ledger::Trace;
use openclaw_protocol::ErrorShape;
use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use super::run;

pub(super) fn trace(call: Call) -> Outcome {
    Outcome::later(async move {
        let id = call.text("id").unwrap_or_default().to_owned();
        let ledger = call.services.ledger.clone();
        let asked = id.clone();
        // The search reads every row that is kept.
        let looking = tokio::task::spawn_blocking(move || ledger.trace(&asked));
        let trace: Trace = looking.await.map_err(run::invalid)?;
        if trace.is_empty() {
            let message = format!(
                "no message has the id \"{id}\": give a row (telegram/home#7), a run, an idempotency key, or the platform's id"
            );
            return Err(ErrorShape::invalid(message).with(json!({ "code": "NOT_FOUND" })));
        }
        shown(&trace)
    })
}

pub(super) fn shown(trace: &Trace) -> Result<Value, ErrorShape> {
    serde_json::to_value(trace).map_err(run::invalid)
}
