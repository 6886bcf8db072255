//! What the vendors refuse.
//!
//! Each check returns the first thing that is wrong, in the vendor's manner. They are plain
//! functions, so that a property test can hold any request against them.

mod anthropic;
mod bedrock;
mod google;
mod ollama;
mod openai;
mod responses;

use serde_json::Map;
use serde_json::Value;

pub use self::anthropic::anthropic;
pub use self::bedrock::bedrock;
pub use self::google::google;
pub use self::ollama::ollama;
pub use self::openai::openai;
pub use self::responses::responses;

#[cfg(test)]
mod tests;

type Check = Result<(), String>;

fn known(object: &Map<String, Value>, place: &str, names: &[&str]) -> Check {
    match object.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(format!("{place}{name}: extra inputs are not permitted")),
        None => Ok(()),
    }
}

fn tool_name(name: &Value, place: &str) -> Check {
    let name = name.as_str().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Err(format!("{place}: should match '^[a-zA-Z0-9_-]{{1,64}}$'"));
    }
    Ok(())
}

fn schema(schema: &Value, place: &str) -> Check {
    if schema["type"] != "object" {
        return Err(format!("{place}: schema must have type \"object\""));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if schema["properties"]
            .get(name.as_str().unwrap_or_default())
            .is_none()
        {
            return Err(format!("{place}: required property {name} is not defined"));
        }
    }
    Ok(())
}

fn base64(data: &Value, place: &str) -> Check {
    use base64::Engine;
    let data = data.as_str().unwrap_or_default();
    let decoded = base64::engine::general_purpose::STANDARD.decode(data);
    match decoded {
        Ok(bytes) if !bytes.is_empty() => Ok(()),
        _ => Err(format!("{place}: invalid base64 data")),
    }
}
