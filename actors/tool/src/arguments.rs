//! Reads what a model wrote as arguments: small models write numbers as text and leave things out.

use openclaw_protocol::ToolSpec;
use serde_json::Value;
use serde_json::json;

use crate::ToolOutcome;

/// The arguments of one call.
pub(crate) struct Arguments(Value);

impl Arguments {
    /// Takes an object; text that isn't one tells the model what is wrong.
    pub(crate) fn new(tool: &str, arguments: Value) -> Result<Self, ToolOutcome> {
        match arguments {
            Value::Object(_) => Ok(Self(arguments)),
            Value::Null => Ok(Self(json!({}))),
            _ => Err(ToolOutcome::error(format!(
                "the arguments of {tool} are not a JSON object; call it again with one"
            ))),
        }
    }

    /// A text; none if it is missing or blank.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let text = match self.0.get(name)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    /// A count, between bounds.
    pub(crate) fn count(&self, name: &str, usual: usize, most: usize) -> usize {
        let number = match self.0.get(name) {
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            _ => None,
        };
        number
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(usual)
            .clamp(1, most)
    }
}

/// Describes a tool.
pub(crate) fn spec(
    name: &str,
    description: &str,
    properties: Value,
    required: &[&str],
) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters: json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        }),
    }
}
