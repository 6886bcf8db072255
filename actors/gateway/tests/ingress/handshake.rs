//! Who gets in, and what they are told.

use openclaw_support::client::Client;
use openclaw_support::client::Hello;
use openclaw_support::client::Refusal;
use serde_json::Value;
use serde_json::json;

use crate::house::House;
use crate::house::TOKEN;

#[tokio::test]
async fn both_generations_are_greeted_in_their_own_words() {
    let house = House::start().await;
    for (min, max, protocol) in [(3, 3, 3), (3, 4, 4), (4, 4, 4)] {
        let client = house.client(min, max).await;
        let hello = &client.hello;
        assert_eq!(hello["type"], "hello-ok");
        assert_eq!(hello["protocol"], protocol);
        let methods = hello["features"]["methods"].as_array().unwrap();
        for method in [
            "health",
            "chat.send",
            "agent",
            "sessions.list",
            "supervisor.tree",
        ] {
            assert!(methods.contains(&json!(method)), "{method} in {methods:?}");
        }
        assert!(!methods.contains(&json!("supervisor.chaos")));
        let snapshot = &hello["snapshot"];
        assert_eq!(
            snapshot["sessionDefaults"]["mainSessionKey"],
            "agent:main:main"
        );
        assert_eq!(snapshot["presence"][0]["mode"], "gateway");
        assert_eq!(snapshot["health"]["ok"], true, "{}", snapshot["health"]);
        assert!(snapshot["uptimeMs"].is_u64());
        assert_eq!(hello["policy"]["tickIntervalMs"], 30_000);
        let has = |pointer: &str| hello.pointer(pointer).is_some();
        let is_late = protocol == 4;
        for late_only in [
            "/auth",
            "/features/capabilities",
            "/server/bootId",
            "/policy/attachments",
            "/snapshot/authMode",
        ] {
            assert_eq!(
                has(late_only),
                is_late,
                "{late_only} in protocol {protocol}"
            );
        }
        let max_payload = if is_late { 26_214_400 } else { 8_388_608 };
        assert_eq!(hello["policy"]["maxPayload"], max_payload);
        if is_late {
            assert_eq!(hello["auth"]["role"], "operator");
            assert_eq!(hello["auth"]["method"], "token");
        }
    }
}

async fn refused(house: &House, hello: Hello) -> (Value, u16, String) {
    match Client::connect(house.address, hello).await {
        Err(Refusal::Connect(error, code, reason)) => (error, code, reason),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn a_refusal_says_why_and_closes() {
    let house = House::start().await;
    let (error, code, reason) = refused(&house, Hello::new(3, 4).token("wrong")).await;
    assert_eq!(
        (error["code"].as_str(), code),
        (Some("INVALID_REQUEST"), 1008)
    );
    assert!(
        reason.starts_with("unauthorized: gateway token mismatch"),
        "{reason}"
    );
    assert_eq!(error["details"]["code"], "AUTH_TOKEN_MISMATCH");
    let (error, code, _) = refused(&house, Hello::new(3, 3)).await;
    assert_eq!((error["code"].as_str(), code), (Some("NOT_PAIRED"), 1008));
    let (error, code, reason) = refused(&house, Hello::new(1, 2).token(TOKEN)).await;
    assert_eq!(
        (error["message"].as_str(), code),
        (Some("protocol mismatch"), 1002)
    );
    assert_eq!(reason, "protocol mismatch");
    let (error, code, _) = refused(&house, Hello::new(3, 4).with("bogus", json!(1))).await;
    assert_eq!(
        error["message"],
        "invalid connect params: at root: unexpected property 'bogus'"
    );
    assert_eq!(code, 1008);
    assert_eq!(house.services.meters.auth_guesses.get(), 1);
}

#[tokio::test]
async fn the_first_frame_must_be_connect() {
    let house = House::start().await;
    let mut client = Client::open(house.address, &[]).await.unwrap();
    let id = client.send("health", json!({})).await;
    let response = client.response(&id).await;
    assert_eq!(
        response["error"]["message"],
        "invalid handshake: first request must be connect"
    );
    assert_eq!(client.closed().await.0, 1008);
    let mut client = Client::open(house.address, &[]).await.unwrap();
    client.raw("not json").await;
    assert_eq!(client.closed().await, (1000, String::new()));
}

#[tokio::test]
async fn too_much_before_the_greeting_closes_and_is_fine_after_it() {
    let house = House::start().await;
    let big = "x".repeat(70_000);
    let mut client = Client::open(house.address, &[]).await.unwrap();
    client.raw(&big).await;
    assert_eq!(
        client.closed().await,
        (1009, "preauth payload too large".to_owned())
    );
    let mut client = house.client(4, 4).await;
    client.raw(&big).await;
    assert!(client.call("health", json!({})).await.is_ok());
}

#[tokio::test]
async fn ten_guesses_a_minute_however_the_address_is_spelt() {
    let house = House::start().await;
    let port = house.address.port();
    let mut looked_at = 0;
    for n in 0..24 {
        let host = ["127.0.0.1", "[::1]"][n % 2];
        let address = format!("{host}:{port}").parse().unwrap();
        let hello = Hello::new(4, 4).token("wrong");
        match Client::connect(address, hello).await {
            Err(Refusal::Connect(error, ..)) => {
                let code = error["details"]["code"].as_str().unwrap().to_owned();
                match code.as_str() {
                    "AUTH_TOKEN_MISMATCH" => looked_at += 1,
                    "AUTH_RATE_LIMITED" => assert!(error["retryAfterMs"].as_u64().unwrap() > 0),
                    other => panic!("{other}"),
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(looked_at, 10);
    // Even the right secret has to wait: else guessing faster would pay.
    let (error, ..) = refused(&house, Hello::new(4, 4).token(TOKEN)).await;
    assert_eq!(error["details"]["code"], "AUTH_RATE_LIMITED");
    assert_eq!(house.services.meters.auth_guesses.get(), 10);
}

#[tokio::test]
async fn unknown_pages_are_refused_before_any_secret_is_read() {
    let house = House::with(json!({
        "gateway": { "controlUi": { "allowedOrigins": ["https://ui.example.com"] } },
    }))
    .await;
    let own = format!("http://{}", house.address);
    let look_alike = format!("http://127.0.0.1:{}", house.address.port() ^ 1);
    let page = |origin: &str| {
        Hello::new(3, 4)
            .client("webchat-ui", "webchat")
            .token("wrong")
            .header("Origin", origin)
            .header("Sec-Fetch-Mode", "websocket")
    };
    for evil in [
        "https://evil.example",
        "null",
        &look_alike,
        "http://localhost.evil.example",
    ] {
        let outcome = Client::connect(house.address, page(evil)).await;
        assert_eq!(outcome.unwrap_err(), Refusal::Http(403), "{evil}");
    }
    let without = Hello::new(3, 4)
        .token("wrong")
        .header("Sec-Fetch-Mode", "websocket");
    let outcome = Client::connect(house.address, without).await;
    assert_eq!(outcome.unwrap_err(), Refusal::Http(403));
    assert_eq!(house.services.limiter().total(), 0);
    assert_eq!(house.services.meters.origin_refused.get(), 5);
    for good in [own.as_str(), "https://ui.example.com"] {
        let admitted = Client::connect(house.address, page(good).token(TOKEN)).await;
        assert!(admitted.is_ok(), "{good}: {admitted:?}");
    }
}

#[tokio::test]
async fn forwarded_requests_need_a_trusted_proxy() {
    let house = House::start().await;
    let forwarded = || {
        Hello::new(4, 4)
            .token(TOKEN)
            .header("X-Forwarded-For", "203.0.113.9")
    };
    let outcome = Client::connect(house.address, forwarded()).await;
    assert_eq!(outcome.unwrap_err(), Refusal::Http(403));
    house.reconfigure(json!({ "gateway": { "trustedProxies": ["127.0.0.1"] } }));
    assert!(Client::connect(house.address, forwarded()).await.is_ok());
}

#[tokio::test]
async fn a_changed_secret_ends_the_connections_it_let_in() {
    let house = House::start().await;
    let mut client = house.client(4, 4).await;
    house.reconfigure(json!({ "gateway": { "auth": { "token": "another-token" } } }));
    assert_eq!(
        client.closed().await,
        (4001, "gateway auth changed".to_owned())
    );
    let (error, ..) = refused(&house, Hello::new(4, 4).token(TOKEN)).await;
    assert_eq!(error["details"]["code"], "AUTH_TOKEN_MISMATCH");
    let hello = Hello::new(4, 4).token("another-token");
    assert!(Client::connect(house.address, hello).await.is_ok());
}

#[tokio::test]
async fn a_stop_says_goodbye() {
    let house = House::start().await;
    let mut client = house.client(4, 4).await;
    openclaw_gateway::ingress::announce_shutdown(&house.services, "test", None);
    let shutdown = client.event("shutdown").await;
    assert_eq!(shutdown["payload"], json!({ "reason": "test" }));
    assert_eq!(client.closed().await, (1012, "service restart".to_owned()));
    let (error, code, _) = refused(&house, Hello::new(4, 4).token(TOKEN)).await;
    assert_eq!((error["code"].as_str(), code), (Some("UNAVAILABLE"), 1013));
    assert_eq!(error["retryable"], true);
    house.stop().await;
}

#[tokio::test]
async fn whoever_says_nothing_is_shown_out_without_a_word() {
    let house = House::impatient(std::time::Duration::from_millis(200)).await;
    let mut silent = Client::open(house.address, &[]).await.unwrap();
    assert_eq!(silent.closed().await, (1000, String::new()));
    // A line that is never finished is no greeting either.
    let mut half = Client::open(house.address, &[]).await.unwrap();
    half.half_a_frame().await;
    assert_eq!(half.closed().await, (1000, String::new()));
}

#[tokio::test]
async fn what_is_sent_behind_the_greeting_is_answered_after_it() {
    let house = House::start().await;
    let device = openclaw_support::device::Device::new(1);
    let mut client = Client::open(house.address, &[]).await.unwrap();
    let challenge = client.event("connect.challenge").await;
    let mut params = json!({
        "minProtocol": 4, "maxProtocol": 4, "role": "operator", "scopes": ["operator.read"],
        "client": { "id": "cli", "version": "1", "platform": "linux", "mode": "cli" },
        "auth": { "token": TOKEN },
    });
    params["device"] = device.claim(&params, &challenge["payload"]);
    let hello = client.send("connect", params).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(client.send("health", json!({})).await);
    }
    assert_eq!(client.response(&hello).await["ok"], true);
    for id in ids {
        assert_eq!(client.response(&id).await["ok"], true);
    }
}
