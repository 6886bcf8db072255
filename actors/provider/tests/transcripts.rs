//! Whatever a transcript holds, each prefix of it makes a request that the vendors accept.

mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use openclaw_protocol::Message;
use openclaw_protocol::ModelRef;
use openclaw_protocol::Tools;
use openclaw_protocol::config::models::ModelCost;
use openclaw_provider::ModelRequest;
use openclaw_provider::endpoint::ModelInfo;
use openclaw_provider::endpoint::Quirks;
use openclaw_provider::endpoint::Wire;
use openclaw_support::model::FakeModel;
use openclaw_support::model::check;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use crate::wire::WIRES;
use crate::wire::call;
use crate::wire::endpoint;
use crate::wire::request;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just(" \n".to_owned()),
        "[ -~]{1,20}",
        Just("é ☾ \u{0}".to_owned()),
    ]
}

/// Few ids, so that they come twice, without result, and with results out of place.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("call_0".to_owned()),
        Just("call_1".to_owned()),
        Just("toolu_01ABC".to_owned()),
        Just("fc_123|call.with:odd/letters".to_owned()),
        Just("x".repeat(60)),
        Just(String::new()),
    ]
}

fn picture() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({ "type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png" })),
        Just(json!({ "type": "image", "data": "aGk=", "mimeType": "image/tiff" })),
        Just(json!({ "type": "image", "data": "", "mimeType": "image/png" })),
    ]
}

fn arguments() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({ "a": 1 })),
        Just(json!("{\"a\":1}")),
        Just(json!("{\"a\":")),
        Just(Value::Null),
        Just(json!([1])),
    ]
}

fn said() -> impl Strategy<Value = Value> {
    let thinking = (text(), proptest::option::of("[a-z]{0,4}"));
    let call = (id(), "[a-z./ ]{0,9}", arguments());
    prop_oneof![
        text().prop_map(|text| json!({ "type": "text", "text": text })),
        thinking.prop_map(|(text, signature)| match signature {
            None => json!({ "type": "thinking", "thinking": text }),
            Some(signature) => {
                let signature = match signature.len() {
                    4 => json!({ "type": "reasoning", "id": "rs", "summary": [],
                        "encrypted_content": signature })
                    .to_string(),
                    _ => signature,
                };
                json!({ "type": "thinking", "thinking": text, "thinkingSignature": signature })
            }
        }),
        call.prop_map(|(id, name, arguments)| {
            json!({ "type": "toolCall", "id": id, "name": name, "arguments": arguments })
        }),
        Just(json!({ "type": "something", "else": 1 })),
    ]
}

fn shown() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(|text| json!({ "type": "text", "text": text })),
        picture()
    ]
}

fn message() -> impl Strategy<Value = Value> {
    let stop = prop_oneof![
        Just("stop"),
        Just("toolUse"),
        Just("aborted"),
        Just("error"),
        Just("odd")
    ];
    let api = prop_oneof![
        Just("anthropic-messages"),
        Just("openai-completions"),
        Just("openai-responses"),
        Just("google-generative-ai"),
        Just("bedrock-converse-stream"),
    ];
    prop_oneof![
        3 => prop::collection::vec(shown(), 0..3)
            .prop_map(|content| json!({ "role": "user", "content": content, "timestamp": 1 })),
        1 => text().prop_map(|text| json!({ "role": "user", "content": text })),
        4 => (prop::collection::vec(said(), 0..4), stop, api).prop_map(|(content, stop, api)| {
            json!({ "role": "assistant", "content": content, "stopReason": stop, "api": api })
        }),
        4 => (id(), prop::collection::vec(shown(), 0..3), any::<bool>())
            .prop_map(|(id, content, failed)| json!({
                "role": "toolResult", "toolCallId": id, "toolName": "f", "content": content,
                "isError": failed,
            })),
        1 => text().prop_map(|text| json!({ "role": "compactionSummary", "summary": text })),
        1 => Just(json!({ "role": "custom", "content": [{ "type": "text", "text": "note" }] })),
    ]
}

fn info(wire: Wire, images: bool, nine: bool) -> ModelInfo {
    ModelInfo {
        reference: ModelRef::new("p", "claude-gemini-3"),
        name: "m".into(),
        wire,
        context_window: None,
        max_tokens: None,
        reasoning: true,
        images,
        cost: ModelCost::default(),
        headers: BTreeMap::new(),
        quirks: Quirks {
            nine_character_ids: nine,
            ..Quirks::default()
        },
    }
}

type Encode = fn(&ModelRequest, &ModelInfo) -> String;
type Check = fn(&Value) -> Result<(), String>;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_prefix_of_every_transcript_is_a_valid_request(
        transcript in prop::collection::vec(message(), 0..12),
        images: bool,
        nine: bool,
        thinking in prop_oneof![Just("off"), Just("high")],
        system in text(),
    ) {
        let transcript: Vec<Message> =
            serde_json::from_value(Value::Array(transcript)).expect("a transcript");
        for length in 0..=transcript.len() {
            let request = ModelRequest {
                model: ModelRef::new("p", "claude-gemini-3"),
                system: system.as_str().into(),
                messages: transcript[..length].iter().cloned().map(Arc::new).collect(),
                tools: Tools::default(),
                max_tokens: None,
                session: "agent:main:main".parse().expect("a key"),
                params: json!({ "thinking": thinking }),
            };
            let all: [(Wire, Encode, Check); 6] = [
                (Wire::OpenaiCompletions, openclaw_provider::openai::body, check::openai),
                (Wire::OpenaiResponses, openclaw_provider::responses::body, check::responses),
                (Wire::AnthropicMessages, openclaw_provider::anthropic::body, check::anthropic),
                (Wire::GoogleGenerativeAi, openclaw_provider::google::body, check::google),
                (Wire::Ollama, openclaw_provider::ollama::body, check::ollama),
                (Wire::BedrockConverseStream, openclaw_provider::bedrock::body, check::bedrock),
            ];
            for (wire, encode, check) in all {
                let body = encode(&request, &info(wire, images, nine));
                let body: Value = serde_json::from_str(&body).expect("JSON");
                if length == transcript.len() {
                    wire::dump(wire, &body);
                }
                prop_assert_eq!(check(&body), Ok(()), "{}: {:#}", wire.as_str(), body);
            }
        }
    }
}

#[tokio::test]
async fn a_picture_that_is_too_wide_goes_out_smaller_and_the_same_each_time() {
    use std::io::Write;
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&vec![0; 4001 * 8]).unwrap();
    let packed = packed.finish().unwrap();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let header = [0, 0, 0x0f, 0xa0, 0, 0, 0, 8, 8, 0, 0, 0, 0];
    for (kind, data) in [
        (b"IHDR", &header[..]),
        (b"IDAT", &packed[..]),
        (b"IEND", &[]),
    ] {
        png.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        png.extend_from_slice(kind);
        png.extend_from_slice(data);
        png.extend([0; 4]);
    }
    let png = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, png);
    let transcript = json!([{ "role": "user", "content": [
        { "type": "text", "text": "what is this?" },
        { "type": "image", "data": png, "mimeType": "image/png" } ] }]);
    for wire in WIRES {
        let fake = FakeModel::start().await;
        let mut bodies = Vec::new();
        for _ in 0..2 {
            let request = request(serde_json::from_value(transcript.clone()).unwrap());
            let events = call(endpoint(wire, &fake.base_url()), request).await;
            assert!(events.last().unwrap().is_ok(), "{:?}", fake.refusals());
            bodies.push(fake.requests().pop().unwrap().body.to_string());
        }
        assert_eq!(bodies[0], bodies[1], "{wire:?}");
        // How JPEG begins, and how it does not.
        assert!(
            bodies[0].contains("/9j/") && !bodies[0].contains("iVBOR"),
            "{wire:?}"
        );
    }
}
