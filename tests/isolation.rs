//! One fault stays one fault: the other account and the other session notice nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use openclaw_support::client::{Client, Hello};
use openclaw_support::device::Device;
use openclaw_support::gateway::{Gateway, Home, TOKEN, merge, wait_until};
use openclaw_support::line::{self, NoAnswer};
use openclaw_support::model::{FakeModel, Reply, Wire};
use openclaw_support::skip;
use openclaw_support::telegram::{FakeTelegram, Person, TOKEN as BOT};
use serde_json::{Value, json};

/// Who writes to the account beta.
const BETAS: i64 = 2;
const OTHER_BOT: &str = "777000:OTHER-test-token-0123456789-abcdefghij";

struct Scene {
    home: Home,
    alpha: FakeTelegram,
    beta: FakeTelegram,
    model: FakeModel,
}

impl Scene {
    /// Two Telegram accounts at two Bot API servers, one model that repeats what it hears.
    async fn new() -> Self {
        let (alpha, beta) = (FakeTelegram::start().await, FakeTelegram::start().await);
        let model = FakeModel::start().await;
        model.answer_with(|request| {
            let messages = request["messages"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            let said = messages
                .last()
                .map(|message| message["content"].to_string())
                .unwrap_or_default();
            Reply::text(&said.replace('"', ""))
        });
        // One token is good at one server only, but must differ for the gateway.
        beta.add_bot(OTHER_BOT, "OtherBot");
        let account = |telegram: &FakeTelegram, token: &str| json!({ "botToken": token, "apiRoot": telegram.root(), "dmPolicy": "open", "allowFrom": ["*"] });
        let mut settings = model.config(Wire::Openai);
        merge(
            &mut settings,
            json!({
                "channels": { "telegram": { "accounts": {
                    "alpha": account(&alpha, BOT), "beta": account(&beta, OTHER_BOT),
                } } },
                "agents": { "defaults": { "timeoutSeconds": 3 } },
            }),
        );
        Self {
            home: Home::new(env!("CARGO_BIN_EXE_openclaw")).config(settings),
            alpha,
            beta,
            model,
        }
    }
}

/// Restarts below `path` in the supervision tree.
async fn restarts(client: &mut Client, path: &str) -> u64 {
    let tree = client
        .call("supervisor.tree", json!({}))
        .await
        .expect("the tree");
    sum(&tree["tree"], path)
}

fn sum(node: &Value, path: &str) -> u64 {
    let own = node["path"].as_str().is_some_and(|p| p.contains(path));
    let own = if own {
        node["restarts"].as_u64().unwrap_or_default()
    } else {
        0
    };
    own + node["children"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|child| sum(child, path))
        .sum::<u64>()
}

async fn answered(telegram: &FakeTelegram, person: i64, text: &str, within: Duration) -> Duration {
    let start = Instant::now();
    push(telegram, person, text);
    let what = format!("an answer to {text}");
    wait_until(&what, within, || {
        telegram.sent().iter().any(|one| one.text.contains(text))
    })
    .await;
    start.elapsed()
}

fn push(telegram: &FakeTelegram, person: i64, text: &str) {
    let token = if person == BETAS { OTHER_BOT } else { BOT };
    telegram.push_message(token, &Person::new(person, "Someone"), text);
}

async fn start(home: &Home, faults: &str) -> (Gateway, Client) {
    let mut gateway = home.start(faults);
    gateway.ready().await;
    let client = gateway.client().await;
    (gateway, client)
}

#[tokio::test]
async fn a_panic_in_one_poller_leaves_the_other_account_alone() {
    if skip::without_faults() {
        return;
    }
    let scene = Scene::new().await;
    let (gateway, mut client) = start(&scene.home, "").await;
    answered(&scene.alpha, 1, "before-a", Duration::from_secs(10)).await;
    answered(&scene.beta, BETAS, "before-b", Duration::from_secs(10)).await;
    let arm = json!({ "path": "channels/telegram/alpha/poll", "action": "panic" });
    client
        .call("supervisor.chaos", arm)
        .await
        .expect("the fault is armed");
    let back = answered(&scene.alpha, 1, "after-a", Duration::from_secs(10)).await;
    answered(&scene.beta, BETAS, "after-b", Duration::from_secs(10)).await;
    assert!(
        back < Duration::from_secs(1),
        "the victim was back after {back:?}"
    );
    assert!(
        restarts(&mut client, "telegram/alpha").await >= 1,
        "{}",
        gateway.output()
    );
    assert_eq!(
        restarts(&mut client, "telegram/beta").await,
        0,
        "{}",
        gateway.output()
    );
}

#[tokio::test]
async fn an_endless_loop_in_one_handler_is_replaced_while_the_rest_goes_on() {
    if skip::without_faults() {
        return;
    }
    let scene = Scene::new().await;
    let (gateway, mut client) = start(&scene.home, "").await;
    answered(&scene.alpha, 1, "before-a", Duration::from_secs(10)).await;
    let quiet = answered(&scene.beta, BETAS, "before-b", Duration::from_secs(10)).await;
    let arm = json!({ "path": "channels/telegram/alpha/poll", "action": "hang" });
    client
        .call("supervisor.chaos", arm)
        .await
        .expect("the fault is armed");
    let other = answered(&scene.beta, BETAS, "during-b", Duration::from_secs(10)).await;
    assert!(
        other < quiet + Duration::from_millis(500),
        "the other account took {other:?}, before {quiet:?}"
    );
    push(&scene.alpha, 1, "after-a");
    let told = scene.alpha.wait_sent(2, Duration::from_secs(60));
    if tokio::time::timeout(Duration::from_secs(10), told)
        .await
        .is_err()
    {
        panic!("the victim is not back:\n{}", gateway.output());
    }
    assert_eq!(
        restarts(&mut client, "telegram/beta").await,
        0,
        "{}",
        gateway.output()
    );
}

#[tokio::test]
async fn a_hung_model_call_ends_at_its_deadline_and_only_its_session_waits() {
    let scene = Scene::new().await;
    let (gateway, mut client) = start(&scene.home, "").await;
    scene.model.push(Reply::hang());
    push(&scene.alpha, 1, "hangs");
    scene
        .model
        .until("a question", |model| model.count() == 1)
        .await;
    let other = answered(&scene.beta, BETAS, "meanwhile", Duration::from_secs(10)).await;
    assert!(
        other < Duration::from_secs(1),
        "the other session took {other:?}"
    );
    let alpha = &scene.alpha;
    let told = alpha.wait_sent(1, Duration::from_secs(60));
    if tokio::time::timeout(Duration::from_secs(15), told)
        .await
        .is_err()
    {
        panic!("no notice to the person:\n{}", gateway.output());
    }
    answered(&scene.alpha, 1, "next", Duration::from_secs(10)).await;
    assert_eq!(
        restarts(&mut client, "telegram").await,
        0,
        "{}",
        gateway.output()
    );
}

/// The line of the tree as a person sees it that names this.
fn drawn(scene: &Scene, name: &str, fact: &str) -> Option<String> {
    let tree = ["supervisor", "tree"];
    let output = scene.home.command(&tree).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .find(|line| line.contains(name) && line.contains(fact))
        .map(str::to_owned)
}

#[tokio::test]
async fn the_tree_shows_what_an_incident_needs() {
    if skip::without_faults() {
        return;
    }
    let scene = Scene::new().await;
    let (gateway, mut client) = start(&scene.home, "").await;
    let arm = |faults: &str| json!({ "action": "arm", "faults": faults });

    // A hung call: what it is, and for how long.
    scene.model.push(Reply::hang());
    push(&scene.beta, BETAS, "hangs");
    let mut line = None;
    wait_until("the hung call in the tree", Duration::from_secs(3), || {
        line = drawn(&scene, "call", "for ");
        line.is_some()
    })
    .await;

    // A busy handler: with which mail, and for how long.
    client
        .call("supervisor.chaos", arm("handle.router=hang@1"))
        .await
        .expect("armed");
    push(&scene.alpha, 1, "wakes the router");
    wait_until("the busy handler", Duration::from_secs(10), || {
        drawn(&scene, "router", "busy ").is_some()
    })
    .await;
    let busy = drawn(&scene, "router", "");
    client
        .call("supervisor.chaos", json!({ "action": "disarm" }))
        .await
        .expect("disarmed");

    // A parked account: how often, how it ended, where in the code, and when it is tried again.
    client
        .call(
            "supervisor.chaos",
            arm("handle.channels/telegram/alpha/poll=panic"),
        )
        .await
        .expect("armed");
    wait_until("the parked poller", Duration::from_secs(60), || {
        line = drawn(&scene, "poll", "parked");
        line.is_some()
    })
    .await;
    let parked = line.expect("a line");
    for fact in [
        "restarts ",
        "next try in ",
        "last: panicked: c-",
        "\"fault injected at handle.",
        ".rs:",
        " in ",
    ] {
        assert!(parked.contains(fact), "no \"{fact}\" in {parked}");
    }
    println!("{parked}\n{busy:?}");
    drop(gateway);
}

#[tokio::test]
async fn chaos_takes_the_right_to_administer_and_this_machine() {
    if skip::without_faults() {
        return;
    }
    let scene = Scene::new().await;
    let mut settings = json!({ "gateway": { "trustedProxies": ["127.0.0.1"] } });
    merge(
        &mut settings,
        serde_json::from_str(
            &std::fs::read_to_string(scene.home.state().join("openclaw.json")).expect("the config"),
        )
        .expect("JSON"),
    );
    scene.home.write_config(settings);
    let (gateway, mut client) = start(&scene.home, "").await;
    let hits = json!({ "action": "hits" });
    client
        .call("supervisor.chaos", hits.clone())
        .await
        .expect("with every right, from here");
    let scopes = ["operator.read", "operator.write"];
    let within = Duration::from_secs(5);
    let refused = line::call_with(
        scene.home.port(),
        &scopes,
        "supervisor.chaos",
        hits.clone(),
        within,
    )
    .await;
    assert!(
        matches!(&refused, Err(NoAnswer::Refused(error)) if error.to_string().contains("operator.admin")),
        "{refused:?}"
    );
    let address = SocketAddr::from(([127, 0, 0, 1], gateway.port()));
    // A device that was let in here keeps its rights elsewhere; without one, a caller from elsewhere has none.
    let hello = Hello::new(3, 4).token(TOKEN).device(&Device::new(1));
    let local = Client::connect(address, hello.clone()).await;
    local.expect("it is let in").close().await;
    let hello = hello.header("X-Forwarded-For", "203.0.113.9");
    let mut remote = Client::connect(address, hello).await.expect("it is let in");
    let refused = remote.call("supervisor.chaos", hits).await;
    assert!(
        matches!(&refused, Err(error) if error.to_string().contains("only taken from this machine")),
        "{refused:?}"
    );
}
