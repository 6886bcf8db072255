//! Chaos: steady load, and from a printed seed everything that can go wrong; nothing may be lost, doubled or left hanging.
//!
//! Two minutes by default; `OPENCLAW_CHAOS_SECONDS=3600` for an hour, `OPENCLAW_SEED` for the faults of an earlier run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openclaw_support::dice::Dice;
use openclaw_support::disk::Disk;
use openclaw_support::gateway::{Home, merge};
use openclaw_support::model::{FakeModel, Reply, Wire};
use openclaw_support::proxy::Proxy;
use openclaw_support::skip;
use openclaw_support::telegram::{FakeTelegram, TOKEN as ALPHA};
use serde_json::{Value, json};

use self::load::Load;
use self::scene::Scene;

mod load;
#[path = "../oracle/mod.rs"]
mod oracle;
mod plan;
mod scene;

const BETA: &str = "777000:OTHER-test-token-0123456789-abcdefghij";

/// Where faults are put into the code, beside those of whole actors.
const POINTS: &[&str] = &[
    "channel.before_poll",
    "channel.after_poll",
    "ledger.before_commit.append_inbound",
    "ledger.after_commit.append_inbound",
    "ledger.before_commit.accept",
    "ledger.after_commit.accept",
    "ws.before_ack",
    "ws.after_ack",
    "ledger.before_commit.begin_turn",
    "ledger.after_commit.begin_turn",
    "turn.before_call",
    "turn.after_call",
    "ledger.before_commit.step_intent",
    "ledger.after_commit.step_intent",
    "tool.before_run",
    "tool.after_run",
    "ledger.before_commit.step_result",
    "ledger.after_commit.step_result",
    "turn.before_commit",
    "ledger.before_commit.commit_turn",
    "ledger.after_commit.commit_turn",
    "turn.after_commit",
    "transcript.before_append",
    "transcript.after_append",
    "ledger.before_commit.claim_outbox",
    "ledger.after_commit.claim_outbox",
    "channel.before_send",
    "channel.after_send",
    "ledger.before_commit.mark_sent",
    "ledger.after_commit.mark_sent",
];

/// The longest a message may take to come to its end once all is well again: some back-offs and a turn's deadline.
const DRAIN: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_under_chaos() {
    if skip::without_faults() {
        return;
    }
    let time = Duration::from_secs(number("OPENCLAW_CHAOS_SECONDS", 120));
    let rate = u32::try_from(number("OPENCLAW_CHAOS_RATE", 6)).expect("a rate");
    let mut dice = Dice::from_environment("chaos");
    let mut scene = set_up(time).await;
    let means = scene.means();
    if !means.clock || !means.disk {
        println!("left out here: {means:?} (libfaketime, and root for a tmpfs)");
    }
    let mut workers = vec![tokio::spawn(Arc::clone(&scene.load).write(rate))];
    workers.extend((0..4).map(|who| tokio::spawn(Arc::clone(&scene.load).say(who))));

    let began = Instant::now();
    let mut faults: BTreeMap<String, usize> = BTreeMap::new();
    scene.hold(Duration::from_secs(2)).await;
    while began.elapsed() < time {
        let fault = plan::draw(&mut dice, POINTS, means);
        let done = scene.inflict(&fault).await;
        println!(
            "{:>7.1} s  {fault:?}  {done}",
            began.elapsed().as_secs_f32()
        );
        *faults.entry(fault.word()).or_default() += 1;
        let calm = Duration::from_millis(dice.between(200, 1_500));
        scene.hold(calm).await;
    }
    scene.load.end();
    for worker in workers {
        worker.await.expect("the load");
    }
    let healed = Instant::now();
    scene.drain(DRAIN).await;
    println!(
        "{} faults in {:?}, drained after {:?}: {faults:?}",
        faults.values().sum::<usize>(),
        began.elapsed(),
        healed.elapsed()
    );
    println!(
        "{} starts; ends: {:?}; largest RSS {:.1} MB",
        scene.starts,
        scene.exits,
        scene.largest_rss / 1e6
    );
    compare(&scene, faults.values().sum());
}

fn compare(scene: &Scene, faults: usize) {
    let book = scene.load.book();
    let oracle = oracle::Oracle::open(&scene.home);
    let mut all = Vec::new();
    for (account, fake) in [("alpha", &scene.load.alpha), ("beta", &scene.load.beta)] {
        let pushed: BTreeMap<String, i64> = book
            .pushed
            .iter()
            .filter(|(_, (of, _))| *of == account)
            .map(|(marker, (_, chat))| (marker.clone(), *chat))
            .collect();
        let ends = oracle.messages(account, &pushed, &fake.sent());
        println!("{account}: {} messages, {ends:?}", pushed.len());
        assert!(
            ends.answered * 2 > pushed.len(),
            "most messages should be answered: {ends:?}"
        );
        let wrong: Vec<_> = fake
            .calls()
            .into_iter()
            .filter(|call| call.status == 400)
            .collect();
        assert!(wrong.is_empty(), "the platform refused: {wrong:#?}");
        all.push(ends);
    }
    let (ends, _) = oracle.requests(book.said.keys());
    println!("clients: {} requests, {ends:?}", book.said.len());
    oracle.transcripts(&scene.home);
    let refusals = scene.model.refusals();
    assert!(refusals.is_empty(), "the model refused: {refusals:#?}");
    // What is unknown has a cause: no fault can catch more sends than an account has in hand.
    let unknown: usize = all.iter().map(|ends| ends.unknown).sum();
    assert!(
        unknown <= faults * 16,
        "{unknown} unknown from {faults} faults"
    );
    assert!(
        scene.strange.is_empty(),
        "strange ends: {:?}",
        scene.strange
    );
    assert!(
        scene.largest_rss < 300e6,
        "it grew to {} bytes",
        scene.largest_rss
    );
}

async fn set_up(time: Duration) -> Scene {
    let (alpha, beta) = (FakeTelegram::start().await, FakeTelegram::start().await);
    beta.add_bot(BETA, "OtherBot");
    let model = FakeModel::start().await;
    model.answer_with(echo_or_note);
    if time > Duration::from_secs(600) {
        model.stop_recording();
    }
    let mut wires = BTreeMap::new();
    for (name, to) in [
        ("alpha", alpha.root()),
        ("beta", beta.root()),
        ("model", model.base_url()),
    ] {
        let address = to
            .trim_start_matches("http://")
            .parse()
            .expect("an address");
        wires.insert(name, Proxy::start(address).await);
    }
    let account = |wire: &str, token: &str| {
        json!({
            "botToken": token, "apiRoot": wires[wire].root(), "dmPolicy": "open", "allowFrom": ["*"],
        })
    };
    let mut settings = model.config(Wire::Openai);
    merge(
        &mut settings,
        json!({
            "channels": { "telegram": { "accounts": {
                "alpha": account("alpha", ALPHA), "beta": account("beta", BETA),
            } } },
            "agents": { "defaults": { "timeoutSeconds": 15 } },
            "models": { "providers": { "fake": { "baseUrl": format!("{}/v1", wires["model"].root()) } } },
        }),
    );
    let mut home = Home::new(env!("CARGO_BIN_EXE_openclaw"));
    let disk = Disk::mount(&home.state(), 256 + time.as_secs());
    let clock = faketime().map(|library| {
        let clock = home.dir().join("clock");
        std::fs::write(&clock, "+0").expect("the clock");
        home.set_env("LD_PRELOAD", library.to_string_lossy());
        home.set_env("FAKETIME_TIMESTAMP_FILE", clock.to_string_lossy());
        // Timers run on the steady clock, which no jump of the wall clock moves.
        home.set_env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        home.set_env("DONT_FAKE_MONOTONIC", "1");
        home.set_env("FAKETIME_CACHE_DURATION", "1");
        home.set_env("NO_FAKE_STAT", "1");
        clock
    });
    home.write_config(settings);
    let load = Load::new(alpha, beta, home.port());
    Scene::new(home, disk, clock, load, model, wires)
}

/// Debian's `faketime` puts it here.
fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    folders
        .flatten()
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.exists())
}

/// Answers with what was said; on "tool …" only after the model's call of a tool was answered.
fn echo_or_note(request: &Value) -> Reply {
    let messages = request["messages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let said = messages
        .iter()
        .rfind(|message| message["role"] == "user")
        .map(|message| message["content"].to_string());
    let said = said.unwrap_or_default();
    let is_answered = messages
        .last()
        .is_some_and(|message| message["role"] == "tool");
    if said.contains("tool ") && !is_answered {
        return Reply::call("memory_note", json!({ "text": said }));
    }
    Reply::text(&format!("You said {}", said.replace('"', "")))
}

fn number(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(otherwise, |text| text.parse().expect("a number"))
}
