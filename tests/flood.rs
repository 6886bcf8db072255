//! Floods: of messages on one account, of connections that say nothing, of bytes. Memory stays flat and the others are served.
//!
//! Scaled down by default; the full promise: `OPENCLAW_FLOOD=100000 OPENCLAW_CONNECTIONS=10000` on a release build.

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
use openclaw_support::gateway::{Home, TOKEN, merge, pause};
use openclaw_support::line;
use openclaw_support::model::{FakeModel, Reply, Wire};
use openclaw_support::telegram::{FakeTelegram, Person, TOKEN as BOT};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const OTHER_BOT: &str = "777000:OTHER-test-token-0123456789-abcdefghij";
/// Who asks on the quiet account: the first of so many people, in turn. One alone would have thousands of messages behind
/// them at the end of a long flood, and wait for those.
const ASKER: i64 = 9;
const ASKERS: usize = 100;
/// What a flood may cost, whatever its length: buffers of the connections and the turns there can be at once.
const FLAT: u64 = 80 * 1024 * 1024;

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_on_one_account_leaves_memory_flat_and_the_other_account_quick() {
    let count = number("OPENCLAW_FLOOD", 2_000);
    let (loud, quiet) = (FakeTelegram::start().await, FakeTelegram::start().await);
    quiet.add_bot(OTHER_BOT, "OtherBot");
    let model = FakeModel::start().await;
    model.stop_recording();
    model.answer_with(|request| {
        let messages = request["messages"].as_array();
        let last = messages.and_then(|messages| messages.last());
        let said = last.map(|message| message["content"].to_string());
        Reply::text(&said.unwrap_or_default().replace('"', ""))
    });
    let account = |telegram: &FakeTelegram, token: &str| json!({ "botToken": token, "apiRoot": telegram.root(), "dmPolicy": "open", "allowFrom": ["*"] });
    let mut settings = model.config(Wire::Openai);
    merge(
        &mut settings,
        json!({ "channels": { "telegram": { "accounts": {
            "loud": account(&loud, BOT), "quiet": account(&quiet, OTHER_BOT),
        } } } }),
    );
    let home = Home::new(env!("CARGO_BIN_EXE_openclaw")).config(settings);
    let mut gateway = home.start("");
    gateway.ready().await;

    let mut calm = Vec::new();
    for n in 0..60 {
        calm.push(asked(&quiet, n, &format!("before{n}.")).await);
    }
    let before = gateway.rss();
    for n in 0..count {
        let person = Person::new(1_000 + i64::try_from(n % 500).expect("a number"), "Crowd");
        loud.push_message(BOT, &person, &format!("flood{n}."));
    }
    let began = Instant::now();
    let (mut during, mut peak) = (Vec::new(), 0);
    let deadline = Duration::from_secs(60)
        + Duration::from_millis(40) * u32::try_from(count).expect("a number");
    while loud.sent_count() < count {
        let n = during.len();
        during.push(asked(&quiet, n, &format!("during{n}.")).await);
        peak = peak.max(gateway.rss());
        assert!(
            began.elapsed() < deadline,
            "{} of {count} answered",
            loud.sent_count()
        );
    }
    let took = began.elapsed();
    let (calm_p99, during_p99) = (p99(&mut calm), p99(&mut during));
    println!(
        "{count} messages answered in {took:?}; RSS {:.1} MB before, {:.1} MB at most; the other account: p99 {calm_p99:?} \
         before, {during_p99:?} during ({} questions)",
        mb(before),
        mb(peak),
        during.len()
    );
    assert!(
        !during.is_empty(),
        "the flood was over before anybody asked"
    );
    assert!(
        peak < before + FLAT,
        "memory grew by {:.1} MB",
        mb(peak - before)
    );
    // The flood and the fakes take the whole machine here; what must not happen is that anybody stands in its queue.
    assert!(
        during_p99 < calm_p99 * 5 + Duration::from_millis(500),
        "the other account waits: {during_p99:?} instead of {calm_p99:?}"
    );
    assert_eq!(loud.sent_count(), count, "each was answered once");
}

async fn asked(telegram: &FakeTelegram, n: usize, text: &str) -> Duration {
    let began = Instant::now();
    let asker = ASKER + i64::try_from(n % ASKERS).expect("a number");
    telegram.push_message(OTHER_BOT, &Person::new(asker, "Asker"), text);
    let what = format!("an answer to {text}");
    telegram
        .wait(&what, Duration::from_secs(30), |fake| {
            fake.last_text().filter(|last| last.contains(text))
        })
        .await;
    began.elapsed()
}

fn p99(times: &mut [Duration]) -> Duration {
    times.sort();
    times
        .get((times.len() * 99 / 100).min(times.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^52")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_silent_connections_leaves_memory_flat_and_honest_clients_served() {
    let count = number("OPENCLAW_CONNECTIONS", 3_000);
    let home = Home::new(env!("CARGO_BIN_EXE_openclaw")).config(json!({}));
    let mut gateway = home.start("");
    gateway.ready().await;
    let address = SocketAddr::from(([127, 0, 0, 1], home.port()));
    let before = gateway.rss();
    let mut held = Vec::with_capacity(count);
    let (mut peak, mut served) = (0, Vec::new());
    for n in 0..count {
        held.push(silent(address, n).await);
        if n % 200 == 199 {
            let began = Instant::now();
            let health = line::call(home.port(), "health", json!({}), Duration::from_secs(10));
            let health = health.await;
            assert!(
                health.is_ok(),
                "an honest client is turned away after {n} silent ones: {health:?}"
            );
            served.push(began.elapsed());
            peak = peak.max(gateway.rss());
        }
    }
    println!(
        "{count} silent connections; RSS {:.1} MB before, {:.1} MB at most; {} honest clients served, the slowest in {:?}",
        mb(before),
        mb(peak),
        served.len(),
        served.iter().max()
    );
    assert!(
        peak < before + FLAT,
        "memory grew by {:.1} MB",
        mb(peak - before)
    );
    let open = line::metrics(home.port()).await["http_connections"];
    assert!(open <= 1_100.0, "{open} connections are open");
    drop(held);
}

/// A connection that takes a place: it says nothing, half a request, or becomes a WebSocket that never says who it is.
async fn silent(address: SocketAddr, n: usize) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let said = match n % 3 {
        0 => "",
        1 => "GET / HTTP/1.1\r\nhost: slow",
        _ => {
            "GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        }
    };
    stream.write_all(said.as_bytes()).await.ok()?;
    Some(stream)
}

#[tokio::test]
async fn oversize_frames_are_refused_and_cost_nothing() {
    let home = Home::new(env!("CARGO_BIN_EXE_openclaw")).config(json!({}));
    let mut gateway = home.start("");
    gateway.ready().await;
    let address = SocketAddr::from(([127, 0, 0, 1], home.port()));
    let before = gateway.rss();
    for _ in 0..20 {
        let mut stranger = Client::open(address, &[]).await.expect("an upgrade");
        stranger.try_raw(&"x".repeat(1024 * 1024)).await;
        assert_eq!(stranger.closed().await.0, 1009, "before it said who it is");
    }
    let mut friend = Client::connect(address, Hello::new(3, 4).token(TOKEN))
        .await
        .expect("it is let in");
    let limit = friend.hello["policy"]["maxPayload"]
        .as_u64()
        .expect("a limit");
    friend
        .try_raw(&"x".repeat(usize::try_from(limit).expect("a size") + 1))
        .await;
    assert_eq!(friend.closed().await.0, 1009);
    let deadline = Instant::now() + Duration::from_secs(10);
    while gateway.rss() > before + FLAT {
        assert!(
            Instant::now() < deadline,
            "{:.1} MB stay",
            mb(gateway.rss())
        );
        pause().await;
    }
    let health = line::call(home.port(), "health", json!({}), Duration::from_secs(10)).await;
    assert!(health.is_ok(), "{health:?}");
}
