//! Texts into vectors, in the words of each vendor: a wrong request is refused.

use serde_json::Value;
use serde_json::json;

use super::Wire;

/// How long the vectors are unless a request says otherwise.
const USUAL: u64 = 8;

/// The words of a vendor.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Listed,
    Google,
    Ollama,
}

impl Shape {
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/v1/embeddings" => Some(Self::Listed),
            "/api/embed" => Some(Self::Ollama),
            _ if path.ends_with(":batchEmbedContents") => Some(Self::Google),
            _ => None,
        }
    }

    pub(super) fn wire(self) -> Wire {
        match self {
            Self::Listed => Wire::Openai,
            Self::Google => Wire::Google,
            Self::Ollama => Wire::Ollama,
        }
    }

    pub(super) fn vectors(self, path: &str, body: &Value) -> Result<Value, String> {
        let fields: &[&str] = match self {
            Self::Listed => &[
                "model",
                "input",
                "encoding_format",
                "dimensions",
                "input_type",
                "output_dimension",
                "user",
            ],
            Self::Google => &["requests"],
            Self::Ollama => &[
                "model",
                "input",
                "truncate",
                "dimensions",
                "options",
                "keep_alive",
            ],
        };
        let sent = body.as_object().ok_or("the body is not an object")?;
        if let Some(name) = sent.keys().find(|name| !fields.contains(&name.as_str())) {
            return Err(format!("unknown field: {name}"));
        }
        if let Self::Google = self {
            return google(path, body);
        }
        body["model"].as_str().ok_or("model is required")?;
        let texts = body["input"].as_array().ok_or("input is required")?;
        let most = if matches!(self, Self::Listed) {
            2048
        } else {
            usize::MAX
        };
        let texts = texts.iter().map(text).collect::<Result<Vec<_>, _>>()?;
        if texts.is_empty() || texts.len() > most {
            return Err(format!("input must hold 1 to {most} texts"));
        }
        let asked = body.get("dimensions").or(body.get("output_dimension"));
        let length = asked.and_then(Value::as_u64).unwrap_or(USUAL);
        let tokens: u64 = texts.iter().map(|text| text.len() as u64).sum();
        let vectors = texts.iter().map(|text| vector(text, length));
        Ok(match self {
            Self::Ollama => {
                json!({ "model": body["model"], "embeddings": vectors.collect::<Vec<_>>(),
                "prompt_eval_count": tokens })
            }
            _ => {
                // In any order: the index says which is which.
                let rows = vectors.enumerate().map(|(at, vector)| {
                    json!({ "object": "embedding", "index": at, "embedding": vector })
                });
                let mut rows: Vec<Value> = rows.collect();
                rows.reverse();
                json!({ "object": "list", "model": body["model"], "data": rows,
                    "usage": { "prompt_tokens": tokens, "total_tokens": tokens } })
            }
        })
    }
}

fn google(path: &str, body: &Value) -> Result<Value, String> {
    let model = path
        .trim_start_matches("/v1beta/")
        .trim_end_matches(":batchEmbedContents");
    let requests = body["requests"].as_array().ok_or("requests is required")?;
    if requests.is_empty() || requests.len() > 100 {
        return Err("at most 100 requests can be in one batch".to_owned());
    }
    let mut rows = Vec::new();
    for one in requests {
        if one["model"] != model {
            return Err(format!("model must be {model}"));
        }
        let text = text(&one["content"]["parts"][0]["text"])?;
        let length = one["outputDimensionality"].as_u64().unwrap_or(USUAL);
        rows.push(json!({ "values": vector(text, length) }));
    }
    Ok(json!({ "embeddings": rows }))
}

fn text(value: &Value) -> Result<&str, String> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| "input cannot be an empty string".to_owned())
}

/// The same text is the same vector, and another one another.
fn vector(text: &str, length: u64) -> Vec<f64> {
    let seed = text.bytes().fold(7_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    (0..length)
        .map(|at| ((seed >> (at % 32)) & 0xff) as f64 / 255.0)
        .collect()
}
