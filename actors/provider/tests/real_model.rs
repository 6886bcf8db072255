//! The wires that it speaks against a real model on a real server: llama.cpp, started by
//! `tests/support/real-model.sh`. Runs when `OPENCLAW_REAL_MODEL_URL` holds its address.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use futures_util::StreamExt;
use openclaw_protocol::Config;
use openclaw_protocol::Message;
use openclaw_protocol::ModelRef;
use openclaw_protocol::StopReason;
use openclaw_protocol::ToolSpec;
use openclaw_provider::Catalogue;
use openclaw_provider::Model;
use openclaw_provider::ModelEvent;
use openclaw_provider::ModelRequest;
use openclaw_provider::catalogue::Inputs;
use openclaw_provider::discovery;
use openclaw_provider::profile::Profiles;
use serde_json::json;

/// It never has little to say to that.
const STORY: &str = "Tell me a long story about a fox who crosses the sea.";
const WIRES: [&str; 3] = [
    "openai-completions",
    "openai-responses",
    "anthropic-messages",
];

fn url() -> Option<String> {
    let url = std::env::var("OPENCLAW_REAL_MODEL_URL").ok();
    if url.is_none() {
        println!("skipped: OPENCLAW_REAL_MODEL_URL is not set (tests/support/real-model.sh)");
    }
    url
}

/// A client as a configuration makes it.
fn client(api: &str, url: &str) -> Arc<dyn Model> {
    let loaded = Config::from_value(json!({ "models": { "providers": { "real": {
        "baseUrl": url, "api": api, "models": [{ "id": "small" }],
    }}}}));
    let catalogue = Catalogue::build(&Inputs {
        config: &loaded.config,
        env: &|_| None,
        profiles: &Profiles::default(),
        local: &[],
        now_ms: 0,
    });
    let model = catalogue.choice().model.clone();
    openclaw_provider::client(catalogue.check(&model).unwrap(), &model)
}

fn request(text: &str, max_tokens: u32, tools: Vec<ToolSpec>) -> ModelRequest {
    ModelRequest {
        model: ModelRef::new("real", "small"),
        system: "You are a helpful assistant.".into(),
        messages: [
            Message::user("Hello!", 1),
            serde_json::from_value(json!({ "role": "assistant", "content": "Hello." })).unwrap(),
            Message::user(text, 2),
        ]
        .map(Arc::new)
        .into(),
        tools: tools.into(),
        max_tokens: Some(max_tokens),
        session: "agent:main:main".parse().unwrap(),
        params: json!({ "temperature": 0.1 }),
    }
}

#[tokio::test]
async fn words_come_one_by_one_over_every_wire() {
    let Some(url) = url() else { return };
    for api in WIRES {
        let model = client(api, &url);
        let mut stream = model.stream(request(STORY, 24, Vec::new()));
        let mut arrivals = Vec::new();
        let mut text = String::new();
        let mut end = None;
        while let Some(event) = stream.next().await {
            match event.unwrap() {
                ModelEvent::Text(piece) => {
                    arrivals.push(Instant::now());
                    text.push_str(&piece);
                }
                ModelEvent::Done { usage, stop } => end = Some((usage, stop)),
                _ => {}
            }
        }
        let (usage, stop) = end.unwrap();
        let spread = *arrivals.last().unwrap() - *arrivals.first().unwrap();
        println!(
            "{api}: {} pieces over {spread:?}: {text:?} {usage:?}",
            arrivals.len()
        );
        assert!(arrivals.len() >= 10, "{api}: {text}");
        assert!(spread > Duration::from_millis(50), "{api}: all at once");
        assert!(matches!(stop, StopReason::Stop | StopReason::Length));
        assert!(usage.input + usage.cache_read > 10, "{api}: {usage:?}");
        assert!((10..=24).contains(&usage.output), "{api}: {usage:?}");
    }
}

#[tokio::test]
async fn a_dropped_call_frees_the_server() {
    let Some(url) = url() else { return };
    for api in WIRES {
        let model = client(api, &url);
        // More calls than the server has slots: each must be free again.
        for _ in 0..4 {
            let mut stream = model.stream(request(STORY, 2000, Vec::new()));
            assert!(stream.next().await.unwrap().is_ok());
        }
        let begun = Instant::now();
        let all: Vec<_> = model
            .stream(request("Say hi.", 4, Vec::new()))
            .collect()
            .await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{api}: {:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test]
async fn tools_are_accepted_by_a_real_template() {
    let Some(url) = url() else { return };
    let tool = ToolSpec {
        name: "current_time".into(),
        description: "Tells the time.".into(),
        parameters: json!({ "type": "object", "properties": {} }),
    };
    for api in WIRES {
        let request = request("What time is it?", 8, vec![tool.clone()]);
        let all: Vec<_> = client(api, &url).stream(request).collect().await;
        assert!(all.last().unwrap().is_ok(), "{api}: {all:?}");
    }
}

#[tokio::test]
async fn discovery_finds_it() {
    let Some(url) = url() else { return };
    let env = |name: &str| (name == "LLAMACPP_HOST").then(|| url.clone());
    let places: Vec<_> = discovery::places(&env)
        .into_iter()
        .filter(|place| place.id == "llamacpp")
        .collect();
    let found = discovery::discover(&places).await;
    assert_eq!(found.len(), 1);
    assert!(
        found.iter().all(|server| !server.models.is_empty()),
        "{found:?}"
    );
    println!("{found:?}");
}
