//! One stream that many follow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use openclaw_support::gateway::{Gateway, Home, pause};
use openclaw_support::model::{FakeModel, Reply, Wire};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use crate::sample::{Sample, ms};
use crate::socket::Socket;
use crate::table::Table;

const CROWD: usize = 200;
/// Each answer has so many words, one every five milliseconds.
const WORDS: usize = 60;
const BEAT: Duration = Duration::from_millis(5);

/// The time of a turn that 200 clients follow beside that of one that nobody follows but its asker.
pub(crate) async fn followed(bin: &str, scale: usize, table: &mut Table) {
    let model = FakeModel::start().await;
    model.stop_recording();
    model.otherwise(Reply::tokens(WORDS).pause(BEAT));
    let home = Home::new(bin).config(model.config(Wire::Openai));
    let mut gateway = home.start("");
    gateway.ready().await;
    let mut socket = Socket::open(gateway.port()).await;
    socket.turn("main", "warm-up").await;
    let alone = turns(&mut socket, "alone", 6 * scale).await;
    let (over, read) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let mut crowd = gather(&gateway, &over, &read).await;
    let followed = turns(&mut socket, "followed", 6 * scale).await;
    over.store(true, Ordering::SeqCst);
    // What wakes those who wait for more.
    socket.turn("main", "the last").await;
    while crowd.join_next().await.is_some() {}
    // Each follower gets every turn: the text as it grows, in two events a word.
    let least = CROWD * 6 * scale * WORDS * 100;
    let read = read.load(Ordering::SeqCst);
    assert!(read > least, "the crowd read {read} bytes, not {least}");
    table.row("turn of 60 paced words, one client, p50", ms(alone), "");
    table.row(
        "the same with 200 clients that follow it, p50",
        ms(followed),
        "",
    );
    table.row(
        "turn with 200 followers, as a multiple of one",
        format!("{:.2}", followed.as_secs_f64() / alone.as_secs_f64()),
        "≤ 1.05",
    );
}

async fn turns(socket: &mut Socket, name: &str, count: usize) -> Duration {
    let mut sample = Sample::default();
    for n in 0..count {
        let start = Instant::now();
        socket.turn("main", &format!("{name}-{n}")).await;
        sample.push(start.elapsed());
        pause().await;
    }
    sample.at(500)
}

/// Connects the crowd: each reads what comes, without looking at it, so that little of the machine goes to the clients.
async fn gather(gateway: &Gateway, over: &Arc<AtomicBool>, read: &Arc<AtomicUsize>) -> JoinSet<()> {
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        let mut socket = Socket::open(gateway.port()).await;
        let follow = json!({ "key": "agent:main:main" });
        socket.request("sessions.messages.subscribe", follow).await;
        let mut stream = socket.into_stream();
        let (over, read) = (Arc::clone(over), Arc::clone(read));
        crowd.spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            while !over.load(Ordering::SeqCst) {
                let length = stream.read(&mut buffer).await.expect("it stays connected");
                assert!(length > 0, "a follower was closed");
                read.fetch_add(length, Ordering::SeqCst);
            }
        });
    }
    crowd
}
