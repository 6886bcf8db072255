//! Reads what a model wrote as arguments: small models write numbers as text and leave things out.

use openclaw_protocol::ToolSpec;
use serde_json::Value;
use serde_json::json;

use crate::ToolOutcome;

/// The arguments of one call.
#[derive(Debug)]
pub struct Arguments(Value);

impl Arguments {
    /// Takes an object; text that isn't one tells the model what is wrong.
    pub fn new(tool: &str, arguments: Value) -> Result<Self, ToolOutcome> {
        match arguments {
            Value::Object(_) => Ok(Self(arguments)),
            Value::Null => Ok(Self(json!({}))),
            _ => Err(ToolOutcome::error(format!(
                "the arguments of {tool} are not a JSON object; call it again with one"
            ))),
        }
    }

    /// A text; none if it is missing or blank.
    pub fn text(&self, name: &str) -> Option<String> {
        let text = match self.0.get(name)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    /// Whatever stands there.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A list of texts; one text alone is a list too.
    pub fn texts(&self, name: &str) -> Vec<String> {
        match self.0.get(name) {
            Some(Value::Array(items)) => {
                let texts = items.iter().filter_map(Value::as_str);
                texts.map(str::to_owned).collect()
            }
            _ => self.text(name).into_iter().collect(),
        }
    }

    /// A text exactly as it was written, under the first of these names that it has.
    pub(crate) fn exact(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.0.get(name)?.as_str())
    }

    /// Whether something is so, under the first of these names that it has.
    pub(crate) fn flag(&self, names: &[&str]) -> bool {
        match names.iter().find_map(|name| self.0.get(name)) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => text.trim().eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    /// What was written under a name.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A count, between bounds.
    pub fn count(&self, name: &str, usual: usize, most: usize) -> usize {
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
pub fn spec(name: &str, description: &str, properties: Value, required: &[&str]) -> ToolSpec {
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
