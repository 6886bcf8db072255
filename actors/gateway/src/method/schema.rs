//! `config.schema` and `config.schema.lookup`: which keys a configuration has, and what they take.

use jiff::Timestamp;
use openclaw_protocol::ErrorShape;
use openclaw_protocol::config::schema;
use serde_json::json;

use super::Call;
use super::Outcome;

pub(super) fn schema(call: Call) -> Outcome {
    Outcome::later(async move {
        Ok(json!({
            "schema": schema::whole(),
            "uiHints": schema::hints(),
            "version": call.services.version,
            "generatedAt": Timestamp::now().to_string(),
        }))
    })
}

pub(super) fn lookup(call: Call) -> Outcome {
    let path = call.text("path").unwrap_or_default();
    let found = schema::lookup(path);
    Outcome::now(
        found.ok_or_else(|| ErrorShape::invalid(format!("config schema path not found: {path}"))),
    )
}
