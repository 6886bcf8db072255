//! How many journaled turns a second: `cargo run --release -p openclaw-ledger --example turns_per_s [sessions] [seconds] [folder]`.
//!
//! A turn is what the gateway writes for one: accept, begin, commit with transcript and session entry.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use openclaw_ledger::{Ledger, NewInbound, TurnCommit, TurnOutcome};
use openclaw_protocol::key::{RunId, SessionKey};
use openclaw_protocol::message::Inbound;
use serde_json::json;

type Fallible = Result<(), Box<dyn std::error::Error + Send + Sync>>;

async fn session(ledger: Ledger, name: String, until: Instant, turns: Arc<AtomicU64>) -> Fallible {
    let key = SessionKey::parse(&format!("agent:main:{name}"))?;
    let text = "What is on my list for today, and what did we say about the kitchen? ".repeat(4);
    let message = |role: &str| json!({ "type": "message", "message": { "role": role, "content": [{ "type": "text", "text": text }] } });
    for n in 0.. {
        if Instant::now() > until {
            break;
        }
        let row = NewInbound {
            session: key.clone(),
            source: "ws".into(),
            source_id: format!("{name}-{n}"),
            run_id: RunId(format!("run-{n}")),
            body: Inbound {
                text: text.clone(),
                ..Inbound::default()
            },
            reply: None,
            received_at_ms: n,
            traceparent: None,
        };
        ledger
            .accept(row, "ws", &format!("{name}-{n}"), json!({ "runId": n }))
            .await?;
        let Some(start) = ledger.begin_turn(&key, n).await? else {
            break;
        };
        let end = TurnCommit {
            session: key.clone(),
            turn: start.turn,
            with: Vec::new(),
            outcome: TurnOutcome::Done,
            session_id: name.clone(),
            entries: vec![message("user"), message("assistant")],
            entry: Some(json!({ "updatedAt": n, "totalTokens": n })),
            outbox: vec![],
            usage: Vec::new(),
            tell: Vec::new(),
            heard: None,
        };
        ledger.commit_turn(end).await?;
        turns.fetch_add(1, Relaxed);
    }
    Ok(())
}

#[tokio::main(worker_threads = 2)]
#[expect(
    clippy::disallowed_methods,
    reason = "this load has no supervision tree"
)]
#[expect(clippy::print_stdout, reason = "its output is its purpose")]
async fn main() -> Fallible {
    let mut args = std::env::args().skip(1);
    let sessions: u64 = args.next().map_or(Ok(20), |arg| arg.parse())?;
    let seconds: u64 = args.next().map_or(Ok(5), |arg| arg.parse())?;
    let folder = args.next().map_or_else(std::env::temp_dir, Into::into);
    let folder = folder.join(format!("turns_per_s-{}", std::process::id()));
    let path = folder.join("openclaw.redb");
    for what in ["created", "opened"] {
        let began = Instant::now();
        let (_, thread) = Ledger::open(&path)?;
        println!("{what} in {} µs", began.elapsed().as_micros());
        thread.join();
    }
    let (ledger, thread) = Ledger::open(&path)?;
    let turns = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + Duration::from_secs(seconds);
    let tasks: Vec<_> = (0..sessions)
        .map(|n| {
            tokio::spawn(session(
                ledger.clone(),
                format!("s{n}"),
                until,
                Arc::clone(&turns),
            ))
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let stats = ledger.stats();
    println!("{} turns/s", turns.load(Relaxed) / seconds);
    println!("{} rows/s", stats.rows / seconds);
    println!(
        "commit p50 {} µs, p99 {} µs",
        stats.commit_p50_us, stats.commit_p99_us
    );
    println!(
        "{} commits/s, {} writes a commit",
        stats.commits / seconds,
        stats.ops / stats.commits.max(1)
    );
    drop(ledger);
    thread.join();
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
