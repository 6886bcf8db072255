//! Clients that break the rules: each gets the answer that the protocol names for it, memory stays flat, and an honest
//! client beside them notices nothing.
//!
//! Short by default; the full run, on a release build: `OPENCLAW_ABUSE=10000`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use openclaw_support::client::{Client, Hello, Refusal};
use openclaw_support::device::Device;
use openclaw_support::gateway::{Gateway, Home, TOKEN, pause};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// What abuse may cost, however long it goes on: the connections that there can be at once.
const FLAT: u64 = 80 * 1024 * 1024;
/// An honest client waits no longer than this on a machine that has everything to do.
const PATIENCE: Duration = Duration::from_secs(5);
/// Nobody waits for half a frame longer than for a hello.
const HELLO: Duration = Duration::from_secs(40);
/// Larger than any first frame may be.
const HUGE: usize = 128 * 1024;
const AN_HOUR_MS: i64 = 60 * 60 * 1000;

/// Ways to break the rules.
const WAYS: usize = 10;
/// Who break them at the same time.
const AT_ONCE: usize = 8;
/// Half-open connections that each of them holds.
const HELD: usize = 50;

/// Where to, and who is known there.
struct Target {
    address: SocketAddr,
    /// A device that may read, and its token.
    reader: (Device, String),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_abuse_gets_its_answer_and_an_honest_client_notices_nothing() {
    let rounds =
        std::env::var("OPENCLAW_ABUSE").map_or(20 * WAYS, |text| text.parse().expect("a number"));
    let home = Home::new(env!("CARGO_BIN_EXE_openclaw")).config(json!({}));
    let mut gateway = home.start("");
    gateway.ready().await;
    let over = Arc::new(AtomicBool::new(false));
    let honest = tokio::spawn(honest(gateway.client().await, Arc::clone(&over)));
    let address = SocketAddr::from(([127, 0, 0, 1], home.port()));
    let reader = paired_reader(address).await;
    let target = Arc::new(Target { address, reader });
    // The first of each way fills what is kept on purpose.
    let mut half_open = None;
    for n in 0..WAYS {
        half_open = half_open.or(target.abuse(n).await);
    }
    let before = gateway.rss();
    let began = Instant::now();
    let mut abusers = JoinSet::new();
    for first in WAYS..WAYS + AT_ONCE {
        let target = Arc::clone(&target);
        abusers.spawn(async move {
            let mut held = VecDeque::new();
            for n in (first..rounds).step_by(AT_ONCE) {
                held.extend(target.abuse(n).await);
                if held.len() > HELD {
                    held.pop_front();
                }
            }
            held
        });
    }
    let held = abusers.join_all().await;
    let took = began.elapsed();
    let peak = gateway.rss();
    let mut half_open = half_open.expect("one that says half a word").patient(HELLO);
    let (code, reason) = half_open.closed().await;
    assert_eq!(
        (code, reason.as_str()),
        (1000, ""),
        "it said no hello in time"
    );
    over.store(true, Ordering::SeqCst);
    let (asked, slowest) = honest.await.expect("the honest client is served");
    drop(held);
    let after = settled(&gateway, before).await;
    println!(
        "{rounds} abuses in {took:?}; RSS {before} before, {peak} with them, {after} after; {asked} honest questions, \
         the slowest {slowest:?}"
    );
    assert!(peak < before + FLAT, "memory grew from {before} to {peak}");
    assert!(asked > 0, "nobody honest asked");
    assert!(slowest < PATIENCE, "an honest client waited {slowest:?}");
    let output = gateway.output();
    assert!(!output.contains("panicked"), "{output}");
}

/// Pairs a device that may read; it comes back with its token.
async fn paired_reader(address: SocketAddr) -> (Device, String) {
    let device = Device::new(8);
    let hello = Hello::new(4, 4).scopes(&["operator.read"]).token(TOKEN);
    let client = Client::connect(address, hello.device(&device)).await;
    let client = client.expect("it knows the secret");
    let token = client.hello["auth"]["deviceToken"].as_str();
    let token = token.expect("a token of its own").to_owned();
    client.close().await;
    (device, token)
}

impl Target {
    /// Breaks the rules in one way; answers a connection that goes on doing so.
    async fn abuse(&self, n: usize) -> Option<Client> {
        let device = Device::new(7);
        let hello = || Hello::new(4, 4).token(TOKEN).device(&device);
        match n % WAYS {
            0 => self.closes(&"x".repeat(HUGE), 1009).await,
            1 => self.closes("{ this is no JSON", 1000).await,
            2 => self.closes(r#"{"type":"hello"}"#, 1008).await,
            3 => {
                let early = r#"{"type":"req","id":"1","method":"health","params":{}}"#;
                self.closes(early, 1008).await;
            }
            4 => {
                let mut silent = Client::open(self.address, &[]).await.expect("an upgrade");
                silent.half_a_frame().await;
                return Some(silent);
            }
            5 => {
                let nonce = Some(Some("of-yesterday".into()));
                let replayed = hello().altered(|device| device.nonce = nonce);
                self.refused(replayed, "DEVICE_AUTH_NONCE_MISMATCH").await;
            }
            6 => {
                let skewed = hello().altered(|device| device.skew_ms = -AN_HOUR_MS);
                self.refused(skewed, "DEVICE_AUTH_SIGNATURE_EXPIRED").await;
            }
            7 => {
                let forged = hello().altered(|device| device.is_forged = true);
                self.refused(forged, "DEVICE_AUTH_SIGNATURE_INVALID").await;
            }
            8 => {
                let (device, token) = &self.reader;
                let auth = json!({ "deviceToken": token });
                let more = Hello::new(4, 4).with("auth", auth).device(device);
                self.refused(more, "AUTH_SCOPE_MISMATCH").await;
            }
            _ => self.reads_only().await,
        }
        None
    }

    /// A client with the right to read that wants to change something.
    async fn reads_only(&self) {
        let (device, token) = &self.reader;
        let hello = Hello::new(4, 4).scopes(&["operator.read"]).device(device);
        let hello = hello.with("auth", json!({ "deviceToken": token }));
        let mut reader = Client::connect(self.address, hello)
            .await
            .expect("a reader");
        let params = json!({ "raw": "{}", "baseHash": "0" });
        let refused = reader.call("config.set", params).await;
        let error = refused.expect_err("it has no right to");
        assert_eq!(error["code"], "FORBIDDEN", "{error}");
        reader.close().await;
    }

    async fn closes(&self, text: &str, code: u16) {
        let mut stranger = Client::open(self.address, &[]).await.expect("an upgrade");
        stranger.try_raw(text).await;
        let (closed, reason) = stranger.closed().await;
        assert_eq!(closed, code, "{reason}");
    }

    async fn refused(&self, hello: Hello, why: &str) {
        match Client::connect(self.address, hello).await {
            Err(Refusal::Connect(error, 1008, _)) => assert_eq!(code(&error), why, "{error}"),
            other => panic!("not refused with {why}: {other:?}"),
        }
    }
}

fn code(error: &Value) -> &str {
    error["details"]["code"].as_str().unwrap_or_default()
}

/// Asks one question after the other, until told that it is over.
async fn honest(mut client: Client, over: Arc<AtomicBool>) -> (u64, Duration) {
    let (mut asked, mut slowest) = (0, Duration::ZERO);
    while !over.load(Ordering::SeqCst) {
        let began = Instant::now();
        let health = client.call("health", json!({})).await;
        assert!(health.is_ok(), "{health:?}");
        client.forget_events();
        (asked, slowest) = (asked + 1, slowest.max(began.elapsed()));
        pause().await;
    }
    (asked, slowest)
}

/// Waits until the memory is flat again.
async fn settled(gateway: &Gateway, before: u64) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let now = gateway.rss();
        if now < before + FLAT / 2 {
            return now;
        }
        assert!(Instant::now() < deadline, "{now} bytes, {before} before");
        pause().await;
    }
}
