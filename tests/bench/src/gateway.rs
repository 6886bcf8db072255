//! What the running gateway costs.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use openclaw_support::gateway::{Gateway, Home, pause};
use openclaw_support::model::{FakeModel, KEY, Wire};
use openclaw_support::telegram::{FakeTelegram, TOKEN as BOT};
use serde_json::json;

use crate::process;
use crate::sample::{Sample, ms};
use crate::socket::Socket;
use crate::table::Table;

/// Size, start to listening, start to hello-ok.
pub(crate) async fn starts(bin: &str, scale: usize, table: &mut Table) {
    let size = std::fs::metadata(bin)
        .map(|file| file.len())
        .unwrap_or_default();
    table.row("binary", format!("{:.1} MB", size as f64 / 1e6), "≤ 20 MB");

    let home = Home::new(bin).config(json!({}));
    let mut listening = Sample::default();
    let mut hello = Sample::default();
    for _ in 0..4 * scale {
        let gateway = home.start("");
        listening.push(process::until_listening(gateway.port(), gateway.started));
        let socket = Socket::open(gateway.port()).await;
        hello.push(gateway.started.elapsed());
        drop(socket);
    }
    table.row(
        "start to listening, median",
        ms(listening.at(500)),
        "≤ 20 ms",
    );
    table.row("start to the first hello-ok, median", ms(hello.at(500)), "");
}

/// Memory and CPU at rest, `health`, idle sockets.
pub(crate) async fn idle(bin: &str, scale: usize, table: &mut Table) {
    let telegram = FakeTelegram::start().await;
    let home = Home::new(bin).config(json!({
        "channels": { "telegram": { "botToken": BOT, "apiRoot": telegram.root() } },
    }));
    let mut gateway = home.start("");
    gateway.ready().await;
    rest(Duration::from_secs(3)).await;
    let memory = process::memory(gateway.pid());
    table.row("idle RSS, one Telegram account", mb(memory.rss), "");
    table.row("idle PSS, one Telegram account", mb(memory.pss), "≤ 15 MB");
    let (before, since) = (process::cpu(gateway.pid()), Instant::now());
    rest(Duration::from_secs(2 * scale as u64)).await;
    let used = (process::cpu(gateway.pid()) - before).as_secs_f64() / since.elapsed().as_secs_f64();
    table.row(
        "idle CPU, share of one core",
        format!("{:.2} %", used * 100.0),
        "≤ 1 %",
    );

    let mut socket = Socket::open(gateway.port()).await;
    let mut health = Sample::default();
    for _ in 0..1000 * scale {
        let start = Instant::now();
        socket.request("health", json!({})).await;
        health.push(start.elapsed());
    }
    table.row(
        "health over one socket, p50",
        ms(health.at(500)),
        "≤ 0.2 ms",
    );
    table.row("health over one socket, p99", ms(health.at(990)), "");
    table.row(
        "health, 32 sockets",
        rate(health_rate(&gateway, 300 * scale).await),
        "",
    );

    let before = process::memory(gateway.pid()).pss;
    let mut sockets = Vec::new();
    for _ in 0..2000 {
        sockets.push(Socket::open(gateway.port()).await);
    }
    rest(Duration::from_secs(1)).await;
    let grown = process::memory(gateway.pid()).pss.saturating_sub(before);
    table.row(
        "2,000 idle sockets, each",
        format!("{:.1} KB", grown as f64 / 2000.0),
        "",
    );
}

/// Whole turns against a model that answers at once.
pub(crate) async fn turns(bin: &str, scale: usize, table: &mut Table) {
    let model = FakeModel::start().await;
    let mut settings = model.config(Wire::Openai);
    // One client has three quarters of the places: enough for all sessions, as the work is measured and not the line.
    settings["agents"]["defaults"]["maxConcurrent"] = json!(32);
    let home = Home::new(bin).config(settings);
    let mut gateway = home.start("");
    gateway.ready().await;

    let direct_client = reqwest::Client::new();
    let mut direct = Sample::default();
    let mut turn = Sample::default();
    let mut socket = Socket::open(gateway.port()).await;
    socket.turn("main", "warm-up").await;
    // What a turn asks is what is asked directly: the fake reads the same request both times.
    let asked = model.requests().pop().expect("the warm-up asked");
    let body = asked.body.to_string();
    model.stop_recording();
    for n in 0..200 * scale {
        let start = Instant::now();
        direct_call(&direct_client, &model.base_url(), body.clone()).await;
        direct.push(start.elapsed());
        let start = Instant::now();
        socket.turn("main", &format!("one-{n}")).await;
        turn.push(start.elapsed());
        if n % 50 == 49 {
            // A short context: what is measured is the gateway, not the growth of a conversation.
            socket
                .request("sessions.reset", json!({ "key": "main" }))
                .await;
        }
    }
    let own = turn.at(500).saturating_sub(direct.at(500));
    table.row(
        "the fake model called directly, p50",
        ms(direct.at(500)),
        "",
    );
    table.row("turn over WebSocket, p50", ms(turn.at(500)), "");
    table.row("turn over WebSocket, p99", ms(turn.at(990)), "");
    table.row("own time of a turn, p50", ms(own), "≤ 1.5 ms");
    let (rate_of_turns, cpu) = turn_rate(&gateway, 50 * scale).await;
    table.row(
        "turns/s, 20 sessions, each turn journaled",
        rate(rate_of_turns),
        "≥ 1,000/s",
    );
    table.row("CPU of the gateway for each of them", ms(cpu), "");
}

async fn health_rate(gateway: &Gateway, each: usize) -> f64 {
    let mut sockets = Vec::new();
    for _ in 0..32 {
        sockets.push(Socket::open(gateway.port()).await);
    }
    let start = Instant::now();
    join_all(sockets.into_iter().map(|mut socket| async move {
        for _ in 0..each {
            socket.request("health", json!({})).await;
        }
    }))
    .await;
    (32 * each) as f64 / start.elapsed().as_secs_f64()
}

/// Turns in a second, and what one costs the gateway.
async fn turn_rate(gateway: &Gateway, each: usize) -> (f64, Duration) {
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(Socket::open(gateway.port()).await);
    }
    let before = process::cpu(gateway.pid());
    let start = Instant::now();
    join_all(
        sockets
            .into_iter()
            .enumerate()
            .map(|(nr, mut socket)| async move {
                let session = format!("agent:main:bench-{nr}");
                for n in 0..each {
                    socket.turn(&session, &format!("many-{nr}-{n}")).await;
                    if n % 50 == 49 {
                        socket
                            .request("sessions.reset", json!({ "key": session }))
                            .await;
                    }
                }
            }),
    )
    .await;
    let cpu = process::cpu(gateway.pid()) - before;
    let turns = 20 * each;
    (
        turns as f64 / start.elapsed().as_secs_f64(),
        cpu / u32::try_from(turns).unwrap_or(1),
    )
}

async fn direct_call(client: &reqwest::Client, url: &str, body: String) {
    let answer = client
        .post(format!("{url}/v1/chat/completions"))
        .bearer_auth(KEY)
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .expect("the fake answers");
    assert!(answer.text().await.expect("a body").contains("[DONE]"));
}

async fn rest(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        pause().await;
    }
}

fn mb(kib: u64) -> String {
    format!("{:.1} MB", kib as f64 / 1024.0)
}

fn rate(per_second: f64) -> String {
    format!("{per_second:.0}/s")
}
