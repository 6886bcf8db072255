//! What the tests of the wires share.
#![allow(dead_code, unreachable_pub)] // each test program uses its part
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use openclaw_protocol::Message;
use openclaw_protocol::ModelRef;
use openclaw_protocol::ToolSpec;
use openclaw_provider::Access;
use openclaw_provider::Deadlines;
use openclaw_provider::Endpoint;
use openclaw_provider::ModelError;
use openclaw_provider::ModelEvent;
use openclaw_provider::ModelRequest;
use openclaw_provider::cooldown::Rests;
use openclaw_provider::endpoint::ModelInfo;
use openclaw_provider::endpoint::Quirks;
use openclaw_provider::endpoint::Wire;
use openclaw_support::model::FakeModel;
use openclaw_support::model::KEY;
use serde_json::json;

pub const WIRES: [Wire; 7] = [
    Wire::OpenaiCompletions,
    Wire::OpenaiResponses,
    Wire::OpenaiCodexResponses,
    Wire::AnthropicMessages,
    Wire::GoogleGenerativeAi,
    Wire::Ollama,
    Wire::BedrockConverseStream,
];

pub fn endpoint(wire: Wire, url: &str) -> Endpoint {
    let plain = Endpoint {
        provider: "fake".into(),
        base_url: wire.base_url(url),
        access: Access::key(KEY),
        accounts: Vec::new(),
        ordered: false,
        rests: Rests::default(),
        bearer: false,
        headers: BTreeMap::new(),
        deadlines: Deadlines::REMOTE,
        concurrency: 8,
        quirks: Quirks::default(),
        wire,
        models: Vec::new(),
    };
    let info = ModelInfo {
        reasoning: true,
        max_tokens: Some(4096),
        ..plain.model(&reference())
    };
    Endpoint {
        models: vec![info],
        ..plain
    }
}

pub fn reference() -> ModelRef {
    ModelRef::new("fake", "fake-1")
}

pub fn request(messages: Vec<Message>) -> ModelRequest {
    ModelRequest {
        model: reference(),
        system: "You are terse.".into(),
        messages: messages.into_iter().map(Arc::new).collect(),
        tools: [ToolSpec {
            name: "look".into(),
            description: "Looks.".into(),
            parameters: json!({ "type": "object", "properties": { "at": { "type": "string" } } }),
        }]
        .into(),
        max_tokens: None,
        session: "agent:main:main".parse().unwrap(),
        params: json!({}),
    }
}

pub async fn call(
    endpoint: Endpoint,
    request: ModelRequest,
) -> Vec<Result<ModelEvent, ModelError>> {
    let model = openclaw_provider::client(Arc::new(endpoint), &reference());
    model.stream(request).collect().await
}

pub async fn ask(wire: Wire, fake: &FakeModel) -> Vec<Result<ModelEvent, ModelError>> {
    let hello = vec![Message::user("hello", 1)];
    call(endpoint(wire, &fake.base_url()), request(hello)).await
}

pub async fn failure(wire: Wire, fake: &FakeModel) -> ModelError {
    ask(wire, fake).await.pop().unwrap().unwrap_err()
}

pub fn texts(events: &[Result<ModelEvent, ModelError>]) -> Vec<&str> {
    let text = |event| match event {
        &Ok(ModelEvent::Text(ref text)) => Some(text.as_str()),
        _ => None,
    };
    events.iter().filter_map(text).collect()
}

/// Writes a request to the file that `OPENCLAW_WIRE_DUMP` names, one JSON object a line, where
/// `tests/support/vendor-specs.py` holds it against what the vendors publish.
pub fn dump(wire: Wire, body: &serde_json::Value) {
    use std::io::Write;
    let Ok(path) = std::env::var("OPENCLAW_WIRE_DUMP") else {
        return;
    };
    let mut file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    let line = json!({ "wire": wire.as_str(), "body": body }).to_string() + "\n";
    file.write_all(line.as_bytes()).unwrap();
}
