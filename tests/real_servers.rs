//! Against servers that nobody here wrote: a real model on llama.cpp's own server, and a Bot API server from npm.
//! tests/run installs and starts them; without their addresses these tests say so and pass over.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::time::{Duration, Instant};

use openclaw_support::gateway::{Home, merge, pause};
use serde_json::{Value, json};

/// A small model on one core writes some tens of tokens a second; a whole answer takes some seconds.
const ANSWER: Duration = Duration::from_secs(120);
const BOT: &str = "424242:real-servers-test-token-abcdefghij";

fn address(name: &str) -> Option<String> {
    let address = std::env::var(name).ok().filter(|value| !value.is_empty());
    if address.is_none() {
        println!("skipped: {name} is not set; tests/run starts the server and sets it");
    }
    address
}

fn home(model: &str, api: &str, telegram: &str) -> Home {
    let base = if api == "anthropic-messages" {
        model.to_owned()
    } else {
        format!("{model}/v1")
    };
    let mut settings = json!({
        "models": { "providers": { "local": {
            "baseUrl": base, "apiKey": "none", "api": api,
            "models": [{ "id": "smollm2", "name": "SmolLM2", "contextWindow": 2048, "maxTokens": 48 }],
        } } },
        // So small a window has no room for the words of all tools.
        "tools": { "profile": "minimal" },
        "agents": { "defaults": { "model": { "primary": "local/smollm2" }, "bootstrapMaxChars": 200 } },
    });
    merge(
        &mut settings,
        json!({ "channels": { "telegram": {
        "botToken": BOT, "apiRoot": telegram, "dmPolicy": "open", "allowFrom": ["*"],
    } } }),
    );
    Home::new(env!("CARGO_BIN_EXE_openclaw")).config(settings)
}

#[tokio::test]
async fn a_real_model_streams_over_websocket_and_answers_on_telegram() {
    let (Some(model), Some(telegram)) = (
        address("OPENCLAW_REAL_MODEL_URL"),
        address("OPENCLAW_TELEGRAM_TEST_API_URL"),
    ) else {
        return;
    };
    for api in ["openai-completions", "anthropic-messages"] {
        let home = home(&model, api, &telegram);
        let mut gateway = home.start("");
        gateway.ready().await;
        tokens_arrive_one_by_one(&gateway, api).await;
        a_message_is_answered(&telegram, api).await;
    }
}

async fn tokens_arrive_one_by_one(gateway: &openclaw_support::gateway::Gateway, api: &str) {
    let mut client = gateway.client().await.patient(ANSWER);
    let params =
        json!({ "sessionKey": "main", "message": "Tell me a short story.", "idempotencyKey": api });
    client.call("chat.send", params).await.expect("accepted");
    let mut texts: Vec<String> = Vec::new();
    let deadline = Instant::now() + ANSWER;
    loop {
        assert!(
            Instant::now() < deadline,
            "{api}: no end after {} deltas",
            texts.len()
        );
        let event = client.event_where("chat", |p| p["runId"] == api).await;
        let payload = event["payload"].clone();
        assert_ne!(payload["state"], "error", "{api}: {payload}");
        let text = payload["message"]["content"][0]["text"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if payload["state"] == "final" {
            assert!(
                texts.len() > 3,
                "{api}: only {} deltas: {texts:?}",
                texts.len()
            );
            assert!(
                text.starts_with(texts.last().expect("a delta").trim_end()),
                "{api}: {text} {texts:?}"
            );
            return;
        }
        if let Some(before) = texts.last() {
            assert!(
                text.len() >= before.len(),
                "{api}: a delta is not cumulative"
            );
        }
        texts.push(text);
    }
}

/// telegram-test-api's own client side: a user's message goes in, the bot's messages come out.
async fn a_message_is_answered(telegram: &str, api: &str) {
    let http = reqwest::Client::new();
    let message = json!({
        "botToken": BOT, "from": { "id": 7, "first_name": "Ada", "is_bot": false },
        "chat": { "id": 7, "first_name": "Ada", "type": "private" },
        "date": 1_700_000_000, "text": "Say something.",
    });
    let sent = http
        .post(format!("{telegram}/sendMessage"))
        .json(&message)
        .send()
        .await
        .expect("the server");
    assert!(sent.status().is_success(), "{api}: {}", sent.status());
    let deadline = Instant::now() + ANSWER;
    loop {
        let updates = http
            .post(format!("{telegram}/getUpdates"))
            .json(&json!({ "token": BOT, "chatId": 7 }))
            .send();
        let updates: Value = updates
            .await
            .expect("the server")
            .json()
            .await
            .expect("json");
        let answered = updates["result"].as_array().is_some_and(|rows| {
            rows.iter().any(|row| {
                row["message"]["text"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty())
            })
        });
        if answered {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{api}: no answer on Telegram: {updates}"
        );
        pause().await;
    }
}
