//! The answers to `/model` and `/think`, and what they change of the session.

use openclaw_protocol::config::ResolvedAgent;
use serde_json::Value;
use serde_json::json;

use crate::entry;
use crate::entry::Entry;
use crate::models::Models;

/// Models that are named before "and so on".
const NAMED: usize = 40;
/// Says that a choice is taken back.
const USUAL: &str = "default";
pub(crate) const LEVELS: [&str; 6] = ["off", "minimal", "low", "medium", "high", "xhigh"];

/// The model of a session: said, or chosen.
pub(crate) fn model(
    models: &dyn Models,
    agent: &ResolvedAgent,
    stored: Option<&Entry>,
    name: Option<&str>,
) -> (String, Entry) {
    let wanted = stored.and_then(entry::model_override);
    let Some(name) = name.filter(|name| !matches!(*name, "list" | "status")) else {
        return (listed(models, agent, wanted.as_deref()), Entry::new());
    };
    let mut patch = Entry::new();
    let mut set = |provider: Value, model: Value| {
        patch.insert("providerOverride".to_owned(), provider);
        patch.insert("modelOverride".to_owned(), model);
    };
    if name == USUAL {
        set(Value::Null, Value::Null);
        let text = match models.choose(agent, None) {
            Ok(chosen) => format!("{} answers from now on, as usual.", chosen.model),
            Err(error) => error.message,
        };
        return (text, patch);
    }
    match models.choose(agent, Some(name)) {
        Ok(chosen) => {
            let account = chosen.account.as_deref();
            let with = account.map_or_else(String::new, |account| format!("@{account}"));
            set(
                json!(chosen.model.provider),
                json!(format!("{}{with}", chosen.model.model)),
            );
            let text = format!(
                "{}{with} answers in this session from now on. Back to the usual one: /model default",
                chosen.model
            );
            (text, patch)
        }
        Err(error) => (error.message, Entry::new()),
    }
}

fn listed(models: &dyn Models, agent: &ResolvedAgent, wanted: Option<&str>) -> String {
    let mut lines = Vec::new();
    match models.choose(agent, wanted) {
        Ok(chosen) => {
            let why = match wanted {
                Some(_) => "chosen for this session",
                None => "as configured",
            };
            lines.push(format!("Model: {} ({why})", chosen.model));
            if !chosen.fallbacks.is_empty() {
                let names: Vec<String> = chosen
                    .fallbacks
                    .iter()
                    .map(|next| next.model.to_string())
                    .collect();
                lines.push(format!("Stand in for it: {}", names.join(", ")));
            }
        }
        Err(error) => lines.push(error.message),
    }
    let names = models.names();
    if !names.is_empty() {
        lines.push("There are:".to_owned());
        lines.extend(names.iter().take(NAMED).map(|name| format!("- {name}")));
        if names.len() > NAMED {
            lines.push(format!(
                "and {} more: openclaw models list",
                names.len() - NAMED
            ));
        }
    }
    lines.push("Choose one: /model provider/name".to_owned());
    lines.join("\n")
}

/// How much the model of a session thinks: said, or chosen.
pub(crate) fn think(
    stored: Option<&Entry>,
    usual: Option<&str>,
    level: Option<&str>,
) -> (String, Entry) {
    let Some(level) = level else {
        let own = stored.and_then(|entry| entry::text(entry, "thinkingLevel"));
        let level = own.or(usual).unwrap_or("as the model is set");
        return (
            format!("Thinking: {level}. Choose: {}", LEVELS.join(", ")),
            Entry::new(),
        );
    };
    let level = level.to_lowercase();
    let value = match level.as_str() {
        USUAL => Value::Null,
        known if LEVELS.contains(&known) => json!(known),
        _ => {
            let text = format!(
                "There is no level {level}; there are: {}",
                LEVELS.join(", ")
            );
            return (text, Entry::new());
        }
    };
    let patch = Entry::from_iter([("thinkingLevel".to_owned(), value)]);
    (format!("Thinking: {level}, from now on."), patch)
}
