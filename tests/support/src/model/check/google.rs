//! Google's Gemini.

use serde_json::Value;

use super::Check;
use super::base64;
use super::known;
use super::schema;

const FIELDS: &[&str] = &[
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "safetySettings",
    "cachedContent",
];
const CONFIG: &[&str] = &[
    "maxOutputTokens",
    "temperature",
    "topP",
    "topK",
    "stopSequences",
    "thinkingConfig",
    "candidateCount",
    "responseMimeType",
];

/// Checks a request's body.
pub fn google(body: &Value) -> Check {
    let fields = body.as_object().ok_or("the body is not a JSON object")?;
    known(fields, "", FIELDS)?;
    if let Some(config) = body["generationConfig"].as_object() {
        known(config, "generation_config.", CONFIG)?;
    }
    for tool in body["tools"].as_array().into_iter().flatten() {
        for function in tool["functionDeclarations"]
            .as_array()
            .into_iter()
            .flatten()
        {
            name(&function["name"])?;
            schema(&function["parametersJsonSchema"], "function_declarations")?;
        }
    }
    let contents = body["contents"].as_array().filter(|list| !list.is_empty());
    let contents = contents.ok_or("contents is not specified")?;
    let mut waiting: Vec<&str> = Vec::new();
    let mut before = "model";
    for (at, content) in contents.iter().enumerate() {
        let role = content["role"].as_str().unwrap_or_default();
        if !matches!(role, "user" | "model") {
            return Err("please use a valid role: user, model".into());
        }
        if role == "model" && before == "model" {
            return Err(format!("contents[{at}]: the model's turn follows a user's"));
        }
        before = role;
        let parts = content["parts"]
            .as_array()
            .filter(|parts| !parts.is_empty());
        let parts = parts.ok_or(format!("contents[{at}].parts: must not be empty"))?;
        let mut answered: Vec<&str> = Vec::new();
        let mut called: Vec<&str> = Vec::new();
        for part in parts {
            match part_of(part, role)? {
                Some(Either::Call(name)) => called.push(name),
                Some(Either::Answer(name)) => answered.push(name),
                None => {}
            }
        }
        if answered != waiting {
            return Err(
                "please ensure that the number of function response parts is equal to the number of function call parts of the function call turn".into(),
            );
        }
        waiting = called;
    }
    match (before, waiting.is_empty()) {
        ("user", true) => Ok(()),
        _ => Err("the last turn must be a user's".into()),
    }
}

enum Either<'v> {
    Call(&'v str),
    Answer(&'v str),
}

fn part_of<'v>(part: &'v Value, role: &str) -> Result<Option<Either<'v>>, String> {
    let fields = part.as_object().ok_or("a part is an object")?;
    let known_parts = ["text", "inlineData", "functionCall", "functionResponse"];
    let data: Vec<&String> = fields
        .keys()
        .filter(|name| known_parts.contains(&name.as_str()))
        .collect();
    let [kind] = data.as_slice() else {
        return Err("contents.parts: required oneof field 'data' must have one field".into());
    };
    match (kind.as_str(), role) {
        ("text", _) => match part["text"]
            .as_str()
            .is_some_and(|text| !text.trim().is_empty())
        {
            true => Ok(None),
            false => Err("contents.parts: text must not be empty".into()),
        },
        ("inlineData", "user") => {
            let data = &part["inlineData"];
            let mime = data["mimeType"].as_str().unwrap_or_default();
            if !mime.starts_with("image/") {
                return Err(format!("unsupported MIME type: {mime}"));
            }
            base64(&data["data"], "inline_data.data").map(|()| None)
        }
        ("functionCall", "model") => {
            let call = &part["functionCall"];
            if !call["args"].is_object() {
                return Err("function_call.args: must be an object".into());
            }
            name(&call["name"]).map(|name| Some(Either::Call(name)))
        }
        ("functionResponse", "user") => {
            let answer = &part["functionResponse"];
            if !answer["response"].is_object() {
                return Err("function_response.response: must be an object".into());
            }
            name(&answer["name"]).map(|name| Some(Either::Answer(name)))
        }
        (kind, role) => Err(format!("{kind} is not for the role {role}")),
    }
}

fn name(name: &Value) -> Result<&str, String> {
    let text = name.as_str().unwrap_or_default();
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    match begins && text.len() <= 64 && text.chars().all(plain) {
        true => Ok(text),
        false => Err(format!(
            "invalid function name {text}: must start with a letter or an underscore"
        )),
    }
}
