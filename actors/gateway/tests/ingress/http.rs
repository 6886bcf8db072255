//! What the port answers over plain HTTP.

use openclaw_gateway::services::Phase;
use openclaw_support::client::http;
use serde_json::json;

use crate::house::House;
use crate::house::TOKEN;

#[tokio::test]
async fn health_is_live_and_readiness_follows_the_intake() {
    let house = House::start().await;
    for path in ["/health", "/healthz"] {
        let answer = http(house.address, "GET", path, &[]).await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({ "ok": true, "status": "live" }))
        );
    }
    for (phase, status) in [
        (Phase::Open, 200),
        (Phase::Starting, 503),
        (Phase::Closing, 503),
    ] {
        house.services.set_phase(phase);
        for path in ["/ready", "/readyz", "/api/health"] {
            let answer = http(house.address, "GET", path, &[]).await;
            assert_eq!(
                answer.status, status,
                "{path} while {phase:?}: {}",
                answer.body
            );
        }
        let live = http(house.address, "GET", "/healthz", &[]).await;
        assert_eq!(live.status, 200);
    }
    house.services.set_phase(Phase::Open);
    let head = http(house.address, "HEAD", "/healthz", &[]).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn the_page_is_served_with_its_rules() {
    let house = House::start().await;
    let page = http(house.address, "GET", "/", &[]).await;
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    // A secret in the address is sent away, not read.
    let leak = http(house.address, "GET", &format!("/?token={TOKEN}"), &[]).await;
    assert_eq!((leak.status, leak.header("location")), (303, Some("/")));
    let missing = http(house.address, "GET", "/no/such/file.js", &[]).await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json()["error"]["type"], "not_found");
    let posted = http(house.address, "POST", "/health", &[("content-length", "0")]).await;
    assert_eq!(
        (posted.status, posted.header("allow")),
        (405, Some("GET, HEAD"))
    );
    assert_eq!(posted.json()["error"]["type"], "method_not_allowed");
}

#[tokio::test]
async fn the_page_can_live_under_a_path_or_be_switched_off() {
    let house = House::with(json!({ "gateway": { "controlUi": { "basePath": "/claw/" } } })).await;
    let bare = http(house.address, "GET", "/claw", &[]).await;
    assert_eq!(
        (bare.status, bare.header("location")),
        (308, Some("/claw/"))
    );
    assert_eq!(http(house.address, "GET", "/claw/", &[]).await.status, 200);
    assert_eq!(
        http(house.address, "GET", "/claw/app.js", &[]).await.status,
        200
    );
    assert_eq!(http(house.address, "GET", "/app.js", &[]).await.status, 404);
    house.reconfigure(json!({ "gateway": { "controlUi": { "enabled": false } } }));
    assert_eq!(http(house.address, "GET", "/", &[]).await.status, 404);
}

#[tokio::test]
async fn other_pages_get_nothing() {
    let house = House::start().await;
    for path in ["/", "/health", "/metrics", "/api/health"] {
        let answer = http(
            house.address,
            "GET",
            path,
            &[("origin", "https://evil.example")],
        )
        .await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.header("access-control-allow-origin").is_none());
    }
}

#[tokio::test]
async fn the_metrics_are_real() {
    let house = House::start().await;
    let mut client = house.client(4, 4).await;
    let send = json!({ "sessionKey": "main", "message": "hi", "idempotencyKey": "r" });
    client.call("chat.send", send).await.unwrap();
    client.run_events("r").await;
    client.call("health", json!({})).await.unwrap();
    let metrics = http(house.address, "GET", "/metrics", &[]).await;
    assert_eq!(metrics.status, 200);
    let value = |line: &str| {
        let found = metrics
            .body
            .lines()
            .find_map(|known| known.strip_prefix(line));
        let found = found.unwrap_or_else(|| panic!("{line} in\n{}", metrics.body));
        found.trim().parse::<f64>().unwrap()
    };
    assert_eq!(value("openclaw_runs_total{end=\"answered\"}"), 1.0);
    assert_eq!(value("openclaw_tokens_total{kind=\"output\"}"), 2.0);
    assert_eq!(value("openclaw_ws_connections{state=\"admitted\"}"), 1.0);
    assert_eq!(
        value("openclaw_calls_total{method=\"health\",outcome=\"ok\"}"),
        1.0
    );
    assert_eq!(value("openclaw_turns_ended_total"), 1.0);
    assert_eq!(value("openclaw_inbox_rows{state=\"pending\"}"), 0.0);
    assert!(value("openclaw_ledger_commits_total") >= 2.0);
    assert!(value("openclaw_ledger_commit_seconds_count") >= 2.0);
    assert!(value("openclaw_resident_memory_bytes") > 1e6);
    assert!(value("openclaw_actors{state=\"running\",kind=\"ws\"}") >= 1.0);
    assert!(!metrics.body.contains(TOKEN));
    assert!(metrics.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_port_that_is_taken_ends_the_second_gateway_with_its_own_code() {
    let house = House::start().await;
    let plan = openclaw_gateway::ingress::bind::Plan {
        address: house.address,
        companion: None,
        tls: openclaw_protocol::config::gateway::Tls::default(),
    };
    let error = openclaw_gateway::ingress::bind::listen(&plan)
        .await
        .unwrap_err();
    assert_eq!(error.code(), 75);
    assert!(error.to_string().contains("openclaw gateway status"));
}
