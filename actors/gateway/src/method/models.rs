//! `models.list`.

use serde_json::Value;
use serde_json::json;

use super::Call;
use super::Outcome;
use crate::services::Services;

pub(super) fn list(call: Call) -> Outcome {
    let catalogue = (call.services.catalogue)();
    let provider = call.text("provider");
    let is_wanted = |model: &Value| {
        let of = model.get("provider").and_then(Value::as_str);
        provider.is_none_or(|provider| of == Some(provider))
    };
    let models: Vec<Value> = catalogue.list().into_iter().filter(is_wanted).collect();
    let choice = catalogue.choice();
    Outcome::now(Ok(json!({
        "models": models,
        "default": {
            "model": choice.model,
            "fallbacks": choice.fallbacks,
            "reason": choice.reason,
            "problem": choice.problem,
        },
    })))
}

/// Which providers have what they need to be asked.
pub(super) fn auth_status(call: Call) -> Outcome {
    let catalogue = (call.services.catalogue)();
    let providers: std::collections::BTreeSet<String> = catalogue
        .usable()
        .map(|entry| entry.endpoint.provider.to_string())
        .collect();
    let providers: Vec<Value> = providers
        .iter()
        .map(|provider| json!({ "provider": provider, "status": "ok" }))
        .collect();
    Outcome::now(Ok(json!({
        "ts": crate::services::now_ms(), "providers": providers, "providerCapabilities": [],
    })))
}

/// The model that answers when a session has no other.
pub(super) fn defaults(services: &Services) -> Value {
    let catalogue = (services.catalogue)();
    let model = &catalogue.choice().model;
    let window = catalogue.info(model).and_then(|info| info.context_window);
    json!({ "modelProvider": model.provider, "model": model.model, "contextTokens": window })
}
