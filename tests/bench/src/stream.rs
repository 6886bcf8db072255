//! What the gateway adds to a model's stream, and what a model that hangs costs the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use openclaw_support::gateway::{Home, merge};
use openclaw_support::model::{FakeModel, KEY, Reply, Wire};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::process;
use crate::sample::{Sample, ms};
use crate::socket::Socket;
use crate::table::Table;

const STREAMS: usize = 20;
const TOKENS: usize = 100_000;
const HUNG: usize = 8;

/// When the first byte of each answer's text left the model, by the run that asked.
type Left = Arc<Mutex<HashMap<String, Instant>>>;

/// From the model's first byte to the first delta on the socket, while twenty answers stream at once.
pub(crate) async fn first_delta(bin: &str, scale: usize, table: &mut Table) {
    let left = Left::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let shared = Arc::clone(&left);
    #[allow(clippy::disallowed_methods)] // ends with the process
    let server = tokio::spawn(async move {
        let mut answers = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            answers.spawn(answer(stream, Arc::clone(&shared)));
        }
    });
    let home = Home::new(bin).config(json!({
        "agents": { "defaults": { "model": { "primary": "fake/fake-1" }, "maxConcurrent": 32 } },
        "models": { "providers": { "fake": {
            "baseUrl": url, "apiKey": KEY, "api": "openai-completions", "maxConcurrent": 32,
            "models": [{ "id": "fake-1", "contextWindow": 100_000 }],
        } } },
    }));
    let mut gateway = home.start("");
    gateway.ready().await;
    let mut sockets = Vec::new();
    for _ in 0..STREAMS {
        sockets.push(Socket::open(gateway.port()).await);
    }
    let rounds = 10 * scale;
    let of_each = sockets.into_iter().enumerate().map(|(nr, mut socket)| {
        let left = Arc::clone(&left);
        async move {
            let mut added = Sample::default();
            let session = format!("agent:main:stream-{nr}");
            for round in 0..=rounds {
                // People don't speak in chorus: each begins while the others' answers stream.
                tokio::time::sleep(Duration::from_millis(
                    ((nr * 7 + round * 13) % 20 * 9) as u64,
                ))
                .await;
                let run = format!("run-{nr}-{round}-end");
                let first = socket.turn_saying(&session, &run, &run).await;
                let left = left.lock().expect("no panic").remove(&run);
                if let (Some(first), Some(left), true) = (first, left, round > 0) {
                    added.push(first.duration_since(left));
                }
            }
            added
        }
    });
    let mut added = Sample::default();
    for one in join_all(of_each).await {
        added.extend(one);
    }
    server.abort();
    table.row(
        "model's first byte to the first delta, 20 streams, p50",
        ms(added.at(500)),
        "≤ 0.3 ms",
    );
    table.row(
        "model's first byte to the first delta, 20 streams, p99",
        ms(added.at(990)),
        "≤ 3 ms",
    );
}

/// Answers one connection's requests: each with thirty words, one every five milliseconds.
async fn answer(mut stream: TcpStream, left: Left) {
    stream.set_nodelay(true).ok();
    let mut buffer = Vec::new();
    loop {
        let mut piece = [0; 16 * 1024];
        let (head, whole) = loop {
            if let Some(found) = whole(&buffer) {
                break found;
            }
            match stream.read(&mut piece).await {
                Ok(length) if length > 0 => buffer.extend_from_slice(&piece[..length]),
                _ => return,
            }
        };
        let body = String::from_utf8_lossy(&buffer[head..whole]).into_owned();
        buffer.drain(..whole);
        // The message that is being answered is the last that names a run.
        let run = body.rfind("run-").and_then(|at| {
            let end = body[at..].find("-end")? + at;
            Some(body[at..end + 4].to_owned())
        });
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        if stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
        for word in 0..30 {
            let event = json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "fake-1",
                "choices": [{ "index": 0, "delta": { "content": format!("word{word} ") }, "finish_reason": null }] });
            let event = chunk(&format!("data: {event}\n\n"));
            if word == 0
                && let Some(run) = &run
            {
                left.lock()
                    .expect("no panic")
                    .insert(run.clone(), Instant::now());
            }
            if stream.write_all(event.as_bytes()).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let end = json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "fake-1",
            "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
        let end = chunk(&format!("data: {end}\n\ndata: [DONE]\n\n")) + "0\r\n\r\n";
        if stream.write_all(end.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// Where the body begins and ends, once it is whole.
fn whole(buffer: &[u8]) -> Option<(usize, usize)> {
    let head = buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
    let length = text.split("content-length:").nth(1)?.split("\r\n").next()?;
    let end = head + length.trim().parse::<usize>().ok()?;
    (buffer.len() >= end).then_some((head, end))
}

/// The processor time of an answer of 100,000 tokens, for each byte of the model's stream and of its text.
pub(crate) async fn long_answer(bin: &str, table: &mut Table) {
    let model = FakeModel::start().await;
    model.stop_recording();
    let home = Home::new(bin).config(model.config(Wire::Openai));
    let mut gateway = home.start("");
    gateway.ready().await;
    let mut socket = Socket::open(gateway.port()).await;
    socket.turn("main", "warm-up").await;
    let reply = Reply::tokens(TOKENS);
    let sent = openclaw_support::model::stream(Wire::Openai, &reply).len();
    let text: usize = (1..=TOKENS).map(|n| format!(" w{n}").len()).sum();
    model.push(reply);
    let before = process::cpu(gateway.pid());
    socket.turn("main", "long").await;
    let used = (process::cpu(gateway.pid()) - before).as_secs_f64() * 1e6;
    table.row(
        "answer of 100,000 tokens, CPU for each byte of its stream",
        format!("{:.3} µs", used / sent as f64),
        "≤ 1 µs",
    );
    table.row(
        "answer of 100,000 tokens, CPU for each byte of its text",
        format!("{:.3} µs", used / text as f64),
        "",
    );
}

/// Turns over one provider while all calls of another hang.
pub(crate) async fn beside_a_hung_one(bin: &str, scale: usize, table: &mut Table) {
    let (good, hung) = (FakeModel::start().await, FakeModel::start().await);
    good.stop_recording();
    hung.otherwise(Reply::hang());
    let mut settings = good.config(Wire::Openai);
    let other = hung.config(Wire::Openai)["models"]["providers"]["fake"].take();
    merge(
        &mut settings,
        json!({
            "models": { "providers": { "hung": other } },
            "agents": {
                "defaults": { "maxConcurrent": 32 },
                "list": [{ "id": "main", "default": true }, { "id": "stuck", "model": "hung/fake-1" }],
            },
        }),
    );
    let home = Home::new(bin).config(settings);
    let mut gateway = home.start("");
    gateway.ready().await;
    let mut socket = Socket::open(gateway.port()).await;
    socket.turn("main", "warm-up").await;
    let alone = turns(&mut socket, "alone", 100 * scale).await;
    let mut stuck = Socket::open(gateway.port()).await;
    for n in 0..HUNG {
        let asked = json!({ "sessionKey": format!("agent:stuck:{n}"), "message": "hello",
            "idempotencyKey": format!("stuck-{n}") });
        stuck.request("chat.send", asked).await;
    }
    hung.until("the calls that hang", |hung| hung.open() == HUNG)
        .await;
    let beside = turns(&mut socket, "beside", 100 * scale).await;
    table.row("turn alone, p50", ms(alone), "");
    table.row(
        "turn while 8 calls of another provider hang, p50",
        ms(beside),
        "as alone",
    );
}

async fn turns(socket: &mut Socket, name: &str, count: usize) -> Duration {
    let mut sample = Sample::default();
    for n in 0..count {
        let start = Instant::now();
        socket.turn("main", &format!("{name}-{n}")).await;
        sample.push(start.elapsed());
        if n % 50 == 49 {
            socket
                .request("sessions.reset", json!({ "key": "main" }))
                .await;
        }
    }
    sample.at(500)
}
