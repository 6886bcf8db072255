//! One fault stays one fault: the other account and the other session notice nothing.

use std::time::{Duration, Instant};

use openclaw_support::client::Client;
use openclaw_support::gateway::{Gateway, Home, TOKEN, wait_until};
use openclaw_support::model::{ModelServer, Reply};
use openclaw_support::telegram::Telegram;
use serde_json::{Value, json};

struct Scene {
    home: Home,
    alpha: Telegram,
    beta: Telegram,
    model: ModelServer,
}

impl Scene {
    /// Two Telegram accounts at two Bot API servers, one model.
    async fn new() -> Self {
        let (alpha, beta, model) = (Telegram::start().await, Telegram::start().await, ModelServer::echo().await);
        let account = |telegram: &Telegram| {
            json!({ "botToken": telegram.token(), "apiRoot": telegram.url(), "dmPolicy": "open", "allowFrom": ["*"] })
        };
        let home = Home::new(env!("CARGO_BIN_EXE_openclaw")).config(json!({
            "channels": { "telegram": { "accounts": { "alpha": account(&alpha), "beta": account(&beta) } } },
            "models": { "providers": { "fake": {
                "baseUrl": format!("{}/v1", model.url()), "apiKey": "key", "api": "openai-completions",
                "models": [{ "id": "fake", "name": "Fake" }],
            } } },
            "agents": { "defaults": { "model": { "primary": "fake/fake" }, "timeoutSeconds": 3 } },
        }));
        Self { home, alpha, beta, model }
    }
}

/// Restarts below `path` in the supervision tree.
async fn restarts(client: &mut Client, path: &str) -> u64 {
    let tree = client.request("supervisor.tree", json!({})).await.expect("the tree");
    sum(&tree["tree"], path)
}

fn sum(node: &Value, path: &str) -> u64 {
    let own = node["path"].as_str().is_some_and(|p| p.contains(path));
    let own = if own { node["restarts"].as_u64().unwrap_or_default() } else { 0 };
    own + node["children"].as_array().into_iter().flatten().map(|child| sum(child, path)).sum::<u64>()
}

async fn answered(telegram: &Telegram, person: i64, text: &str, within: Duration) -> Duration {
    let start = Instant::now();
    telegram.push(person, person, text);
    let what = format!("an answer to {text}");
    wait_until(&what, within, || telegram.sent().iter().any(|one| one.text.contains(text))).await;
    start.elapsed()
}

async fn start(home: &Home, faults: &str) -> (Gateway, Client) {
    let mut gateway = home.start(faults);
    gateway.ready().await;
    let client = Client::connect(gateway.port(), TOKEN).await.expect("a client");
    (gateway, client)
}

fn has_faults() -> bool {
    let there = std::env::var_os("OPENCLAW_BIN").is_some();
    if !there {
        println!("skipped: needs a build with fault points in OPENCLAW_BIN; tests/run makes one");
    }
    there
}

#[tokio::test]
async fn a_panic_in_one_poller_leaves_the_other_account_alone() {
    if !has_faults() {
        return;
    }
    let scene = Scene::new().await;
    let (gateway, mut client) = start(&scene.home, "").await;
    answered(&scene.alpha, 1, "before-a", Duration::from_secs(10)).await;
    answered(&scene.beta, 2, "before-b", Duration::from_secs(10)).await;
    let arm = json!({ "path": "channels/telegram/alpha/poll", "action": "panic" });
    client.request("supervisor.chaos", arm).await.expect("the fault is armed");
    let back = answered(&scene.alpha, 1, "after-a", Duration::from_secs(10)).await;
    answered(&scene.beta, 2, "after-b", Duration::from_secs(10)).await;
    assert!(back < Duration::from_secs(1), "the victim was back after {back:?}");
    assert!(restarts(&mut client, "telegram/alpha").await >= 1, "{}", gateway.output());
    assert_eq!(restarts(&mut client, "telegram/beta").await, 0, "{}", gateway.output());
}

#[tokio::test]
async fn an_endless_loop_in_one_handler_is_replaced_while_the_rest_goes_on() {
    if !has_faults() {
        return;
    }
    let scene = Scene::new().await;
    let (gateway, mut client) = start(&scene.home, "").await;
    answered(&scene.alpha, 1, "before-a", Duration::from_secs(10)).await;
    let quiet = answered(&scene.beta, 2, "before-b", Duration::from_secs(10)).await;
    let arm = json!({ "path": "channels/telegram/alpha/poll", "action": "spin" });
    client.request("supervisor.chaos", arm).await.expect("the fault is armed");
    let other = answered(&scene.beta, 2, "during-b", Duration::from_secs(10)).await;
    assert!(other < quiet + Duration::from_millis(500), "the other account took {other:?}, before {quiet:?}");
    answered(&scene.alpha, 1, "after-a", Duration::from_secs(10)).await;
    assert_eq!(restarts(&mut client, "telegram/beta").await, 0, "{}", gateway.output());
}

#[tokio::test]
async fn a_hung_model_call_ends_at_its_deadline_and_only_its_session_waits() {
    let scene = Scene::new().await;
    let (gateway, mut client) = start(&scene.home, "").await;
    scene.model.script([Reply::hang()]);
    scene.alpha.push(1, 1, "hangs");
    let model = &scene.model;
    wait_until("the model is asked", Duration::from_secs(10), || !model.requests().is_empty()).await;
    let other = answered(&scene.beta, 2, "meanwhile", Duration::from_secs(10)).await;
    assert!(other < Duration::from_secs(1), "the other session took {other:?}");
    let alpha = &scene.alpha;
    wait_until("a notice to the person", Duration::from_secs(15), || !alpha.sent().is_empty()).await;
    answered(&scene.alpha, 1, "next", Duration::from_secs(10)).await;
    assert_eq!(restarts(&mut client, "telegram").await, 0, "{}", gateway.output());
}
