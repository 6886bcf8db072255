//! `openclaw health` and `openclaw status` tell the truth within 30 s of any break, and again when it is mended.
//!
//! Each part is broken from outside, and the command line is asked as a person would ask it, until it says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::time::{Duration, Instant};

use openclaw_support::disk::Disk;
use openclaw_support::gateway::{Gateway, Home, merge, pause};
use openclaw_support::line;
use openclaw_support::model::{FakeModel, Wire};
use openclaw_support::proxy::{Proxy, Weather};
use openclaw_support::skip;
use openclaw_support::telegram::{FakeTelegram, Person, TOKEN as BOT, USERNAME};
use serde_json::{Value, json};

/// The promise.
const WITHIN: Duration = Duration::from_secs(30);

struct Scene {
    home: Home,
    telegram: FakeTelegram,
    model: FakeModel,
    platform: Proxy,
    provider: Proxy,
}

impl Scene {
    async fn new() -> Self {
        let telegram = FakeTelegram::start().await;
        let model = FakeModel::start().await;
        let platform = behind(&telegram.root()).await;
        let provider = behind(&model.base_url()).await;
        let mut settings = model.config(Wire::Openai);
        merge(
            &mut settings,
            json!({
                "channels": { "telegram": {
                    "botToken": BOT, "apiRoot": platform.root(), "dmPolicy": "open", "allowFrom": ["*"],
                } },
                "models": { "providers": { "fake": { "baseUrl": format!("{}/v1", provider.root()) } } },
            }),
        );
        let home = Home::new(env!("CARGO_BIN_EXE_openclaw"));
        home.write_config(settings);
        Self {
            home,
            telegram,
            model,
            platform,
            provider,
        }
    }

    /// Starts it, and sees that all is well.
    async fn start(&self) -> Gateway {
        let mut gateway = self.home.start("");
        gateway.ready().await;
        self.says("all is well", |said| said.is_up && said.problems.is_empty())
            .await;
        gateway
    }

    /// Asks both commands until both say it.
    async fn says(&self, what: &str, is_said: impl Fn(&Said) -> bool) -> Duration {
        let began = Instant::now();
        loop {
            let health = self.ask(&["--json", "health"], "");
            let status = self.ask(&["--json", "status"], "/gateway/health");
            if is_said(&health) && is_said(&status) {
                return began.elapsed();
            }
            assert!(
                began.elapsed() < WITHIN,
                "{what} is not said after {WITHIN:?}:\nhealth {health:?}\nstatus {status:?}"
            );
            pause().await;
        }
    }

    fn ask(&self, command: &[&str], at: &str) -> Said {
        let output = self.home.command(command).output().expect("it runs");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        let health = answer.pointer(at).unwrap_or(&Value::Null);
        let problems = health["problems"].as_array().cloned().unwrap_or_default();
        Said {
            is_up: output.status.success() && health["ok"] == true,
            problems: problems
                .iter()
                .map(|one| format!("{}: {}", text(&one["part"]), text(&one["message"])))
                .collect(),
            code: output.status.code(),
        }
    }

    fn write(&self, words: &str) {
        let person = Person::new(7, "Someone");
        self.telegram.push_message(BOT, &person, words);
    }
}

#[derive(Debug)]
struct Said {
    is_up: bool,
    problems: Vec<String>,
    code: Option<i32>,
}

impl Said {
    fn names(&self, part: &str) -> bool {
        self.problems.iter().any(|problem| problem.contains(part))
    }

    fn is_well(&self) -> bool {
        self.is_up && self.problems.is_empty()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

async fn behind(root: &str) -> Proxy {
    let address = root.trim_start_matches("http://");
    Proxy::start(address.parse().expect("an address")).await
}

#[tokio::test]
async fn a_platform_that_refuses_or_swallows_is_named_within_thirty_seconds() {
    let scene = Scene::new().await;
    let _gateway = scene.start().await;
    for weather in [Weather::Refuse, Weather::BlackHole, Weather::HalfOpen] {
        scene.platform.set(weather);
        let took = scene
            .says("the account is down", |said| {
                said.is_up && said.names("telegram/default")
            })
            .await;
        scene.platform.set(Weather::Clear);
        let back = scene.says("it is back", Said::is_well).await;
        println!("{weather:?}: said after {took:?}, mended after {back:?}");
    }
}

#[tokio::test]
async fn a_revoked_token_is_named_within_thirty_seconds_and_the_remedy_works() {
    let scene = Scene::new().await;
    let _gateway = scene.start().await;
    scene.telegram.revoke(BOT);
    scene
        .says("the token is refused", |said| {
            said.names("telegram/default")
        })
        .await;
    scene.telegram.add_bot(BOT, USERNAME);
    let restart = ["supervisor", "restart", "channels/telegram/default"];
    let done = scene.home.command(&restart).output().expect("it runs");
    assert!(done.status.success(), "{done:?}");
    scene.says("it is back", Said::is_well).await;
}

#[tokio::test]
async fn a_model_that_is_down_is_named_within_thirty_seconds_of_a_call() {
    let scene = Scene::new().await;
    let _gateway = scene.start().await;
    scene.provider.set(Weather::Refuse);
    scene.write("hello?");
    scene
        .says("the provider is down", |said| {
            said.is_up && said.names("providers/fake")
        })
        .await;
    scene.provider.set(Weather::Clear);
    scene.write("and now?");
    scene.says("it is back", Said::is_well).await;
    assert!(scene.model.count() > 0);
}

#[tokio::test]
async fn a_ledger_that_fails_or_hangs_is_told_within_thirty_seconds() {
    if skip::without_faults() {
        return;
    }
    let scene = Scene::new().await;
    let mut gateway = scene.start().await;
    let chaos = |params| {
        line::call(
            scene.home.port(),
            "supervisor.chaos",
            params,
            Duration::from_secs(5),
        )
    };
    let arm = |faults: &str| json!({ "action": "arm", "faults": faults });
    chaos(arm("ledger.before_commit=hang"))
        .await
        .expect("armed");
    scene.write("into the void");
    scene
        .says("the disk hangs", |said| {
            !said.is_up && said.names("the disk hangs")
        })
        .await;
    chaos(json!({ "action": "disarm" }))
        .await
        .expect("disarmed");
    scene.says("it is back", Said::is_well).await;

    chaos(arm("ledger.before_commit=err@1"))
        .await
        .expect("armed");
    scene.write("once more");
    // Exit code 69: nobody is there to ask.
    scene
        .says("the gateway is gone", |said| {
            !said.is_up && said.code == Some(69)
        })
        .await;
    let ended = gateway.exit(WITHIN).await.and_then(|status| status.code());
    assert_eq!(ended, Some(74), "{}", gateway.output());
    let _next = scene.start().await;
}

#[tokio::test]
async fn a_full_disk_is_told_within_thirty_seconds() {
    let scene = Scene::new().await;
    let Some(disk) = Disk::mount(&scene.home.state().join("ledger"), 16) else {
        skip::skipped("a small disk takes root");
        return;
    };
    let mut gateway = scene.start().await;
    disk.fill();
    // Fresh rows until one finds no room.
    for n in 0..200 {
        scene.write(&format!("{n} {}", "x".repeat(4_000)));
    }
    scene
        .says("the gateway is gone", |said| {
            !said.is_up && said.code == Some(69)
        })
        .await;
    let ended = gateway.exit(WITHIN).await.and_then(|status| status.code());
    assert_eq!(ended, Some(74), "{}", gateway.output());
    disk.free();
    let mut next = scene.home.start("");
    next.ready().await;
    scene.says("it is back", |said| said.is_up).await;
    drop(next);
    drop(disk);
}
