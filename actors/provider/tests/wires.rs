//! Every wire over real sockets, against a server that refuses what the vendors refuse.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use futures_util::StreamExt;
use openclaw_protocol::Message;
use openclaw_protocol::StopReason;
use openclaw_protocol::Usage;
use openclaw_provider::Access;
use openclaw_provider::Deadlines;
use openclaw_provider::Endpoint;
use openclaw_provider::ModelErrorKind;
use openclaw_provider::ModelEvent;
use openclaw_provider::Phase;
use openclaw_provider::endpoint::Wire;
use openclaw_support::model::FakeModel;
use openclaw_support::model::KEY;
use openclaw_support::model::Reply;
use serde_json::json;

use self::wire::*;

#[tokio::test]
async fn a_text_comes_token_by_token_with_its_usage() {
    for wire in WIRES {
        let fake = FakeModel::start().await;
        fake.push(Reply::tokens(5).usage(100, 5, 40));
        let events = ask(wire, &fake).await;
        assert_eq!(texts(&events), ["w1", " w2", " w3", " w4", " w5"]);
        let Ok(ModelEvent::Done { usage, stop }) = events.last().unwrap() else {
            panic!("{events:?}");
        };
        assert_eq!(*stop, StopReason::Stop);
        // Ollama says nothing of its cache.
        let cached = if wire == Wire::Ollama { 0 } else { 40 };
        let expected = Usage {
            input: 100 - cached,
            output: 5,
            cache_read: cached,
            total_tokens: 105,
            ..Usage::default()
        };
        assert_eq!(*usage, expected);
        assert_eq!(fake.refusals(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn reasoning_and_calls_come_whole() {
    for wire in WIRES {
        let fake = FakeModel::start().await;
        let arguments = json!({ "at": "the moon \"☾\" and {more}" });
        let reply = Reply::text("Let me look.")
            .thinking("hm well")
            .and_call("look", arguments.clone());
        fake.push(reply.and_call("look", json!({})));
        let events: Vec<ModelEvent> = ask(wire, &fake)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(
            events[..2],
            [
                ModelEvent::Thinking("hm ".into()),
                ModelEvent::Thinking("well".into())
            ]
        );
        // What the provider asks back comes beside the reasoning or beside the call.
        let signed = events.iter().any(|event| match event {
            ModelEvent::ThinkingSignature(signature) => signature.contains("c2lnbmVk"),
            ModelEvent::ToolCall { signature, .. } => signature.as_deref() == Some("c2lnbmVk"),
            _ => false,
        });
        let signs = !matches!(wire, Wire::OpenaiCompletions | Wire::Ollama);
        assert_eq!(signed, signs, "{wire:?}");
        let calls: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                ModelEvent::ToolCall {
                    id,
                    name,
                    arguments,
                    ..
                } => Some((id, name.as_str(), arguments)),
                _ => None,
            })
            .collect();
        assert_eq!(calls.len(), 2);
        assert_eq!((calls[0].1, calls[0].2), ("look", &arguments));
        assert_eq!((calls[1].1, calls[1].2), ("look", &json!({})));
        assert_ne!(calls[0].0, calls[1].0);
        assert!(matches!(
            events.last(),
            Some(ModelEvent::Done {
                stop: StopReason::ToolUse,
                ..
            })
        ));
    }
}

#[tokio::test]
async fn a_conversation_with_pictures_results_and_reasoning_is_accepted() {
    const PNG: &str = "iVBORw0KGgo=";
    for wire in WIRES {
        let fake = FakeModel::start().await;
        let sealed = json!({ "type": "reasoning", "id": "rs_1", "summary": [],
            "encrypted_content": "c2lnbmVk" });
        let signature = match wire {
            Wire::OpenaiResponses | Wire::OpenaiCodexResponses => sealed.to_string(),
            _ => "c2lnbmVk".to_owned(),
        };
        let transcript = json!([
            { "role": "user", "timestamp": 1, "content": [
                { "type": "text", "text": "what is this?" },
                { "type": "image", "data": PNG, "mimeType": "image/png" } ] },
            { "role": "assistant", "api": wire.as_str(), "stopReason": "toolUse", "content": [
                { "type": "thinking", "thinking": "hm", "thinkingSignature": signature },
                { "type": "toolCall", "id": "toolu_1", "name": "look", "arguments": { "at": "it" },
                  "thoughtSignature": "c2lnbmVk" } ] },
            { "role": "toolResult", "toolCallId": "toolu_1", "toolName": "look", "content": [
                { "type": "image", "data": PNG, "mimeType": "image/png" } ] },
        ]);
        let mut request = request(serde_json::from_value(transcript).unwrap());
        request.params = json!({ "thinking": "low", "maxTokens": 500 });
        let events = call(endpoint(wire, &fake.base_url()), request).await;
        assert!(events.last().unwrap().is_ok(), "{:?}", fake.refusals());
        let body = fake.requests().pop().unwrap().body.to_string();
        assert_eq!(body.matches(PNG).count(), 2, "{body}");
        let signed = body.contains("c2lnbmVk");
        // Bedrock's other makers' models give no signed reasoning.
        let unsigned = [
            Wire::OpenaiCompletions,
            Wire::Ollama,
            Wire::BedrockConverseStream,
        ];
        assert_eq!(signed, !unsigned.contains(&wire), "{wire:?}: {body}");
    }
}

#[tokio::test]
async fn failures_are_sorted_by_what_can_be_done() {
    use ModelErrorKind as Kind;
    let table = [
        (
            Reply::error(401, "invalid_api_key", "no"),
            Kind::Auth,
            false,
        ),
        (
            Reply::error(402, "billing_error", "pay"),
            Kind::Billing,
            false,
        ),
        (
            Reply::error(429, "rate_limit_error", "slow"),
            Kind::RateLimit,
            true,
        ),
        (
            Reply::error(429, "insufficient_quota", "no quota"),
            Kind::Billing,
            false,
        ),
        (
            Reply::error(529, "overloaded_error", "busy"),
            Kind::Overload,
            true,
        ),
        (Reply::error(500, "api_error", "oops"), Kind::Overload, true),
        (
            Reply::error(404, "model_not_found", "The model does not exist"),
            Kind::ModelNotFound,
            false,
        ),
        (
            Reply::error(400, "invalid_request_error", "prompt is too long: 9 > 8"),
            Kind::ContextOverflow,
            false,
        ),
        (
            Reply::error(400, "invalid_request_error", "bad field"),
            Kind::Format,
            false,
        ),
        (Reply::cut(), Kind::Network, true),
        (Reply::tokens(5).cut_after(2), Kind::Network, true),
        (Reply::tokens(5).error_after(2), Kind::Overload, true),
        (
            Reply::tokens(5).finish("content_filter"),
            Kind::Refusal,
            false,
        ),
    ];
    for wire in WIRES {
        let fake = FakeModel::start().await;
        for (reply, kind, retryable) in &table {
            if wire == Wire::Ollama && *kind == ModelErrorKind::Billing {
                continue; // it has no words for it
            }
            fake.push(reply.clone());
            let error = failure(wire, &fake).await;
            assert_eq!(
                (error.kind, error.retryable()),
                (*kind, *retryable),
                "{error:?}"
            );
            assert!(!error.message.contains(KEY));
        }
    }
}

#[tokio::test]
async fn words_before_a_break_still_come() {
    for wire in WIRES {
        let fake = FakeModel::start().await;
        fake.push(Reply::tokens(5).cut_after(3));
        let events = ask(wire, &fake).await;
        assert_eq!(texts(&events), ["w1", " w2", " w3"]);
        assert!(events.last().unwrap().is_err());
    }
}

#[tokio::test]
async fn a_pause_that_is_asked_for_is_told() {
    for wire in WIRES {
        let fake = FakeModel::start().await;
        fake.push(Reply::error(429, "rate_limit_error", "slow").retry_after(7));
        let error = failure(wire, &fake).await;
        assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(error.status, Some(429));
    }
}

#[tokio::test]
async fn each_deadline_ends_a_call_by_name() {
    let short = Duration::from_millis(60);
    let long = Duration::from_secs(20);
    let usual = Deadlines {
        connect: long,
        first_byte: long,
        idle: long,
        total: long,
    };
    let table = [
        (
            Reply::hang(),
            Deadlines {
                first_byte: short,
                ..usual
            },
            Phase::FirstByte,
        ),
        (
            Reply::hang_before_first_byte(),
            Deadlines {
                first_byte: short,
                ..usual
            },
            Phase::FirstByte,
        ),
        (
            Reply::tokens(9).hang_after(3),
            Deadlines {
                idle: short,
                ..usual
            },
            Phase::Idle,
        ),
        (
            Reply::tokens(9).hang_after(3),
            Deadlines {
                total: short,
                ..usual
            },
            Phase::Total,
        ),
        (
            Reply::hang(),
            Deadlines {
                total: short,
                ..usual
            },
            Phase::Total,
        ),
    ];
    for wire in WIRES {
        let fake = FakeModel::start().await;
        for (reply, deadlines, phase) in &table {
            fake.push(reply.clone());
            let endpoint = Endpoint {
                deadlines: *deadlines,
                ..endpoint(wire, &fake.base_url())
            };
            let begun = Instant::now();
            let events = call(endpoint, request(vec![Message::user("hello", 1)])).await;
            let error = events.into_iter().find_map(Result::err).unwrap();
            assert_eq!(error.kind, ModelErrorKind::Timeout(*phase), "{error}");
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
        fake.until("both ends are closed", |fake| fake.open() == 0)
            .await;
    }
}

#[tokio::test]
async fn dropping_the_stream_ends_the_call_at_the_server() {
    for wire in WIRES {
        let fake = FakeModel::start().await;
        fake.push(Reply::tokens(9).hang_after(2));
        let endpoint = endpoint(wire, &fake.base_url());
        let model = openclaw_provider::client(Arc::new(endpoint), &reference());
        let mut stream = model.stream(request(vec![Message::user("hello", 1)]));
        assert!(stream.next().await.unwrap().is_ok());
        fake.until("the call", |fake| fake.open() == 1).await;
        drop(stream);
        fake.until("its end", |fake| fake.open() == 0 && fake.cancelled() == 1)
            .await;
    }
}

#[tokio::test]
async fn nothing_is_sent_before_the_stream_is_polled() {
    let fake = FakeModel::start().await;
    let endpoint = endpoint(Wire::OpenaiCompletions, &fake.base_url());
    let model = openclaw_provider::client(Arc::new(endpoint), &reference());
    drop(model.stream(request(vec![Message::user("hello", 1)])));
    assert_eq!(fake.count(), 0);
}

#[tokio::test]
async fn a_wrong_key_and_a_wrong_address_are_told_with_the_remedy() {
    let fake = FakeModel::start().await;
    let hello = || request(vec![Message::user("hello", 1)]);
    let wrong = Endpoint {
        access: Access::key("sk-wrong"),
        ..endpoint(WIRES[0], &fake.base_url())
    };
    let error = call(wrong, hello()).await.pop().unwrap().unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Auth);
    assert!(
        error
            .message
            .contains("openclaw config set models.providers.fake.apiKey"),
        "{error}"
    );
    let gone = endpoint(WIRES[0], "http://127.0.0.1:9");
    let error = call(gone, hello()).await.pop().unwrap().unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Network);
    assert!(error.message.contains("127.0.0.1:9"), "{error}");
    let elsewhere = endpoint(WIRES[0], &format!("{}/nothing/here", fake.base_url()));
    let error = call(elsewhere, hello()).await.pop().unwrap().unwrap_err();
    assert_eq!(error.status, Some(404), "{error}");
}

#[tokio::test]
async fn an_answer_that_a_limit_cut_is_told_apart() {
    for wire in WIRES {
        let fake = FakeModel::start().await;
        fake.push(Reply::tokens(3).finish("length"));
        let events = ask(wire, &fake).await;
        let end = events.last().unwrap();
        assert!(
            matches!(
                end,
                Ok(ModelEvent::Done {
                    stop: StopReason::Length,
                    ..
                })
            ),
            "{end:?}"
        );
    }
}

#[tokio::test]
async fn local_servers_are_found_and_silent_ones_are_not_waited_for() {
    use openclaw_provider::discovery::discover;
    use openclaw_provider::discovery::places;
    let fake = FakeModel::start().await;
    fake.serve_models(&["nomic-embed-text", "llama3.2:latest"]);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = silent.local_addr().unwrap();
    let env = |name: &str| match name {
        "OLLAMA_HOST" | "LLAMACPP_HOST" => Some(fake.base_url()),
        "LMSTUDIO_HOST" => Some(silent.to_string()),
        _ => None,
    };
    let begun = Instant::now();
    let found = discover(&places(&env)).await;
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    let ids: Vec<&str> = found.iter().map(|server| server.id.as_str()).collect();
    assert_eq!(ids, ["ollama", "llamacpp"]);
    assert_eq!(found[0].base_url, format!("{}/v1", fake.base_url()));
    assert_eq!(found[0].models[1].id, "llama3.2:latest");
}
