//! Changes of a session's entry.

use serde_json::json;

use super::*;

/// Longest label.
const LABEL_CHARS: usize = 512;

/// Fields that may be set, with what they take; nothing listed = any text.
const FIELDS: [(&str, &[&str]); 13] = [
    ("label", &[]),
    (
        "thinkingLevel",
        &[
            "off", "minimal", "low", "medium", "high", "xhigh", "adaptive", "max",
        ],
    ),
    ("verboseLevel", &["on", "off", "full"]),
    ("reasoningLevel", &["on", "off", "stream"]),
    ("responseUsage", &["off", "tokens", "full", "on"]),
    ("elevatedLevel", &["off", "on", "ask", "full"]),
    ("execHost", &["sandbox", "gateway", "node"]),
    ("execSecurity", &["deny", "allowlist", "full"]),
    ("execAsk", &["off", "on-miss", "always"]),
    ("execNode", &[]),
    ("spawnedBy", &[]),
    ("sendPolicy", &["allow", "deny"]),
    ("groupActivation", &["mention", "always"]),
];

impl Sessions {
    /// Sets fields of a session's entry; null clears one. `model` sets the session's own model.
    pub async fn patch(
        &self,
        key: &SessionKey,
        fields: &Map<String, Value>,
    ) -> Result<Entry, SessionError> {
        let current = self.entry(key).await?;
        let mut patch = Entry::new();
        for (name, value) in fields {
            match name.as_str() {
                "key" => {}
                "model" => self.set_model(key, value, &mut patch)?,
                name => {
                    let value = checked(name, value)?;
                    if name == "label"
                        && let Some(label) = value.as_str()
                    {
                        self.check_label(key, label)?;
                    }
                    patch.insert(name.to_owned(), value);
                }
            }
        }
        patch.insert("updatedAt".to_owned(), json!(now_ms()));
        if current.is_none() {
            // A key that was never spoken to gets its session now.
            let fresh = conversation::Conversation::begin(None);
            let opening = fresh.opening(key, &self.deps.folders, now_ms());
            for (name, value) in opening {
                patch.entry(name).or_insert(value);
            }
        }
        self.deps
            .ledger
            .patch_session_entry(key, Value::Object(patch))
            .await?;
        files::touch(&self.deps, key);
        Ok(conversation::entry_of(&self.deps.ledger, key).unwrap_or_default())
    }

    /// The model that answers in a session, as `provider` and `model`.
    pub fn resolved_model(&self, key: &SessionKey, entry: &Entry) -> Option<(String, String)> {
        let agent = self.deps.agent(&key.agent())?;
        let wanted = entry::model_override(entry);
        let chosen = self.deps.models.choose(&agent, wanted.as_deref()).ok()?;
        Some((chosen.model.provider, chosen.model.model))
    }

    fn set_model(
        &self,
        key: &SessionKey,
        value: &Value,
        patch: &mut Entry,
    ) -> Result<(), SessionError> {
        let mut set = |provider: Value, model: Value| {
            patch.insert("providerOverride".to_owned(), provider);
            patch.insert("modelOverride".to_owned(), model);
        };
        let Some(name) = value.as_str() else {
            if value.is_null() {
                set(Value::Null, Value::Null);
                return Ok(());
            }
            return Err(SessionError::Invalid("model is a text or null".to_owned()));
        };
        let Some(agent) = self.deps.agent(&key.agent()) else {
            return Err(SessionError::Invalid(crate::notice::no_agent(
                key.agent_str(),
            )));
        };
        let chosen = self
            .deps
            .models
            .choose(&agent, Some(name))
            .map_err(|error| SessionError::Invalid(error.message))?;
        set(json!(chosen.model.provider), json!(chosen.model.model));
        Ok(())
    }

    fn check_label(&self, key: &SessionKey, label: &str) -> Result<(), SessionError> {
        if label.chars().count() > LABEL_CHARS {
            return Err(SessionError::Invalid(format!(
                "a label has at most {LABEL_CHARS} characters"
            )));
        }
        let taken = self
            .deps
            .ledger
            .session_entries(key.agent_str())
            .into_iter()
            .any(|(other, entry)| {
                other != *key && entry.get("label").and_then(Value::as_str) == Some(label)
            });
        if taken {
            return Err(SessionError::Invalid(format!(
                "label already in use: {label}"
            )));
        }
        Ok(())
    }
}

fn checked(name: &str, value: &Value) -> Result<Value, SessionError> {
    let Some((_, allowed)) = FIELDS.iter().find(|(field, _)| *field == name) else {
        let names: Vec<&str> = FIELDS.iter().map(|(field, _)| *field).collect();
        return Err(SessionError::Invalid(format!(
            "unknown field \"{name}\"; a patch takes model, {}",
            names.join(", ")
        )));
    };
    match value {
        Value::Null => Ok(Value::Null),
        Value::String(text) if text.trim().is_empty() => Ok(Value::Null),
        Value::String(text) if allowed.is_empty() => Ok(json!(text.trim())),
        Value::String(text) => {
            let text = text.trim().to_lowercase();
            if allowed.contains(&text.as_str()) {
                Ok(json!(text))
            } else {
                Err(SessionError::Invalid(format!(
                    "{name} takes {}",
                    allowed.join(", ")
                )))
            }
        }
        _ => Err(SessionError::Invalid(format!("{name} is a text or null"))),
    }
}
