use std::sync::Arc;
use std::sync::Mutex;

use openclaw_protocol::Config;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;
use crate::catalogue::Inputs;
use crate::profile::Profiles;

/// Tells quotas as the vendors do, to whom they would, in the words they want; anything else is refused.
struct FakeVendor {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    down: Arc<Mutex<bool>>,
    serving: tokio::task::JoinHandle<()>,
}

/// Path, the headers that must be there, the answer.
fn known(path: &str) -> Option<(&'static [(&'static str, &'static str)], Value)> {
    Some(match path {
        "/api/oauth/usage" => (
            &[
                ("authorization", "Bearer sk-ant-oat01-me"),
                ("anthropic-beta", "oauth-2025-04-20"),
            ],
            json!({
                "five_hour": { "utilization": 12.5, "resets_at": "2026-11-23T18:00:00.123456+00:00" },
                "seven_day": { "utilization": 40, "resets_at": null },
                "seven_day_oauth_apps": null, "seven_day_opus": null,
                "seven_day_sonnet": { "utilization": 3, "resets_at": "2026-11-28T00:00:00Z" },
                "extra_usage": { "is_enabled": false },
            }),
        ),
        "/backend-api/wham/usage" => (
            &[
                ("authorization", "Bearer codex-token"),
                ("chatgpt-account-id", "acc-1"),
            ],
            json!({
                "plan_type": "plus", "credits": { "has_credits": true, "balance": "5.5" },
                "rate_limit": { "allowed": true,
                    "primary_window": { "used_percent": 33, "limit_window_seconds": 18000,
                        "reset_at": 1_790_000_000 },
                    "secondary_window": { "used_percent": 101, "limit_window_seconds": 604_800,
                        "reset_at": 1_790_500_000 } },
            }),
        ),
        "/copilot_internal/user" => (
            &[("authorization", "token gho_me")],
            json!({
                "copilot_plan": "individual_pro", "quota_reset_date": "2026-12-01",
                "quota_snapshots": {
                    "chat": { "entitlement": 0, "percent_remaining": 100, "unlimited": true },
                    "premium_interactions": { "entitlement": 300, "remaining": 90,
                        "percent_remaining": 30.0, "unlimited": false },
                },
            }),
        ),
        "/api/monitor/usage/quota/limit" => (
            &[("authorization", "Bearer zai-key")],
            json!({ "code": 200, "success": true, "data": { "level": "pro", "limits": [
                { "type": "TOKENS_LIMIT", "unit": 3, "number": 5, "percentage": 20,
                    "nextResetTime": 1_790_000_000_000_i64 },
                { "type": "TIME_LIMIT", "unit": 5, "number": 1, "percentage": 7 },
            ] } }),
        ),
        "/api/v1/key" => (
            &[("authorization", "Bearer or-key")],
            json!({ "data": { "label": "sk-or-v1-abc", "usage": 2.5, "limit": 10,
                "limit_remaining": 7.5, "is_free_tier": false } }),
        ),
        _ => return None,
    })
}

impl FakeVendor {
    #[allow(clippy::disallowed_methods)] // a test has no supervisor
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let down: Arc<Mutex<bool>> = Arc::default();
        let (log, is_down) = (asked.clone(), down.clone());
        let serving = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut text = String::new();
                let mut piece = [0; 4096];
                while !text.contains("\r\n\r\n") {
                    let length = stream.read(&mut piece).await.unwrap();
                    text.push_str(&String::from_utf8_lossy(&piece[..length]));
                }
                let (line, head) = text.split_once("\r\n").unwrap();
                let path = line.strip_prefix("GET ").unwrap_or_default();
                let path = path.strip_suffix(" HTTP/1.1").unwrap_or_default();
                log.lock().unwrap().push(path.to_owned());
                let there = |(name, value): &(&str, &str)| {
                    head.lines().any(|line| {
                        let (other, said) = line.split_once(": ").unwrap_or_default();
                        other.eq_ignore_ascii_case(name) && said == *value
                    })
                };
                let (status, body) = match known(path) {
                    _ if *is_down.lock().unwrap() => (503, json!({ "error": "down" })),
                    None => (404, json!({})),
                    Some((headers, body)) if headers.iter().all(there) => (200, body),
                    Some(_) => (403, json!({ "error": "no" })),
                };
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 {status} S\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            }
        });
        Self {
            url,
            asked,
            down,
            serving,
        }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// All who tell, with the fake in their place.
    fn catalogue(&self, claude: &str) -> Catalogue {
        let url = &self.url;
        let providers = json!({
            "anthropic": { "baseUrl": url },
            "openai-codex": { "baseUrl": format!("{url}/backend-api") },
            "zai": { "baseUrl": format!("{url}/api/coding/paas/v4"), "apiKey": "zai-key" },
            "openrouter": { "baseUrl": format!("{url}/api/v1"), "apiKey": "or-key" },
            "openai": { "baseUrl": format!("{url}/v1"), "apiKey": "no-quota" },
        });
        let stored = json!({ "profiles": {
            "anthropic:key": { "type": "api_key", "provider": "anthropic", "key": "sk-ant-api03-x" },
            "anthropic:me": { "type": "token", "provider": "anthropic", "token": claude },
            "openai-codex:me": { "type": "oauth", "provider": "openai-codex",
                "access": "codex-token", "accountId": "acc-1" },
            "github-copilot:me": { "type": "token", "provider": "github-copilot", "token": "gho_me" },
        } });
        let loaded = Config::from_value(json!({ "models": { "providers": providers } }));
        Catalogue::build(&Inputs {
            config: &loaded.config,
            env: &|_| None,
            profiles: &Profiles::parse(&stored.to_string()).unwrap(),
            local: &[],
            now_ms: 0,
        })
    }

    /// GitHub stands at one place for all, so its question is turned here.
    fn asks(&self, claude: &str) -> Vec<Ask> {
        let mut asks = asks(&self.catalogue(claude));
        for ask in &mut asks {
            ask.url = ask.url.replace("https://api.github.com", &self.url);
        }
        asks
    }
}

impl Drop for FakeVendor {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn window(label: &str, used_percent: f64, reset_at: Option<i64>) -> Window {
    Window {
        label: label.to_owned(),
        used_percent,
        reset_at,
    }
}

#[tokio::test]
async fn each_provider_that_tells_its_quota_is_asked_in_its_words() {
    let fake = FakeVendor::start().await;
    let desk = QuotaDesk::default();
    let quotas = desk.of(fake.asks("sk-ant-oat01-me"), None).await;
    let of = |provider: &str| {
        let found = quotas.iter().find(|quota| quota.provider == provider);
        let quota = found.unwrap_or_else(|| panic!("{provider}: {quotas:?}"));
        assert_eq!(quota.error, None, "{provider}");
        (
            quota.windows.clone(),
            quota.plan.clone().unwrap_or_default(),
        )
    };
    let at = |text: &str| Some(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
    let claude = vec![
        window("5h", 12.5, at("2026-11-23T18:00:00.123Z")),
        window("Week", 40.0, None),
        window("Sonnet", 3.0, at("2026-11-28T00:00:00Z")),
    ];
    assert_eq!(of("anthropic"), (claude, String::new()));
    let codex = vec![
        window("5h", 33.0, Some(1_790_000_000_000)),
        window("Week", 100.0, Some(1_790_500_000_000)),
    ];
    assert_eq!(of("openai-codex"), (codex, "Plus ($5.50)".to_owned()));
    let copilot = vec![window("Premium", 70.0, at("2026-12-01T00:00:00Z"))];
    assert_eq!(of("github-copilot"), (copilot, "Individual Pro".to_owned()));
    let zai = vec![
        window("5h", 20.0, Some(1_790_000_000_000)),
        window("Tools", 7.0, None),
    ];
    assert_eq!(of("zai"), (zai, "Pro".to_owned()));
    let openrouter = vec![window("Key", 25.0, None)];
    assert_eq!(of("openrouter"), (openrouter, String::new()));
    assert_eq!((quotas.len(), fake.asked()), (5, 5));
}

#[tokio::test(start_paused = true)]
async fn quotas_are_asked_for_once_a_minute_however_many_want_them() {
    let fake = FakeVendor::start().await;
    let desk = QuotaDesk::default();
    let asks = || fake.asks("sk-ant-oat01-me");
    let many = (0..20).map(|_| desk.of(asks(), None));
    let told = join_all(many).await;
    assert!(told.iter().all(|quotas| *quotas == told[0]));
    assert_eq!(fake.asked(), 5);
    *fake.down.lock().unwrap() = true;
    tokio::time::advance(KEEP).await;
    let later = desk.of(asks(), None).await;
    assert_eq!(fake.asked(), 10);
    for (before, after) in told[0].iter().zip(&later) {
        // What was known stays, with the reason why it is old.
        assert_eq!(before.windows, after.windows);
        assert!(after.error.is_some(), "{after:?}");
    }
}

/// A key is paid by use: nobody asks for its quota, and one that may not ask is told so.
#[tokio::test]
async fn who_may_not_ask_is_told_and_keys_without_quotas_are_left_out() {
    let fake = FakeVendor::start().await;
    let refused = &fake.asks("sk-ant-oat01-other")[..];
    let refused = refused
        .iter()
        .find(|ask| ask.source.provider == "anthropic");
    let quota = refused.unwrap().quota(None).await;
    assert!(quota.error.unwrap().contains("403"));
    let none = fake.asks("sk-ant-api03-another");
    assert!(none.iter().all(|ask| ask.source.provider != "anthropic"));
}

#[test]
fn answers_of_other_shapes_are_no_quota() {
    for source in SOURCES {
        for odd in [
            json!(null),
            json!([]),
            json!({ "data": 1 }),
            json!({ "error": "x" }),
        ] {
            assert_eq!((source.read)(&odd), None, "{}: {odd}", source.provider);
        }
    }
    let endless = json!({ "data": { "usage": 3.0, "limit": null, "is_free_tier": false } });
    let told = read::openrouter(&endless).unwrap();
    assert_eq!(shown(vec![SOURCES[4].quota(Ok(told))]), []);
}
