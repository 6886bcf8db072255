use std::collections::BTreeMap;

use bytes::Bytes;
use futures_core::Stream;
use openclaw_protocol::ModelRef;
use openclaw_support::model::Reply;
use openclaw_support::model::Wire as Spoken;
use openclaw_support::model::stream as bytes_of;

use super::*;
use crate::access::Access;
use crate::cooldown::Rests;
use crate::endpoint::Quirks;
use crate::endpoint::Wire;

const WIRES: [(Wire, Spoken, Framing); 6] = [
    (Wire::OpenaiCompletions, Spoken::Openai, Framing::Events),
    (Wire::OpenaiResponses, Spoken::Responses, Framing::Events),
    (Wire::AnthropicMessages, Spoken::Anthropic, Framing::Events),
    (Wire::GoogleGenerativeAi, Spoken::Google, Framing::Events),
    (Wire::Ollama, Spoken::Ollama, Framing::Lines),
    (
        Wire::BedrockConverseStream,
        Spoken::Bedrock,
        Framing::Amazon,
    ),
];

fn endpoint(wire: Wire, deadlines: Deadlines) -> Arc<Endpoint> {
    Arc::new(Endpoint {
        provider: "fake".into(),
        base_url: String::new(),
        access: Access::default(),
        accounts: Vec::new(),
        ordered: false,
        rests: Rests::default(),
        bearer: false,
        headers: BTreeMap::new(),
        deadlines,
        concurrency: 8,
        quirks: Quirks::default(),
        wire,
        models: Vec::new(),
    })
}

/// One byte a second.
fn drip(bytes: Vec<u8>) -> impl Stream<Item = Result<Bytes, ModelError>> + Send + Unpin {
    Box::pin(stream::unfold(bytes.into_iter(), |mut bytes| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok(Bytes::copy_from_slice(&[bytes.next()?])), bytes))
    }))
}

fn follow(wire: Wire, framing: Framing, bytes: Vec<u8>, deadlines: Deadlines) -> ModelStream {
    let endpoint = endpoint(wire, deadlines);
    let info = Arc::new(endpoint.model(&ModelRef::new("fake", "m")));
    let body = guard(drip(bytes), "fake".to_owned(), deadlines, Instant::now());
    let frames = framing.frames(Box::pin(body), "fake".to_owned());
    match wire {
        Wire::OpenaiCompletions => run(
            endpoint,
            info,
            open_at(frames, crate::openai::Decoder::new("fake")),
        ),
        Wire::AnthropicMessages => run(
            endpoint,
            info,
            open_at(frames, crate::anthropic::Decoder::new("fake")),
        ),
        Wire::GoogleGenerativeAi => run(
            endpoint,
            info,
            open_at(frames, crate::google::Decoder::new("fake")),
        ),
        Wire::Ollama => run(
            endpoint,
            info,
            open_at(frames, crate::ollama::Decoder::new("fake")),
        ),
        Wire::BedrockConverseStream => run(
            endpoint,
            info,
            open_at(frames, crate::bedrock::Decoder::new("fake")),
        ),
        _ => run(
            endpoint,
            info,
            open_at(frames, crate::responses::Decoder::new("fake")),
        ),
    }
}

fn open_at<D: Decode>(frames: Frames, decoder: D) -> State<D> {
    State::Open(frames, decoder, Out::new())
}

#[tokio::test(start_paused = true)]
async fn a_byte_a_second_is_read_whole_and_ends_at_the_deadline_of_the_whole() {
    let reply = Reply::tokens(3)
        .thinking("hm ☾")
        .and_call("look", json!({ "at": "the moon ☾" }));
    for (wire, spoken, framing) in WIRES {
        let bytes = bytes_of(spoken, &reply);
        let patient = Deadlines {
            total: Duration::from_secs(bytes.len() as u64 + 10),
            ..Deadlines::REMOTE
        };
        let all: Vec<_> = follow(wire, framing, bytes.clone(), patient)
            .collect()
            .await;
        let all: Result<Vec<ModelEvent>, ModelError> = all.into_iter().collect();
        let events = all.unwrap_or_else(|error| panic!("{wire:?}: {error}"));
        let text: String = events
            .iter()
            .filter_map(|event| match event {
                ModelEvent::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(text, "w1 w2 w3", "{wire:?}");
        let called = events.iter().any(|event| {
            matches!(event, ModelEvent::ToolCall { arguments, .. }
                if *arguments == json!({ "at": "the moon ☾" }))
        });
        assert!(called, "{wire:?}: {events:?}");
        assert!(
            matches!(events.last(), Some(ModelEvent::Done { .. })),
            "{wire:?}"
        );

        let begun = Instant::now();
        let hasty = Deadlines {
            total: Duration::from_secs(100),
            ..Deadlines::REMOTE
        };
        let all: Vec<_> = follow(wire, framing, bytes, hasty).collect().await;
        let error = all.into_iter().find_map(Result::err).unwrap();
        assert_eq!(
            error.kind,
            ModelErrorKind::Timeout(Phase::Total),
            "{wire:?}"
        );
        assert_eq!(begun.elapsed().as_secs(), 100, "{wire:?}");
    }
}
